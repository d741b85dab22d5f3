//! The messages of every sub-protocol of OPS, one file each.

pub mod account;
pub mod claim;
pub mod credited;
pub mod deny_list;
pub mod deposit;
pub mod forward;
pub mod mailbox;
pub mod payment;
pub mod receipt;
pub mod register;
pub mod remembered;
pub mod request;
pub mod retire;
pub mod sync;
pub mod withdraw;

use serde::{Deserialize, Serialize};

pub use account::{AccountAnswer, AccountQuery};
pub use claim::{Batch, BatchAnswer, ItemOutcome, ItemRefused, SettlementState};
pub use credited::{CreditedAnswer, CreditedQuery};
pub use deny_list::{
    DenyEntry, DenyListPiece, DirectoryEntry, ListsQuery, ListsUpdate, PieceId, ProviderDirectory,
    ProviderStanding,
};
pub use deposit::{
    DepositAnswer, DepositOpen, DepositOrder, DepositOutcome, DepositRefusal, Endorsement,
};
pub use forward::{
    Forward, ForwardAnswer, ForwardOutcome, ForwardRefused, ProviderRequest, Settlement,
    SettlementAck, SettlementsAnswer, SettlementsQuery,
};
pub use mailbox::{MailboxAnswer, MailboxQuery};
pub use payment::{Payment, Receiver};
pub use receipt::ReceivedPayment;
pub use register::{CertificateChain, RegisterClient, RegisterTa, Renew};
pub use remembered::{Remembered, RememberedAnswer, RememberedItem};
pub use request::{ListVersion, ListsHeld, NoiseKey, ProviderList, RequestPayment, memo_hash};
pub use retire::{DeathAnswer, ReportDeath, Retire, RetireAnswer, RetireOrder};
pub use sync::{Status, StatusOrder, SyncToken};
pub use withdraw::{Withdraw, WithdrawAck};

/// What names an answer of a server: a restore raises the incarnation, and in one life no number is used
/// twice. Answers of one life need not come in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnswerStamp {
    /// The server's life, counted from 1.
    pub incarnation: u32,
    /// The answer's own number in that life; some are left out.
    pub sequence: u64,
}
