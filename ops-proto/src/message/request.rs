//! RequestPayment (R): the receiver asks.

use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Currency};
use crate::certificate::Certificate;
use crate::id::{Digest, ProviderId, RequestId};
use crate::limits::LISTS_HELD_MAX;
use crate::list::List;
use crate::signed::{Body, Signed};
use crate::time::{Time, Validity};

/// A request for payment, signed by the payee's certified key (its TA's, or its client key).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPayment {
    /// The payee's certificate.
    pub payee: Signed<Certificate>,
    /// The number of the request under the payee's key.
    pub request_id: RequestId,
    /// What is asked.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The payee's static Noise key for this request; the payer requires that it is the session's.
    pub noise_key: NoiseKey,
    /// [`memo_hash`] of what the payee says the payment is for.
    pub memo_hash: Digest,
    /// When the payee signed, by its clock; chains and deny-lists are judged at this instant.
    pub issued: Time,
    /// How long the request may be paid, by the payer's monotonic clock.
    pub validity: Validity,
    /// The deny-lists that the payee holds.
    pub lists_held: ListsHeld,
    /// The request that this one replaces: whoever paid that one cannot pay this one.
    pub replaces: Option<RequestId>,
    /// The hash of the payment that this would refund.
    pub refund_of: Option<Digest>,
}

impl Body for RequestPayment {
    const DOMAIN: &'static [u8] = b"blepay/ops/request-payment\0";
    const SIZE_MAX: usize = 1024;
}

/// An X25519 public key of the Noise session, 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoiseKey(pub [u8; 32]);

/// The deny-lists that a device holds, stated in its requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListsHeld {
    /// The root's list of providers.
    pub root: ListVersion,
    /// The lists of at most 8 providers.
    pub providers: List<ProviderList, LISTS_HELD_MAX>,
}

/// The version of one deny-list; the greater replaces the smaller. (0, 0) is "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListVersion {
    /// Rises when the list key changes.
    pub epoch: u32,
    /// Rises with every list under that key.
    pub number: u32,
}

/// The version that is held of one provider's deny-list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderList {
    /// The provider.
    pub provider: ProviderId,
    /// The version held.
    pub version: ListVersion,
}

/// Returns the salted hash of a memo: what a request says of it before the payer has chosen.
#[must_use]
pub fn memo_hash(salt: &[u8; 16], memo: &str) -> Digest {
    Digest::of(&[b"blepay/ops/memo\0", salt, memo.as_bytes()])
}
