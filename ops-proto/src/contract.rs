//! The command contract of a TA, in the manner of a GlobalPlatform TA: open a session, invoke, close.
//!
//! The first command of a session that changes state must be [`Command::OperationsSince`]. Every
//! command that changes state has an operation number o and enters a running hash; [`Mark`] names where
//! that stands. Nothing that a TA returned leaves the device before the journal holds it. The exceptions
//! are `Attest` and `Renew`, which change nothing, and `Acknowledge`, which only lets the TA forget: they
//! do not move the mark. Nor does a refusal, not even of a wrong PIN, whose try is counted all the same.
//!
//! Every command is idempotent: the same command for the same thing returns the same bytes, and a
//! repeat is recognised before any other refusal is considered.

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::amount::{Amount, Balance, Currency};
use crate::attestation::{DeviceCertificate, Quote};
use crate::certificate::{Certificate, Limits};
use crate::id::{CommandId, Digest, RequestId};
use crate::key::PublicKey;
use crate::limits::{PIN_TRIES_MAX, STATUS_IDS_MAX};
use crate::list::List;
use crate::message::{
    DepositAnswer, DepositOpen, ListsHeld, NoiseKey, ReceivedPayment, Renew, RequestPayment,
    Retire, Status, SyncToken, Withdraw, WithdrawAck,
};
use crate::pay_verify::PaymentPair;
use crate::signed::Signed;
use crate::statement::ChainEnd;
use crate::time::{Time, Validity};

/// What a TA can be asked. The order is frozen: the index is the byte on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Command {
    /// Makes the keys and pins the root. Repeating it with the same root returns the same key.
    Init {
        /// The root that every chain must reach.
        root: PublicKey,
    } = 0,
    /// Returns a quote over the TA key for one client and one challenge of the server.
    Attest {
        /// The server's challenge.
        challenge: [u8; 32],
        /// The client that the TA will belong to.
        client: PublicKey,
    } = 1,
    /// Takes a TA certificate: for this key, with a higher number, from the one provider.
    CertInit {
        /// The provider's certificate.
        provider: Signed<Certificate>,
        /// The TA's certificate.
        certificate: Signed<Certificate>,
        /// The present instant, by the device's clock.
        now: Time,
    } = 2,
    /// Opens a deposit; reserves room under the balance limit.
    DepositOpen {
        /// The journalled intent.
        command: CommandId,
        /// What to move onto the device.
        amount: Amount,
    } = 3,
    /// Takes the server's answer to the open deposit.
    DepositClose {
        /// The answer, grant or refusal.
        answer: Signed<DepositAnswer>,
    } = 4,
    /// Issues a request for payment; reserves room under the balance limit.
    PrepareRequest {
        /// The journalled intent.
        command: CommandId,
        /// What is asked.
        terms: RequestTerms,
    } = 5,
    /// Pays a request: debits, then signs P. Keyed by (payee key, request id).
    Pay {
        /// R.
        request: Signed<RequestPayment>,
        /// The certificate of the payee's provider.
        payee_provider: Signed<Certificate>,
        /// The present instant, by the device's clock.
        now: Time,
        /// The person's PIN, where one is set and the floor asks for it.
        pin: Option<Pin>,
    } = 6,
    /// Credits a payment for an open request of this TA and signs the receipt.
    Collect {
        /// P and R.
        pair: PaymentPair,
        /// The certificate of the sender's provider.
        sender_provider: Signed<Certificate>,
    } = 7,
    /// Closes requests and states where the TA stands.
    StatusOpen {
        /// The requests that the daemon no longer wants; those that cannot be closed stay open.
        close: List<RequestId, STATUS_IDS_MAX>,
        /// 16 random bytes that the token must answer.
        nonce: [u8; 16],
    } = 8,
    /// Takes the token for the open status.
    Sync {
        /// The token.
        token: Signed<SyncToken>,
    } = 9,
    /// The journal holds everything up to o: outputs up to there may be forgotten.
    Acknowledge {
        /// The operation number.
        o: u64,
    } = 10,
    /// Returns every operation after the journal's highest mark. The first command of a session.
    OperationsSince {
        /// The journal's highest mark.
        mark: Mark,
    } = 11,
    /// Returns what the TA would show on a screen of its own. Changes nothing.
    Inspect = 12,
    /// Debits the TA, then signs W. Time, limits and PIN never stop it. A statement.
    Withdraw {
        /// The journalled intent.
        command: CommandId,
        /// What to move to the online account.
        amount: Amount,
    } = 13,
    /// Takes the server's acknowledgement of the withdrawal that waits for one.
    WithdrawAck {
        /// The acknowledgement.
        ack: Signed<WithdrawAck>,
    } = 14,
    /// Signs the wish for the next certificate over the server's challenge. Changes nothing.
    Renew {
        /// The server's challenge.
        challenge: [u8; 32],
    } = 15,
    /// Closes every request and signs the last statement: nothing new is signed after it.
    Retire {
        /// 16 random bytes.
        nonce: [u8; 16],
    } = 16,
    /// Sets or changes the PIN and the floor above which `Pay` asks for it.
    SetPin {
        /// The PIN so far; ignored when none is set.
        old: Option<Pin>,
        /// The PIN from now on: 4 to 12 digits.
        new: Pin,
        /// The sum, in minor units, that may be paid after a PIN before the next is asked for.
        floor: u64,
    } = 17,
}

