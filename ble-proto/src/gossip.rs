//! Deny-lists between two devices: what each holds, what it passes on after the receipt, and what a
//! payee refuses by them.
//!
//! ```text
//! ⑥ ← Received, on the payer's disk: the payment is over
//! ⑦ → Holding          what the payer holds; left out when R says that both hold the same
//! ⑧ ← Directory? Piece* Holding      what the payer lacks, then what the payee holds
//! ⑨ → Directory? Piece* Enough       what the payee lacks; the payee hangs up
//! ```
//!
//! Only versions that are held whole are passed on, their pieces in order. A receiver that did not get
//! all of them says in its next `Holding` where it stands, to whomever it meets.

use std::sync::Arc;

use ops_proto::certificate::Certificate;
use ops_proto::limits::{DIRECTORY_PROVIDERS_MAX, LISTS_HELD_MAX};
use ops_proto::list::List;
use ops_proto::message::{DenyListPiece, ListVersion, ListsHeld, ProviderDirectory, ProviderList};
use ops_proto::{ProviderId, PublicKey, Signed};
use serde::{Deserialize, Serialize};

/// What a device holds of the deny-lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The root's directory.
    pub directory: ListVersion,
    /// The providers' lists, ascending by provider; one that is absent is not held.
    pub lists: List<HeldList, DIRECTORY_PROVIDERS_MAX>,
}

/// What a device holds of one provider's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldList {
    /// The provider.
    pub provider: ProviderId,
    /// The version held whole; (0, 0) is none.
    pub version: ListVersion,
    /// The newer version whose first pieces are held.
    pub gathering: Option<Gathering>,
}

/// A version of which the first pieces are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathering {
    /// The version.
    pub version: ListVersion,
    /// The first piece that is missing.
    pub next: u16,
}

/// One thing to pass on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GossipItem {
    /// The root's directory.
    Directory(Box<Signed<ProviderDirectory>>),
    /// A piece of a provider's list.
    Piece(Box<Signed<DenyListPiece>>),
}

impl Holding {
    /// Tells whether a payee that stated these lists in its request holds the same, so that there is
    /// nothing to pass on either way.
    #[must_use]
    pub fn is_same_as(&self, stated: &ListsHeld) -> bool {
        // a full statement may leave lists out
        if self.lists.len() >= LISTS_HELD_MAX || stated.providers.len() >= LISTS_HELD_MAX {
            return false;
        }
        let is_stated = |held: &HeldList| {
            let whole = ProviderList {
                provider: held.provider,
                version: held.version,
            };
            held.gathering.is_none() && stated.providers.contains(&whole)
        };

        self.directory == stated.root
            && self.lists.len() == stated.providers.len()
            && self.lists.iter().all(is_stated)
    }
}

/// Every certificate that the lists of a device revoke. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub struct Denied(Arc<Revocations>);

#[derive(Debug, Default)]
struct Revocations {
    /// Ascending by provider and key.
    subjects: Vec<DeniedSubject>,
    /// Ascending by provider.
    providers: Vec<ProviderList>,
}

/// A key that its provider revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeniedSubject {
    /// The provider whose list names the key. It speaks of its own subjects alone.
    pub provider: ProviderId,
    /// The key.
    pub key: PublicKey,
    /// The first version held by this device that named it.
    pub since: ListVersion,
}

/// Why a certificate is of no use for a new request or payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Revoked {
    /// Its provider revoked the subject.
    #[error("the provider revoked the certificate")]
    Subject,
    /// The root no longer stands behind its provider.
    #[error("the root revoked the provider")]
    Provider,
}

impl Denied {
    /// Takes what the lists say: revoked subjects, and revoked providers with the directory's version
    /// that said so first.
    #[must_use]
    pub fn new(mut subjects: Vec<DeniedSubject>, mut providers: Vec<ProviderList>) -> Self {
        subjects.sort_unstable();
        providers.sort_unstable_by_key(|revoked| revoked.provider);

        Self(Arc::new(Revocations {
            subjects,
            providers,
        }))
    }

    /// Returns why a certificate is revoked, if it is.
    #[must_use]
    pub fn revoked(&self, certificate: &Certificate) -> Option<Revoked> {
        if self.provider_since(certificate.provider).is_some() {
            return Some(Revoked::Provider);
        }

        self.subject_since(certificate)
            .map(|_since| Revoked::Subject)
    }

    /// Tells whether the lists that a request stated had revoked the certificate already. What was
    /// revoked later does not burn a payment.
    #[must_use]
    pub fn was_revoked(&self, certificate: &Certificate, stated: &ListsHeld) -> bool {
        let provider = certificate.provider;
        let is_stated_since = |since: ListVersion| {
            stated
                .providers
                .iter()
                .any(|list| list.provider == provider && list.version >= since)
        };

        self.provider_since(provider)
            .is_some_and(|since| stated.root >= since)
            || self.subject_since(certificate).is_some_and(is_stated_since)
    }

    fn provider_since(&self, provider: ProviderId) -> Option<ListVersion> {
        let providers = &self.0.providers;
        let at = providers
            .binary_search_by_key(&provider, |revoked| revoked.provider)
            .ok()?;

        providers.get(at).map(|revoked| revoked.version)
    }

    fn subject_since(&self, certificate: &Certificate) -> Option<ListVersion> {
        let subjects = &self.0.subjects;
        let wanted = (certificate.provider, certificate.subject);
        let at = subjects
            .binary_search_by_key(&wanted, |denied| (denied.provider, denied.key))
            .ok()?;

        subjects.get(at).map(|denied| denied.since)
    }
}
