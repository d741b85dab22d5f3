//! A client asks its provider which payments it credited to its online account: whoever was paid may be the last to hear
//! of it.

use serde::{Deserialize, Serialize};

use super::AnswerStamp;
use crate::certificate::Certificate;
use crate::id::Digest;
use crate::key::PublicKey;
use crate::limits::{CREDITED_PAIRS_MAX, CREDITED_PAYMENTS_MAX, LISTS_HELD_MAX};
use crate::list::List;
use crate::pay_verify::PaymentPair;
use crate::signed::{Body, Signed};

/// Asks which payments were credited to the account after a place; signed by the client key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditedQuery {
    /// The client.
    pub client: PublicKey,
    /// Where the answer before ended; 0 at first, and at first in each life of the server.
    pub after: u64,
    /// Those of the payments after it that are wanted whole.
    pub wanted: List<Digest, CREDITED_PAIRS_MAX>,
    /// The server's challenge for the client key, single use.
    pub challenge: [u8; 32],
}

impl Body for CreditedQuery {
    const DOMAIN: &'static [u8] = b"blepay/ops/credited-query\0";
    const SIZE_MAX: usize = 2048;
}

/// Payments that were credited, oldest first; signed by the answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditedAnswer {
    /// The client.
    pub client: PublicKey,
    /// The payments.
    pub payments: List<Digest, CREDITED_PAYMENTS_MAX>,
    /// Where they end.
    pub next: u64,
    /// Whether more were credited after them.
    pub more: bool,
    /// The certificates of the providers that the pairs name.
    pub providers: List<Signed<Certificate>, LISTS_HELD_MAX>,
    /// Those that were wanted whole.
    pub pairs: List<PaymentPair, CREDITED_PAIRS_MAX>,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for CreditedAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/credited-answer\0";
    const SIZE_MAX: usize = 128 * 1024;
}