impl Command {
    /// Returns the command as it is kept, journalled and hashed: no PIN is left in it.
    #[must_use]
    pub fn without_pin(&self) -> Self {
        match self {
            Self::Pay {
                request,
                payee_provider,
                now,
                pin: _,
            } => Self::Pay {
                request: request.clone(),
                payee_provider: payee_provider.clone(),
                now: *now,
                pin: None,
            },
            Self::SetPin {
                old: _,
                new: _,
                floor,
            } => Self::SetPin {
                old: None,
                new: Pin::new(String::new()),
                floor: *floor,
            },
            Self::Init { .. }
            | Self::Attest { .. }
            | Self::CertInit { .. }
            | Self::DepositOpen { .. }
            | Self::DepositClose { .. }
            | Self::PrepareRequest { .. }
            | Self::Collect { .. }
            | Self::StatusOpen { .. }
            | Self::Sync { .. }
            | Self::Acknowledge { .. }
            | Self::OperationsSince { .. }
            | Self::Inspect
            | Self::Withdraw { .. }
            | Self::WithdrawAck { .. }
            | Self::Renew { .. }
            | Self::Retire { .. } => self.clone(),
        }
    }
}

/// What a payee's daemon asks its TA to request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestTerms {
    /// What is asked.
    pub amount: Amount,
    /// [`crate::message::memo_hash`] of the memo.
    pub memo_hash: Digest,
    /// The static Noise key made for this request.
    pub noise_key: NoiseKey,
    /// The present instant, by the device's clock.
    pub issued: Time,
    /// How long the request may be paid.
    pub validity: Validity,
    /// The deny-lists that the device holds.
    pub lists_held: ListsHeld,
    /// The request that this one replaces.
    pub replaces: Option<RequestId>,
    /// The payment that this would refund.
    pub refund_of: Option<Digest>,
}

/// A PIN on its way to the TA. It cannot be printed and is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin(String);

impl Pin {
    /// Takes what the person typed.
    #[must_use]
    pub const fn new(digits: String) -> Self {
        Self(digits)
    }

    /// Returns the digits, for the TA's comparison.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin([redacted])")
    }
}

/// Where the operations of a TA stand: the last number, and the hash over all operations up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The number of the last operation; 0 before the first.
    pub o: u64,
    /// The running hash; 32 zero bytes before the first.
    pub hash: Digest,
}

