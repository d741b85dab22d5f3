//! The messages of every sub-protocol of OPS, one file each.

pub mod account;
pub mod claim;
pub mod deposit;
pub mod payment;
pub mod receipt;
pub mod register;
pub mod request;
pub mod sync;
pub mod withdraw;

use serde::{Deserialize, Serialize};

pub use account::{AccountAnswer, AccountQuery};
pub use claim::{Batch, BatchAnswer, ItemOutcome, ItemRefused, SettlementState};
pub use deposit::{
    DepositAnswer, DepositOpen, DepositOrder, DepositOutcome, DepositRefusal, Endorsement,
};
pub use payment::{Payment, Receiver};
pub use receipt::ReceivedPayment;
pub use register::{CertificateChain, RegisterClient, RegisterTa, Renew};
pub use request::{ListVersion, ListsHeld, NoiseKey, ProviderList, RequestPayment, memo_hash};
pub use sync::{Retire, Status, StatusOrder, SyncToken};
pub use withdraw::{Withdraw, WithdrawAck};

/// What orders the answers of a server: a restore raises the incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnswerStamp {
    /// The server's life, counted from 1.
    pub incarnation: u32,
    /// The answer's number in that life.
    pub sequence: u64,
}
