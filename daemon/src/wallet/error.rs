//! Why the wallet did not do what was asked.

use ble_proto::message::MemoRefused;

use crate::journal::JournalError;
use crate::radio::RadioError;
use crate::ta::TaError;

/// The wallet did not do what was asked; nothing changed unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// There is no certificate yet.
    #[error("this device is not registered; run `blepay init` and `blepay sync` while online")]
    NotRegistered,
    /// The memo cannot be shown.
    #[error(transparent)]
    Memo(#[from] MemoRefused),
    /// The TA refused or cannot be reached.
    #[error(transparent)]
    Ta(#[from] TaError),
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no radio, or it failed.
    #[error(transparent)]
    Radio(#[from] RadioError),
    /// No request has this number.
    #[error("there is no request with this number")]
    UnknownRequest,
    /// No payment has this hash.
    #[error("there is no payment with this number")]
    UnknownPayment,
    /// As many requests as can be served are open.
    #[error("too many requests are open; cancel one")]
    TooManyRequests,
    /// A payment is under way already.
    #[error("a payment is under way; finish or decline it first")]
    TooManyPayments,
    /// The system has no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopped,
}