impl Mark {
    /// The mark before the first operation: what an empty journal shows.
    pub const START: Self = Self {
        o: 0,
        hash: Digest::ZERO,
    };

    /// Returns the mark after one more operation.
    #[must_use]
    pub fn after(&self, command: &[u8], output: &[u8]) -> Self {
        let o = self.o.saturating_add(1);
        let length = u64::try_from(command.len()).unwrap_or(u64::MAX);
        let hash = Digest::of(&[
            b"blepay/ta/operation\0",
            &self.hash.0,
            &o.to_le_bytes(),
            &length.to_le_bytes(),
            command,
            output,
        ]);

        Self { o, hash }
    }
}

/// One operation in full: enough to write its journal record again, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Where the operations stood after it.
    pub mark: Mark,
    /// The command, without its PINs: [`Command::without_pin`].
    pub command: Command,
    /// What the TA returned.
    pub output: Output,
}

/// What a TA returns. The order is frozen: the index is the byte on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Output {
    /// To `Init`: the TA's key.
    Initialised {
        /// The TA's key.
        ta: PublicKey,
    } = 0,
    /// To `Attest`.
    Attested {
        /// The device's certificate.
        device: Signed<DeviceCertificate>,
        /// The quote.
        quote: Signed<Quote>,
    } = 1,
    /// To `CertInit`.
    Certified = 2,
    /// To `DepositOpen`.
    DepositOpened(Signed<DepositOpen>) = 3,
    /// To `DepositClose`.
    DepositClosed {
        /// The balance after it.
        balance: Balance,
    } = 4,
    /// To `PrepareRequest`.
    RequestPrepared(Signed<RequestPayment>) = 5,
    /// To `Pay`.
    Paid(PaymentPair) = 6,
    /// To `Collect`.
    Collected(Signed<ReceivedPayment>) = 7,
    /// To `StatusOpen`.
    StatusOpened(Signed<Status>) = 8,
    /// To `Sync`.
    Synced = 9,
    /// To `Acknowledge`.
    Acknowledged = 10,
    /// To `OperationsSince`: every later operation, oldest first. The session may now change state.
    Operations(Vec<Operation>) = 11,
    /// To `Inspect`.
    State(Box<TaState>) = 12,
    /// To `Withdraw`: the TA is debited already.
    Withdrawn(Signed<Withdraw>) = 13,
    /// To `WithdrawAck`.
    WithdrawAcknowledged {
        /// The balance after it.
        balance: Balance,
    } = 14,
    /// To `Renew`.
    Renewal(Signed<Renew>) = 15,
    /// To `Retire`.
    Retired(Signed<Retire>) = 16,
    /// To `SetPin`.
    PinSet = 17,
}

/// What a TA would show on a screen of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaState {
    /// The TA's key, once there is one.
    pub ta: Option<PublicKey>,
    /// The number of the certificate held, once there is one.
    pub certificate: Option<u64>,
    /// The currency of the certificate.
    pub currency: Option<Currency>,
    /// The limits of the certificate.
    pub limits: Option<Limits>,
    /// What the TA holds.
    pub balance: Balance,
    /// The deposit that is open.
    pub deposit_open: Option<Amount>,
    /// The end of the chain of statements.
    pub chain: ChainEnd,
    /// Requests that are open, and the room they reserve, in minor units.
    pub requests_open: u64,
    /// Sum that open requests reserve, in minor units.
    pub reserved: u64,
    /// Payments since the last token.
    pub paid_count: u64,
    /// Their sum, in minor units.
    pub paid_total: u64,
    /// Payments collected since the last token.
    pub collected_count: u64,
    /// Their sum, in minor units.
    pub collected_total: u64,
    /// The floor of time that tokens set.
    pub time_floor: Time,
    /// Where the operations stand.
    pub mark: Mark,
    /// The withdrawal that waits for its acknowledgement; it is debited already.
    pub withdraw_open: Option<Amount>,
    /// Whether the TA has signed its last statement.
    pub retired: bool,
    /// The PIN, as far as anyone may know.
    pub pin: PinState,
}

