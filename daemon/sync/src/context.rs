//! What every part of a run works with.

use std::collections::BTreeSet;

use journal::{Fact, Journal};
use ops_proto::Digest;
use runtime::clock;
use wallet::Wallet;
use wallet::ta::{TaAccess, TaError, TaHandle};

use super::error::SyncError;
use super::outcome::SetAside;
use super::server::{Life, Server};

/// What every part of a run works with.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) wallet: Wallet,
    pub(super) server: Server,
    pub(super) uses_ta: bool,
    /// Pairs that fail alone in this run; the rest goes on without them.
    pub(super) left_out: BTreeSet<Digest>,
    /// What is told of them and of other items that the server refuses.
    pub(super) set_aside: Vec<SetAside>,
}

impl Context {
    pub(super) fn journal(&self) -> &Journal {
        self.wallet.journal()
    }

    /// Returns the TA, if this wallet uses one.
    pub(super) fn ta(&self) -> Result<&TaHandle, TaError> {
        self.wallet
            .ta()
            .filter(|_| self.uses_ta)
            .ok_or(TaError::Absent)
    }

    /// Refuses what only a certified TA can do, for the true reason.
    pub(super) fn check_certified(&self) -> Result<(), SyncError> {
        if self.journal().view(|book| book.sender_chain().is_some()) {
            return Ok(());
        }

        Err(self.why_not_certified())
    }

    /// Tells why the TA of this wallet is not certified: it has ended, or its certificate has not come.
    pub(super) fn why_not_certified(&self) -> SyncError {
        let access = self.ta().map(|ta| ta.access().borrow().clone());
        let (is_retiring, is_client) = self.journal().view(|book| {
            let client = book.client().and_then(|client| client.chain.as_ref());

            (book.retire_open().is_some(), client.is_some())
        });
        match access {
            Err(absent) => absent.into(),
            Ok(TaAccess::Halted(refused)) => TaError::Halted(refused).into(),
            Ok(TaAccess::Ended) => TaError::Ended.into(),
            Ok(_) if is_retiring => TaError::Ended.into(),
            Ok(TaAccess::Unreachable(reason)) => TaError::Unreachable(reason).into(),
            Ok(TaAccess::Opening | TaAccess::Open) if is_client => SyncError::NotCertified,
            Ok(TaAccess::Opening | TaAccess::Open) => SyncError::NotRegistered,
        }
    }

    /// Takes note of what the journal knows of the provider, and of the server's life.
    pub(super) fn know(&mut self, life: Life) {
        self.know_keys();
        self.server.know_life(life);
    }

    /// Takes note of the keys under which the provider answers.
    pub(super) fn know_keys(&mut self) {
        let keys = self.journal().view(|book| book.answer_keys(clock::now()));
        self.server.know_keys(keys);
    }

    /// Sets anything else aside that fails alone.
    pub(super) fn note_set_aside(&mut self, item: String, error: &SyncError) {
        tracing::warn!(item, %error, "Set aside an item that the server refuses");
        let item = SetAside {
            item,
            reason: error.to_string(),
        };
        if !self.set_aside.contains(&item) {
            self.set_aside.push(item);
        }
    }

    pub(super) async fn record(&self, facts: Vec<Fact>) -> Result<(), SyncError> {
        let _seq = self.journal().append(facts).await?;

        Ok(())
    }

    /// Sets a pair aside that fails alone.
    pub(super) fn set_pair_aside(&mut self, payment: Digest, error: &SyncError) {
        tracing::warn!(%payment, %error, "Set aside a payment that the server refuses");
        let _new = self.left_out.insert(payment);
        let item = SetAside {
            item: payment.to_string(),
            reason: error.to_string(),
        };
        if !self.set_aside.contains(&item) {
            self.set_aside.push(item);
        }
    }
}

/// Returns random bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N], SyncError> {
    let mut bytes = [0; N];
    host::entropy::fill(&mut bytes).map_err(|_| SyncError::Randomness)?;

    Ok(bytes)
}
