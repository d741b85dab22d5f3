//! The TA's statements since its last token, and how far the next token is.

use ops_proto::limits::CHAIN_STATEMENTS_MAX;
use ops_proto::list::List;
use ops_proto::message::{Status, StatusOrder, SyncToken};
use ops_proto::statement::Statement;
use ops_proto::{Digest, Signed, Time};
use serde::{Deserialize, Serialize};

use super::Book;
use super::life::REMEMBER_MS;

/// The TA's chain since the last token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusStanding {
    statements: Vec<Statement>,
    open: Option<Signed<Status>>,
    token: Option<Signed<SyncToken>>,
    last_token: Option<Time>,
    kept: Vec<(Time, Signed<Status>, Signed<SyncToken>)>,
}

impl StatusStanding {
    /// Returns the newest status for which no token was taken.
    #[must_use]
    pub const fn open(&self) -> Option<&Signed<Status>> {
        self.open.as_ref()
    }

    /// Returns the token that the TA has still to take (`Sync`).
    #[must_use]
    pub const fn token_to_take(&self) -> Option<&Signed<SyncToken>> {
        self.token.as_ref()
    }

    /// Returns when the last token was taken.
    #[must_use]
    pub const fn last_token(&self) -> Option<Time> {
        self.last_token
    }

    /// Returns how many statements the server has not acknowledged.
    #[must_use]
    pub const fn statements(&self) -> usize {
        self.statements.len()
    }

    pub(super) fn stated(&mut self, statement: Statement) {
        if !self.statements.contains(&statement) {
            self.statements.push(statement);
        }
    }

    pub(super) fn opened(&mut self, status: &Signed<Status>) -> Option<()> {
        let n = |status: &Signed<Status>| status.body().position.n;
        if self.open.as_ref().is_some_and(|held| n(held) > n(status)) {
            return None;
        }
        self.stated(Statement::Status(status.clone()));
        self.open = Some(status.clone());
        self.token = None;

        Some(())
    }

    pub(super) fn token_received(&mut self, token: &Signed<SyncToken>) {
        let answers_open = self
            .open
            .as_ref()
            .is_some_and(|status| status.hash() == token.body().status);
        if answers_open {
            self.token = Some(token.clone());
        }
    }

    pub(super) fn token_taken(&mut self, status: Digest, at: Time) -> Option<()> {
        let position = self
            .statements
            .iter()
            .position(|statement| statement.hash() == status)?;
        let after = position.saturating_add(1).min(self.statements.len());
        self.statements.drain(..after);
        if let Some(open) = self.open.take_if(|open| open.hash() == status)
            && let Some(token) = self.token.take()
        {
            let since = at.saturating_sub_ms(REMEMBER_MS);
            self.kept.retain(|(at, _, _)| *at >= since);
            self.kept.push((at, open, token));
        }
        self.last_token = Some(at);

        Some(())
    }

    /// The TA has ended; the next one begins with an empty chain. Its tokens are kept for the server.
    pub(super) fn ended(&mut self) {
        *self = Self {
            kept: std::mem::take(&mut self.kept),
            ..Self::default()
        };
    }

    /// Returns every statement since the last token, oldest first.
    pub(super) fn chain(&self) -> Vec<Statement> {
        self.statements
            .iter()
            .take(CHAIN_STATEMENTS_MAX)
            .cloned()
            .collect()
    }

    /// Returns the statuses that were answered in the last [`REMEMBER_MS`], with their tokens, and when
    /// the TA took them, oldest first.
    pub(super) fn tokens_kept(
        &self,
    ) -> impl Iterator<Item = &(Time, Signed<Status>, Signed<SyncToken>)> {
        self.kept.iter()
    }

    fn order(&self) -> Option<StatusOrder> {
        let status = self.open.as_ref()?;
        let hash = status.hash();
        let mut chain = self.chain();
        let before = chain
            .iter()
            .position(|statement| statement.hash() == hash)
            .unwrap_or(chain.len());
        chain.truncate(before);

        Some(StatusOrder {
            chain: List::try_from(chain).ok()?,
            status: status.clone(),
        })
    }
}

impl Book {
    /// Returns how the TA's chain stands.
    #[must_use]
    pub const fn status(&self) -> &StatusStanding {
        &self.status
    }

    /// Returns what to send for a token: the open status with every statement since the last token.
    #[must_use]
    pub fn status_order(&self) -> Option<StatusOrder> {
        self.status.order()
    }

    pub(super) fn fold_status_opened(&mut self, status: &Signed<Status>) -> Option<()> {
        self.status.opened(status)?;
        self.close_requests(status.body());

        Some(())
    }
}
