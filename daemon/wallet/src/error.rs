//! Why the wallet did not do what was asked.

use ble_proto::gossip::Revoked;
use ble_proto::limits::REQUESTS_MAX;
use ble_proto::message::MemoRefused;
use ble_proto::payment::payee::OpenRefused;
use journal::JournalError;
use ops_proto::contract::TaRefused;
use ops_proto::{Currency, Time};
use radio::{AbsentReason, RadioError};

use super::PAYMENTS_MAX;
use super::refund::RefundRefused;
use crate::ta::TaError;

/// The wallet did not do what was asked; nothing changed unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// There is no provider yet.
    #[error("this wallet is not enrolled with a provider yet")]
    NotEnrolled,
    /// There is no certificate yet.
    #[error("this wallet is not registered with its provider yet")]
    NotRegistered,
    /// The client is certified, and its TA is not.
    #[error("the trusted application has no certificate yet")]
    NotCertified,
    /// This device's own certificate is not valid by its clock.
    #[error("this device's clock says {here}, and its certificate is valid from {from} to {until}")]
    Clock { here: Time, from: Time, until: Time },
    /// The request that would be paid is this device's.
    #[error("this is a request of this wallet itself; nobody pays oneself")]
    OwnRequest,
    /// The request is in another currency.
    #[error("the request is in {asked} and this wallet pays {holds}")]
    OtherCurrency { asked: Currency, holds: Currency },
    /// The deny-lists name this device's certificate, or its provider.
    #[error("this wallet can no longer ask or pay: {0}; what is under way still settles")]
    Revoked(Revoked),
    /// The memo cannot be shown.
    #[error(transparent)]
    Memo(#[from] MemoRefused),
    /// The TA refused or cannot be reached.
    #[error(transparent)]
    Ta(#[from] TaError),
    /// The TA refused a PIN.
    #[error("{refused}{}", tries(*tries_left))]
    Pin {
        refused: TaRefused,
        /// Tries until it blocks, where the TA says so.
        tries_left: Option<u8>,
    },
    /// The TA was asked to issue a request, and its answer did not come.
    #[error("whether the request is open is known once the trusted application answers: {0}")]
    RequestUnknown(TaError),
    /// A refund cannot be asked for.
    #[error(transparent)]
    Refund(#[from] RefundRefused),
    /// A limit of the TA is reached.
    #[error("{sentence}")]
    Limit {
        refused: TaRefused,
        /// The same with numbers and what to do.
        sentence: String,
    },
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// This device has no radio at present: nobody can be heard, nor hear it.
    #[error("this device has no radio: {0}")]
    RadioAbsent(AbsentReason),
    /// The radio failed.
    #[error(transparent)]
    Radio(#[from] RadioError),
    /// No request has this number.
    #[error("there is no request with this number")]
    UnknownRequest,
    /// No payment has this hash.
    #[error("there is no payment with this number")]
    UnknownPayment,
    #[error("the request is paid; a paid request cannot be cancelled")]
    RequestPaid,
    /// The request cannot be served.
    #[error("the request cannot be served: {0}")]
    Open(#[from] OpenRefused),
    /// As many requests as can be served are open.
    #[error("{REQUESTS_MAX} requests are open, and no more can be; cancel one")]
    TooManyRequests,
    /// The TA has not told yet what it did before the start.
    #[error("the trusted application is not ready; see `blepay status`")]
    NotReady,
    /// As many payments are under way as may be.
    #[error(
        "{PAYMENTS_MAX} payments are under way, and no more can be; finish or decline one first"
    )]
    TooManyPayments,
    /// The system has no randomness.
    #[error("the system has no random numbers to give: {0}")]
    Randomness(host::entropy::Error),
    #[error("the daemon is stopping")]
    Stopped,
}

fn tries(left: Option<u8>) -> String {
    match left {
        Some(1) => "; 1 try is left".to_owned(),
        Some(left) => format!("; {left} tries are left"),
        None => String::new(),
    }
}
