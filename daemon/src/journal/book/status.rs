//! The TA's statements since its last token, and how far the next token is.

use ops_proto::limits::CHAIN_STATEMENTS_MAX;
use ops_proto::list::List;
use ops_proto::message::{Status, StatusOrder, SyncToken};
use ops_proto::statement::Statement;
use ops_proto::{Digest, Signed, Time};

use super::Book;

/// The TA's chain since the last token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusStanding {
    statements: Vec<Statement>,
    open: Option<Signed<Status>>,
    token: Option<Signed<SyncToken>>,
    last_token: Option<Time>,
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
        if self.open.as_ref().is_some_and(|open| open.hash() == status) {
            self.open = None;
            self.token = None;
        }
        self.last_token = Some(at);

        Some(())
    }

    fn order(&self) -> Option<StatusOrder> {
        let status = self.open.as_ref()?;
        let hash = status.hash();
        let chain: Vec<Statement> = self
            .statements
            .iter()
            .take_while(|statement| statement.hash() != hash)
            .take(CHAIN_STATEMENTS_MAX)
            .cloned()
            .collect();

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
}
