//! What a visit to a payee is for, and what the payer brings along.

use std::collections::BTreeMap;

use ops_proto::certificate::Certificate;
use ops_proto::message::CertificateChain;
use ops_proto::{Amount, PaymentPair, PublicKey, RequestId, Signed};

use crate::frame::ChunkSize;
use crate::gatt::RequestTag;
use crate::gossip::Holding;
use crate::limits::{REVEALS_MAX, REVEALS_TRACKED_MAX};
use crate::session::ENTROPY_SIZE;
use crate::uri::PaymentUri;

/// All that a payer brings to one link, after it has subscribed to `S2C` and read `INFO`.
#[derive(Debug)]
pub struct Visit {
    /// The root that the payer trusts.
    pub root: PublicKey,
    /// The payer's TA certificate with its provider's.
    pub sender: CertificateChain,
    /// What the visit is for.
    pub purpose: Purpose,
    /// Payments that no receipt has answered; those for the payee found go first. At most
    /// [`crate::limits::UNSETTLED_MAX`].
    pub unsettled: Vec<Unsettled>,
    /// What this device holds of the deny-lists; `None` passes none on after the receipt.
    pub holding: Option<Holding>,
    /// The `INFO` characteristic as read.
    pub info: Vec<u8>,
    /// What the link carries in one write.
    pub chunk: ChunkSize,
    /// Fresh randomness for this link alone.
    pub entropy: [u8; ENTROPY_SIZE],
}

/// What a visit is for; the mode follows from it and never changes.
#[derive(Debug)]
pub enum Purpose {
    /// Look at a request that was heard, hand in what is unsettled, leave.
    Browse {
        /// The tag of the advertisement.
        tag: RequestTag,
    },
    /// Hand in what is unsettled for whoever this is, leave.
    Resume {
        /// The tag of the advertisement.
        tag: RequestTag,
    },
    /// Pay a request that was heard: commitment and code.
    Pay {
        /// The tag of the advertisement.
        tag: RequestTag,
        /// What the person or the policy has in mind.
        expected: Expected,
    },
    /// Pay a request whose URI was scanned or typed: no code, never by another way.
    PayScanned {
        /// The URI.
        uri: PaymentUri,
    },
}

/// What a payer has in mind before it hears the payee; anything else is refused by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The payee's certified key, and where it is known from.
    pub payee: Option<KnownPayee>,
    /// The request, as seen while browsing.
    pub request: Option<RequestId>,
    /// The amount, as seen while browsing.
    pub amount: Option<Amount>,
}

/// A payee's certified key, and where the payer knows it from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownPayee {
    /// From a visit just before: a person chose it, no policy may.
    SeenWhileBrowsing(PublicKey),
    /// From the owner, who named it before: a policy may approve.
    NamedByOwner(PublicKey),
}

impl KnownPayee {
    /// Returns the key.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        match self {
            Self::SeenWhileBrowsing(key) | Self::NamedByOwner(key) => *key,
        }
    }
}

/// A payment that no receipt has answered, with what it takes to check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// P and its R.
    pub pair: PaymentPair,
    /// The certificate of the sender's provider.
    pub provider: Signed<Certificate>,
}

/// What was approved, by whom: the machine pays nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The payee's key, as offered.
    pub payee: PublicKey,
    /// The request, as offered.
    pub request: RequestId,
    /// The amount, as offered.
    pub amount: Amount,
    /// Who approved.
    pub by: Approver,
}

/// Who approved a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approver {
    /// A person, who has seen name, amount and code.
    Person,
    /// The policy, for a payee key that the owner named before: [`KnownPayee::NamedByOwner`].
    PolicyNamedPayee,
    /// The policy, for a request whose URI was scanned for this payment.
    PolicyScannedUri,
}

/// Counts how often this device opened its commitment for each request: at most 3 times.
///
/// Each opening is one guess for somebody in between. One per device, kept while the daemon runs and
/// passed to [`super::Payer::handle_chosen`].
#[derive(Debug, Default)]
pub struct Reveals {
    counts: BTreeMap<(PublicKey, RequestId), RevealCount>,
    clock: u64,
}

#[derive(Debug)]
struct RevealCount {
    count: u8,
    last: u64,
}

/// The permission to open one commitment; only [`Reveals::take`] makes one.
#[derive(Debug)]
pub(super) struct RevealPermit(());

impl Reveals {
    /// Takes one opening for a request, if any is left.
    pub(super) fn take(&mut self, payee: PublicKey, request: RequestId) -> Option<RevealPermit> {
        self.clock = self.clock.saturating_add(1);
        let last = self.clock;
        let entry = self
            .counts
            .entry((payee, request))
            .or_insert(RevealCount { count: 0, last });
        if entry.count >= REVEALS_MAX {
            return None;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last = last;
        self.forget_oldest();

        Some(RevealPermit(()))
    }

    fn forget_oldest(&mut self) {
        if self.counts.len() <= REVEALS_TRACKED_MAX {
            return;
        }
        let oldest = self
            .counts
            .iter()
            .min_by_key(|(_, reveal)| reveal.last)
            .map(|(key, _)| *key);
        if let Some(key) = oldest {
            self.counts.remove(&key);
        }
    }
}
