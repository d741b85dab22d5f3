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

mod pin;
mod refused;
mod state;

use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Balance};
use crate::attestation::{DeviceCertificate, Quote};
use crate::certificate::Certificate;
use crate::id::{CommandId, Digest, RequestId};
use crate::key::PublicKey;
use crate::limits::STATUS_IDS_MAX;
use crate::list::List;
use crate::message::{
    DepositAnswer, DepositOpen, ListsHeld, NoiseKey, ReceivedPayment, Renew, RequestPayment,
    Retire, Status, SyncToken, Withdraw, WithdrawAck,
};
use crate::pay_verify::PaymentPair;
use crate::signed::Signed;
use crate::time::{Time, Validity};

pub use pin::{Pin, PinState};
pub use refused::TaRefused;
pub use state::{TaState, Warning};

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
    /// Tells whether a PIN goes with the command: asked twice, a wrong one costs two tries.
    #[must_use]
    pub const fn carries_pin(&self) -> bool {
        matches!(self, Self::Pay { pin: Some(_), .. } | Self::SetPin { .. })
    }

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

/// An answer with the mark that the journal stores beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What the TA returned.
    pub output: Output,
    /// Where the operations stood after it.
    pub mark: Mark,
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