impl TaState {
    /// Returns what the person should hear of before the TA refuses: whoever goes online and syncs in
    /// time is never refused for an offline limit.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let Some(limits) = &self.limits {
            let bounds = [
                (self.paid_count, limits.paid_count, Warning::PaidCount),
                (self.paid_total, limits.paid_total, Warning::PaidTotal),
                (
                    self.collected_count,
                    limits.collected_count,
                    Warning::CollectedCount,
                ),
                (
                    self.collected_total,
                    limits.collected_total,
                    Warning::CollectedTotal,
                ),
            ];
            let reached = bounds
                .into_iter()
                .filter(|(is, bound, _)| *is >= bound.warn);
            warnings.extend(reached.map(|(_, _, warning)| warning));
            if self.balance.minor_units() > limits.balance_max.minor_units() {
                warnings.push(Warning::BalanceAboveLimit);
            }
        }
        if self.pin.is_set && self.pin.tries_left == 0 {
            warnings.push(Warning::PinBlocked);
        } else if self.pin.is_set && self.pin.tries_left < PIN_TRIES_MAX {
            warnings.push(Warning::PinTries);
        }

        warnings
    }
}

/// What a TA says of its PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinState {
    /// Whether there is one.
    pub is_set: bool,
    /// Tries until it blocks.
    pub tries_left: u8,
    /// The sum, in minor units, that may be paid after a PIN before the next is asked for.
    pub floor: u64,
    /// What was paid since the last right PIN, in minor units.
    pub since_pin: u64,
}

impl PinState {
    /// Returns whether paying `amount` now takes a PIN.
    #[must_use]
    pub const fn asks_for(&self, amount: Amount) -> bool {
        self.is_set && self.since_pin.saturating_add(amount.minor_units()) > self.floor
    }
}

/// What a person should hear of before the TA refuses. [`TaState::warnings`] finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Warning {
    /// Many payments since the last token.
    PaidCount = 0,
    /// Much was paid since the last token.
    PaidTotal = 1,
    /// Many payments were collected since the last token.
    CollectedCount = 2,
    /// Much was collected since the last token.
    CollectedTotal = 3,
    /// A new certificate allows less than the TA holds.
    BalanceAboveLimit = 4,
    /// Wrong PINs were entered.
    PinTries = 5,
    /// The PIN is blocked.
    PinBlocked = 6,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PaidCount => "many payments since the last sync; go online before it is too many",
            Self::PaidTotal => "much was paid since the last sync; go online before it is too much",
            Self::CollectedCount => {
                "many payments were collected since the last sync; go online before it is too many"
            }
            Self::CollectedTotal => {
                "much was collected since the last sync; go online before it is too much"
            }
            Self::BalanceAboveLimit => {
                "the device holds more than its new certificate allows; withdraw some"
            }
            Self::PinTries => "a wrong PIN was entered; enter the right one before it blocks",
            Self::PinBlocked => {
                "the PIN is blocked; withdraw, retire this TA and register a new one"
            }
        })
    }
}

/// An answer with the mark that the journal stores beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What the TA returned.
    pub output: Output,
    /// Where the operations stood after it.
    pub mark: Mark,
}

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

/// A trusted application, in process or behind a socket.
pub trait TrustedApplication {
    /// Why the TA could not be reached; in process it always can.
    type Unreachable: std::error::Error + Send + Sync + 'static;

    /// Invokes one command.
    ///
    /// # Errors
    ///
    /// The outer error when there was no answer: whether the command took effect is then unknown, and
    /// the caller opens a new session with `OperationsSince`.
    fn invoke(&mut self, command: Command) -> Result<Result<Answer, TaRefused>, Self::Unreachable>;
}
