//! What every part of the wallet waits for: the enrolment, what was begun before the start, the disk.

use std::time::Duration;

use journal::book::PaymentKey;
use journal::{Fact, JournalError};
use ops_proto::PublicKey;
use ops_proto::message::CertificateChain;

use super::{Shared, WalletError};
use crate::ta::{TaAccess, TaError};

/// How long until the disk is tried again.
const APPEND_INTERVAL: Duration = Duration::from_secs(1);

impl Shared {
    /// Tells whether this device has paid a request.
    pub(super) fn has_paid(&self, key: &PaymentKey) -> bool {
        self.journal.view(|book| {
            book.outgoing_of(key)
                .is_some_and(|payment| payment.pair.is_some())
        })
    }

    /// Refuses what is new under a certificate that the deny-lists name; what is under way goes on.
    pub(super) fn check_not_revoked(&self, own: &CertificateChain) -> Result<(), WalletError> {
        match self.lists.denied().borrow().revoked(own.leaf.body()) {
            Some(revoked) => Err(WalletError::Revoked(revoked)),
            None => Ok(()),
        }
    }

    /// Returns the root, once this device is enrolled. Cancel safe.
    pub(super) async fn root(&self) -> PublicKey {
        let mut facts = self.journal.subscribe();
        loop {
            let root = self.journal.view(|book| Some(book.enrolled()?.root));
            if let Some(root) = root {
                return root;
            }
            // a lagging subscription is as good a reason to look as a fact
            let _fact = facts.recv().await;
        }
    }

    /// Returns once what was begun before the start is finished or undone.
    pub(super) async fn ready(&self, wait: Duration) -> Result<(), WalletError> {
        let mut finished = self.finished.subscribe();
        let ready = finished.wait_for(|finished| *finished);

        match tokio::time::timeout(wait, ready).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(self.why_not_ready()),
        }
    }

    fn why_not_ready(&self) -> WalletError {
        let access = self.ta.as_ref().map(|ta| ta.access().borrow().clone());
        match access {
            Some(TaAccess::Unreachable(reason)) => TaError::Unreachable(reason).into(),
            None
            | Some(TaAccess::Opening | TaAccess::Open | TaAccess::Halted(_) | TaAccess::Ended) => {
                WalletError::NotReady
            }
        }
    }

    /// Appends a fact that must not be lost, trying until the disk takes it.
    pub(super) async fn append_surely(&self, fact: Fact) {
        let mut told = None;
        loop {
            match self.journal.append(vec![fact.clone()]).await {
                Ok(_) => return,
                Err(JournalError::Closed) => std::future::pending().await,
                Err(error) => {
                    // a disk that stays full is told once
                    if told.as_ref() != Some(&error) {
                        tracing::warn!(%error, "The journal refused a fact; trying again");
                        told = Some(error);
                    }
                    tokio::time::sleep(APPEND_INTERVAL).await;
                }
            }
        }
    }
}
