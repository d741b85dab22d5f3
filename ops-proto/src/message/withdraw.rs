//! Withdraw: money moves from the device back to the online account.

use serde::{Deserialize, Serialize};

use super::AnswerStamp;
use crate::amount::Amount;
use crate::id::Digest;
use crate::key::PublicKey;
use crate::signed::Body;
use crate::statement::ChainPosition;

/// The TA has debited itself. A statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdraw {
    /// The TA's key.
    pub ta: PublicKey,
    /// Where on the TA's chain this stands.
    pub position: ChainPosition,
    /// What to move to the online account.
    pub amount: Amount,
}

impl Body for Withdraw {
    const DOMAIN: &'static [u8] = b"blepay/ops/withdraw\0";
    const SIZE_MAX: usize = 256;
}

/// The server has booked a Withdraw; signed by the answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawAck {
    /// The TA's key.
    pub ta: PublicKey,
    /// The counter of the Withdraw.
    pub i: u64,
    /// The hash of the Withdraw.
    pub order: Digest,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for WithdrawAck {
    const DOMAIN: &'static [u8] = b"blepay/ops/withdraw-ack\0";
    const SIZE_MAX: usize = 256;
}
