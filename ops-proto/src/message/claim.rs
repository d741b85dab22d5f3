//! Claim and report: pairs of payment and request reach the server.

use serde::{Deserialize, Serialize};

use super::AnswerStamp;
use crate::certificate::Certificate;
use crate::id::Digest;
use crate::limits::{BATCH_PAIRS_MAX, LISTS_HELD_MAX};
use crate::list::List;
use crate::pay_verify::PaymentPair;
use crate::signed::{Body, Signed};

/// Pairs for one claim or one report, with certificates of the providers they name.
///
/// Anyone may send one: a claim credits the owner of `P.receiver`, whoever sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Certificates of providers that the server may not know yet.
    pub providers: List<Signed<Certificate>, LISTS_HELD_MAX>,
    /// The pairs.
    pub pairs: List<PaymentPair, BATCH_PAIRS_MAX>,
}

/// The server's answer, each item with its own outcome; signed by the answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAnswer {
    /// One outcome for each pair, in the batch's order.
    pub items: List<(Digest, ItemOutcome), BATCH_PAIRS_MAX>,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for BatchAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/batch-answer\0";
    const SIZE_MAX: usize = 64 * 1024;
}

/// What became of one pair, named by the hash of its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum ItemOutcome {
    /// The server holds the pair; this is where its money is.
    Held(SettlementState) = 0,
    /// The server will never honour these bytes.
    Refused(ItemRefused) = 1,
}

/// Where the money of a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum SettlementState {
    /// Credited to the receiver's online account.
    Credited = 0,
    /// Collected by the receiver's TA, as its signed status says.
    Collected = 1,
    /// Waiting: for the receiver's status, or for the sender's provider.
    Waiting = 2,
    /// Waived by the receiver.
    Waived = 3,
}

/// Why a server never honours a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[repr(u8)]
pub enum ItemRefused {
    /// PayVerify is not 1.
    #[error("the payment does not verify")]
    PayVerify = 0,
    /// The receiver is not registered here.
    #[error("the receiver is not registered with this provider")]
    ReceiverUnknown = 1,
    /// The sender is not registered with the provider that certified it.
    #[error("the sender is not registered with this provider")]
    SenderUnknown = 2,
    /// Another payment has the same sender and j: evidence.
    #[error("the sender signed another payment with the same number")]
    Evidence = 3,
    /// The deny-list that the request itself states named the sender.
    #[error("the request's own deny-list already named the sender")]
    Revoked = 4,
}
