//! Why a TA refuses, with what to do.

use serde::{Deserialize, Serialize};

/// Why a TA refuses. The order is frozen: the index is the byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[repr(u8)]
pub enum TaRefused {
    /// A command before `OperationsSince`, which must open a session.
    #[error("the session did not begin with OperationsSince")]
    SessionNotOpen = 0,
    /// The TA is behind the journal's mark: it was rolled back and never signs again.
    #[error("the TA is behind the journal: it was rolled back and never signs again")]
    RolledBack = 1,
    /// The journal's mark is older than what was acknowledged: the journal was restored.
    #[error("the journal is older than what it acknowledged: it was restored")]
    JournalRestored = 2,
    /// The TA's history differs from the journal's.
    #[error("the TA's history is not the journal's")]
    OtherHistory = 3,
    /// `Init` has not been called, or with another root.
    #[error("the TA has no key yet, or another root")]
    NotInitialised = 4,
    /// There is no certificate yet.
    #[error("the TA has no certificate yet")]
    NotCertified = 5,
    /// The TA is retired.
    #[error("the TA is retired")]
    Retired = 6,
    /// Certificates do not reach the root.
    #[error("the certificates are refused")]
    Chain = 7,
    /// The certificate is for another key, another provider, or not newer.
    #[error("the certificate is not for this TA, or not a newer one")]
    OtherCertificate = 8,
    /// A signature does not fit.
    #[error("a signature does not fit")]
    Signature = 9,
    /// The payment does not verify.
    #[error("the payment does not verify")]
    PayVerify = 10,
    /// A deposit is open already, with another command.
    #[error("a deposit is open already; finish it first")]
    DepositPending = 11,
    /// No deposit is open that this answers.
    #[error("no open deposit fits this answer")]
    NoDeposit = 12,
    /// The balance is too small.
    #[error("the balance is too small")]
    Balance = 13,
    /// The balance limit would be exceeded.
    #[error("the balance limit would be exceeded")]
    BalanceLimit = 14,
    /// The payment limit would be exceeded.
    #[error("the payment limit would be exceeded")]
    PaymentLimit = 15,
    /// An offline limit is reached: go online.
    #[error("an offline limit is reached; go online and sync")]
    OfflineLimit = 16,
    /// The request is for another currency.
    #[error("the currency is not the TA's")]
    Currency = 17,
    /// The same payee key and request id was paid with another body.
    #[error("this request was paid already, with other content")]
    RequestReused = 18,
    /// The request that this one replaces was paid.
    #[error("the request that this one replaces was paid already")]
    ReplacedWasPaid = 19,
    /// The request's `issued` lies outside what the TA's clock allows.
    #[error("the request's time is not believable; check both clocks")]
    Time = 20,
    /// A payee cannot pay itself.
    #[error("the payee is this TA")]
    OwnRequest = 21,
    /// The request is not one of this TA's.
    #[error("the payment is not for this TA")]
    OtherReceiver = 22,
    /// The request id is closed; the payment is claimed online.
    #[error("the request is closed; the payment is claimed online")]
    RequestClosed = 23,
    /// Too many requests are open.
    #[error("too many requests are open; cancel some and sync")]
    TooManyRequests = 24,
    /// No open status fits this token.
    #[error("no open status fits this token")]
    NoStatus = 25,
    /// The same command id was used for something else.
    #[error("the command id was used for something else")]
    CommandReused = 26,
    /// The PIN is missing or wrong.
    #[error("the PIN is missing or wrong")]
    Pin = 27,
    /// An operation number that lies ahead of the TA.
    #[error("the operation number lies ahead of the TA")]
    Ahead = 28,
    /// The bytes are no command.
    #[error("the bytes are no command")]
    Malformed = 29,
    /// Too many operations wait for `Acknowledge`.
    #[error("too many operations are not acknowledged yet")]
    Unacknowledged = 30,
    /// The TA's own certificate is not valid at this instant; it stops `Pay` and `PrepareRequest` only.
    #[error("the TA's certificate is not valid at this time; go online and renew it")]
    CertificateNotValid = 31,
    /// A withdrawal waits for its acknowledgement.
    #[error("a withdrawal waits for its acknowledgement; go online and sync first")]
    WithdrawPending = 32,
    /// No withdrawal waits that this acknowledges.
    #[error("no open withdrawal fits this acknowledgement; sync again")]
    NoWithdrawal = 33,
    /// Too many wrong PINs. Withdrawing and retiring need none.
    #[error("the PIN is blocked; withdraw, retire this TA and register a new one")]
    PinBlocked = 34,
    /// A PIN of another form.
    #[error("a PIN has 4 to 12 digits; choose another")]
    PinForm = 35,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::encode;

    #[test]
    fn every_number_of_a_refusal_is_frozen() {
        let frozen = [
            TaRefused::SessionNotOpen,
            TaRefused::RolledBack,
            TaRefused::JournalRestored,
            TaRefused::OtherHistory,
            TaRefused::NotInitialised,
            TaRefused::NotCertified,
            TaRefused::Retired,
            TaRefused::Chain,
            TaRefused::OtherCertificate,
            TaRefused::Signature,
            TaRefused::PayVerify,
            TaRefused::DepositPending,
            TaRefused::NoDeposit,
            TaRefused::Balance,
            TaRefused::BalanceLimit,
            TaRefused::PaymentLimit,
            TaRefused::OfflineLimit,
            TaRefused::Currency,
            TaRefused::RequestReused,
            TaRefused::ReplacedWasPaid,
            TaRefused::Time,
            TaRefused::OwnRequest,
            TaRefused::OtherReceiver,
            TaRefused::RequestClosed,
            TaRefused::TooManyRequests,
            TaRefused::NoStatus,
            TaRefused::CommandReused,
            TaRefused::Pin,
            TaRefused::Ahead,
            TaRefused::Malformed,
            TaRefused::Unacknowledged,
            TaRefused::CertificateNotValid,
            TaRefused::WithdrawPending,
            TaRefused::NoWithdrawal,
            TaRefused::PinBlocked,
            TaRefused::PinForm,
        ];

        for (number, refused) in frozen.into_iter().enumerate() {
            assert_eq!(encode(&refused), [u8::try_from(number).expect("few")]);
        }
    }
}
