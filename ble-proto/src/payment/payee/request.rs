//! Requests that are open, and what strangers may do with them.

use std::collections::VecDeque;

use ops_proto::certificate::Certificate;
use ops_proto::message::{RequestPayment, memo_hash};
use ops_proto::pay_verify::{PayVerifyRefused, verify_request};
use ops_proto::{Digest, PublicKey, Signed};

use super::effect::LinkId;
use crate::gatt::RequestTag;
use crate::limits::{
    COMMITTED_HANDSHAKES_MAX, COMMITTED_INTERVAL_MS, LOCKERS_TRACKED_MAX, LOCKS_PER_SENDER_MAX,
    PAID_LINGER_MS,
};
use crate::message::{Memo, Standing};
use crate::session::{Mode, NoiseSecret, UriSecret};
use crate::time::Instant;

/// A request to open: the signed R with its secrets.
#[derive(Debug)]
pub struct OpenRequest {
    /// The random tag to advertise.
    pub tag: RequestTag,
    /// R, signed by a key of this device.
    pub request: Signed<RequestPayment>,
    /// The certificate of the provider that certified that key.
    pub provider: Signed<Certificate>,
    /// The private half of R's Noise key.
    pub noise_secret: NoiseSecret,
    /// What the payment is for; told once a payer has chosen.
    pub memo: Memo,
    /// The salt of R's memo hash.
    pub salt: [u8; 16],
    /// How payers may come in. It never changes.
    pub way_in: WayIn,
}

/// How payers may come to a request; fixed when it is opened.
#[derive(Debug)]
pub enum WayIn {
    /// Whoever hears the advertisement: Noise `NX` with a code.
    Announced,
    /// Whoever has the URI: Noise `NKpsk0`. It does not answer `NX`.
    Uri(UriSecret),
}

/// Why a request cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenRefused {
    /// As many are open as may be.
    #[error("too many requests are open; close one first")]
    TooMany,
    /// Another open request has the same tag.
    #[error("the tag is in use; draw another")]
    TagInUse,
    /// The request does not verify under the root.
    #[error("the request does not verify")]
    Request(#[source] PayVerifyRefused),
    /// The Noise secret is not that of the request's key.
    #[error("the Noise secret does not belong to the request")]
    OtherNoiseKey,
    /// The memo and salt do not hash to what the request says.
    #[error("the memo does not belong to the request")]
    OtherMemo,
    /// As many keys are held as may be.
    #[error("too many keys to receive with")]
    TooManyKeys,
}

/// An open request with all that changes while it is.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) open: OpenRequest,
    pub(super) hash: Digest,
    pub(super) lock: Option<LinkId>,
    paid: Paid,
    committed: u8,
    next_committed: Instant,
    flood: Flood,
    /// Who locked it, and how often.
    lockers: VecDeque<(PublicKey, u8)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paid {
    Not,
    Lingering { until: Instant },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flood {
    Quiet,
    Told,
}

/// The sender may not lock the request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LockedTooOften;

impl OpenRequest {
    /// Checks that all parts belong together.
    pub(super) fn check(&self, root: &PublicKey) -> Result<(), OpenRefused> {
        let request =
            verify_request(root, &self.request, &self.provider).map_err(OpenRefused::Request)?;
        if self.noise_secret.public() != request.noise_key {
            return Err(OpenRefused::OtherNoiseKey);
        }
        if memo_hash(&self.salt, self.memo.as_str()) != request.memo_hash {
            return Err(OpenRefused::OtherMemo);
        }

        Ok(())
    }

    /// Returns the mode of every handshake that is answered.
    pub(super) const fn mode(&self) -> Mode {
        match self.way_in {
            WayIn::Announced => Mode::Heard,
            WayIn::Uri(_) => Mode::Scanned,
        }
    }
}

impl Request {
    pub(super) fn new(open: OpenRequest, now: Instant) -> Self {
        Self {
            hash: open.request.hash(),
            open,
            lock: None,
            paid: Paid::Not,
            committed: 0,
            next_committed: now,
            flood: Flood::Quiet,
            lockers: VecDeque::new(),
        }
    }

    pub(super) const fn standing(&self) -> Standing {
        match (self.paid, self.lock) {
            (Paid::Lingering { .. }, _) => Standing::Paid,
            (Paid::Not, Some(_)) => Standing::Locked,
            (Paid::Not, None) => Standing::Open,
        }
    }

    /// Takes note that a valid payment for it came; nobody else may choose it.
    pub(super) const fn pay(&mut self, now: Instant) {
        if let Paid::Not = self.paid {
            self.paid = Paid::Lingering {
                until: now.after_ms(PAID_LINGER_MS),
            };
        }
    }

    /// Returns when a paid request need not be advertised any more.
    pub(super) const fn lingers_until(&self) -> Option<Instant> {
        match self.paid {
            Paid::Not => None,
            Paid::Lingering { until } => Some(until),
        }
    }

    /// Tells whether another committed handshake may be answered at all.
    pub(super) const fn is_flooded(&self) -> bool {
        self.committed >= COMMITTED_HANDSHAKES_MAX
    }

    /// Returns when the next committed handshake may be answered.
    pub(super) const fn committed_ready_at(&self) -> Instant {
        self.next_committed
    }

    pub(super) fn count_committed(&mut self, now: Instant) {
        self.committed = self.committed.saturating_add(1);
        self.next_committed = now.after_ms(COMMITTED_INTERVAL_MS);
    }

    /// Locks the request for a sender, unless it did so too often: a certificate is no proof of its
    /// key, so that whoever saw one may come with it.
    pub(super) fn lock_for(
        &mut self,
        link: LinkId,
        sender: PublicKey,
    ) -> Result<(), LockedTooOften> {
        let known = self.lockers.iter_mut().find(|(key, _)| *key == sender);
        match known {
            Some((_, locks)) if *locks >= LOCKS_PER_SENDER_MAX => return Err(LockedTooOften),
            Some((_, locks)) => *locks = locks.saturating_add(1),
            None => {
                if self.lockers.len() >= LOCKERS_TRACKED_MAX {
                    self.lockers.pop_front();
                }
                self.lockers.push_back((sender, 1));
            }
        }
        self.lock = Some(link);

        Ok(())
    }

    /// Tells, the first time only, that the caller should hear of the flood.
    pub(super) fn tell_flood(&mut self) -> bool {
        match std::mem::replace(&mut self.flood, Flood::Told) {
            Flood::Quiet => true,
            Flood::Told => false,
        }
    }
}
