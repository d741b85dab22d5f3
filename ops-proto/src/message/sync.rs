//! Status and Sync: the TA states where it stands, the server takes note.

use serde::{Deserialize, Serialize};

use super::AnswerStamp;
use crate::amount::Balance;
use crate::id::{Digest, RequestId};
use crate::key::PublicKey;
use crate::limits::{CHAIN_STATEMENTS_MAX, STATUS_IDS_MAX};
use crate::list::List;
use crate::signed::{Body, Signed};
use crate::statement::{ChainPosition, Statement};
use crate::time::Time;

/// Where a TA stands. A statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The TA's key.
    pub ta: PublicKey,
    /// Where on the TA's chain this stands.
    pub position: ChainPosition,
    /// What the TA holds.
    pub balance: Balance,
    /// Payments since the last token.
    pub paid_count: u64,
    /// Their sum, in minor units.
    pub paid_total: u64,
    /// Payments collected since the last token.
    pub collected_count: u64,
    /// Their sum, in minor units.
    pub collected_total: u64,
    /// The request ids collected since the last token, with the hash of each payment.
    pub collected: List<(RequestId, Digest), STATUS_IDS_MAX>,
    /// The request ids that are open.
    pub open: List<RequestId, STATUS_IDS_MAX>,
    /// Every id below this one that is not open and was never listed as collected is closed.
    pub mark: RequestId,
    /// The device's nonce: only an answer to it moves the time floor.
    pub nonce: [u8; 16],
}

impl Body for Status {
    const DOMAIN: &'static [u8] = b"blepay/ops/status\0";
    const SIZE_MAX: usize = 64 * 1024;
}

/// What the device sends to the server at a sync: the status and the chain since the last token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusOrder {
    /// Every statement after the last token's status, oldest first, without `status` itself.
    pub chain: List<Statement, CHAIN_STATEMENTS_MAX>,
    /// The newest statement.
    pub status: Signed<Status>,
}

/// The server took note of a status; signed by the answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncToken {
    /// The TA's key.
    pub ta: PublicKey,
    /// The hash of the status, whose counts the TA now subtracts.
    pub status: Digest,
    /// The status's nonce.
    pub nonce: [u8; 16],
    /// The server's time: the TA's new time floor.
    pub time: Time,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for SyncToken {
    const DOMAIN: &'static [u8] = b"blepay/ops/sync-token\0";
    const SIZE_MAX: usize = 256;
}
