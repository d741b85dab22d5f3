//! Deposit: money moves from the online account onto the device.

use serde::{Deserialize, Serialize};

use super::AnswerStamp;
use crate::amount::Amount;
use crate::id::Digest;
use crate::key::PublicKey;
use crate::signed::{Body, Signed};
use crate::statement::ChainPosition;

/// The TA opens a deposit; i is durably open before this leaves the TA. A statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositOpen {
    /// The TA's key.
    pub ta: PublicKey,
    /// Where on the TA's chain this stands.
    pub position: ChainPosition,
    /// What to move onto the device.
    pub amount: Amount,
}

impl Body for DepositOpen {
    const DOMAIN: &'static [u8] = b"blepay/ops/deposit-open\0";
    const SIZE_MAX: usize = 256;
}

/// The owner agrees to a statement of its TA; signed by the client key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsement {
    /// The hash of the statement.
    pub statement: Digest,
}

impl Body for Endorsement {
    const DOMAIN: &'static [u8] = b"blepay/ops/endorsement\0";
    const SIZE_MAX: usize = 128;
}

/// What the device sends to the server: the TA's statement, endorsed by its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositOrder {
    /// Signed by the TA.
    pub open: Signed<DepositOpen>,
    /// Signed by the client.
    pub endorsement: Signed<Endorsement>,
}

/// The server's one answer for this i: the same bytes whenever asked. Signed by the answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositAnswer {
    /// The TA's key.
    pub ta: PublicKey,
    /// The counter that this closes.
    pub i: u64,
    /// The hash of the DepositOpen.
    pub order: Digest,
    /// Granted or refused; a refusal closes i too.
    pub outcome: DepositOutcome,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for DepositAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/deposit-answer\0";
    const SIZE_MAX: usize = 256;
}

/// What became of a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum DepositOutcome {
    /// The money has left the online account for the device.
    Granted = 0,
    /// Nothing moved.
    Refused(DepositRefusal) = 1,
}

/// Why a deposit was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[repr(u8)]
pub enum DepositRefusal {
    /// The online account has less than that.
    #[error("the online account has less than that")]
    Balance = 0,
    /// The TA is suspended.
    #[error("the TA is suspended")]
    Suspended = 1,
    /// The counter does not follow the last one the server knows.
    #[error("the deposit's counter does not follow the server's")]
    Counter = 2,
}
