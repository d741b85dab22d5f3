//! What ends a session, sorted by whose fault it is. The other side learns only the class.

use ops_proto::certificate::ChainRefused;
use ops_proto::message::receipt::ReceiptRefused;
use ops_proto::pay_verify::PayVerifyRefused;
use ops_proto::signed::Malformed;

use crate::frame::FrameError;
use crate::gossip::Revoked;
use crate::info::InfoError;
use crate::message::{AbortCode, MessageKind};
use crate::session::SessionError;

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A frame was not the one that was due.
    #[error("the other side's frames are refused")]
    Frame(#[source] FrameError),
    /// The handshake or a seal did not hold.
    #[error("the session is not authentic")]
    Session(#[source] SessionError),
    /// A message did not decode.
    #[error("the message is malformed")]
    Malformed(#[source] Malformed),
    /// The other side did what the protocol does not allow.
    #[error("the other side misbehaved")]
    PeerMisbehaved(#[source] Misbehaviour),
    /// There is no version in common.
    #[error("the other side is not compatible")]
    PeerIncompatible(#[source] InfoError),
    /// The other side ended the session and said only why in general.
    #[error("the other side ended the session")]
    PeerAborted(#[source] AbortCode),
    /// What was approved is not what is offered, or who approved may not.
    #[error("the approval is refused")]
    Approval(#[source] ApprovalRefused),
    /// The TA did not sign.
    #[error("the trusted application refused")]
    TaRefused,
    /// Something did not come in time.
    #[error("{0} did not come in time")]
    TimedOut(Waiting),
    /// The link is gone.
    #[error("the link is gone")]
    LinkLost,
    /// The link had to make room for another.
    #[error("the link made room for another")]
    Evicted,
    /// The payee has no such open request for this mode.
    #[error("no request with this tag is open for this way in")]
    UnknownRequest,
    /// The payee has answered as many handshakes for this request as it may.
    #[error("the request has seen too many handshakes")]
    Flooded,
    /// The caller broke the machine's contract; nothing went out.
    #[error("{0}")]
    ApiMisuse(&'static str),
}

/// Why an approval is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalRefused {
    /// It names another payee, request or amount than the offer.
    #[error("the approval is for another payee, request or amount")]
    OtherOffer,
    /// A policy may not approve for a payee that was merely heard.
    #[error("no policy may approve a payee that was merely heard")]
    MerelyHeard,
}

/// What the other side did that the protocol does not allow, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// A message before flight ② was sent.
    #[error("a message came before flight 2")]
    SpokeTooEarly,
    /// A message in a state that does not await it.
    #[error("{message:?} came while waiting for {waiting}")]
    Unexpected {
        /// What came.
        message: MessageKind,
        /// What was due.
        waiting: Waiting,
    },
    /// The nonce of flight ③ is not the one that flight ① promised.
    #[error("the nonce does not open the commitment")]
    CommitmentNotOpened,
    /// Flight ③ of a payer who only browses.
    #[error("a browser cannot choose")]
    BrowserChose,
    /// Flight ③ of the wrong mode.
    #[error("the choice is of the other mode")]
    OtherMode,
    /// More payments sent again than one session may.
    #[error("too many payments sent again in one session")]
    TooManyResumes,
    /// The payer's certificates do not reach the root.
    #[error("the sender's certificates are refused")]
    Sender(#[source] ChainRefused),
    /// The deny-lists name the sender.
    #[error("the sender's certificate is revoked")]
    SenderRevoked(#[source] Revoked),
    /// The lists that the request stated named the sender already.
    #[error("the sender's certificate was revoked before the request")]
    RevokedBeforeRequest,
    /// The sender is not a TA, or may not pay as much.
    #[error("the sender cannot make this payment")]
    SenderCannotPay,
    /// The sender's certificate is one of the payee's own, as everyone sees it in flight ②.
    #[error("the sender shows a certificate of this device")]
    OwnKeyAsSender,
    /// The sender locked this request as often as it may without paying.
    #[error("the sender locked the request too often without paying")]
    LockedTooOften,
    /// The request or its certificates do not verify.
    #[error("the request is refused")]
    Request(#[source] PayVerifyRefused),
    /// `PayVerify` ≠ 1.
    #[error("the payment is refused")]
    Payment(#[source] PayVerifyRefused),
    /// A payment for a key that is not this device's.
    #[error("the payment is for another receiver than this device")]
    NotForThisDevice,
    /// The request names another Noise key than the session's.
    #[error("the request belongs to another session's key")]
    OtherNoiseKey,
    /// The request asks in another currency than the payer's.
    #[error("the request is in another currency")]
    OtherCurrency,
    /// The request is not the one that the person saw.
    #[error("the payee, the request or the amount is not what was chosen")]
    NotWhatWasChosen,
    /// The memo and salt do not hash to what the request says.
    #[error("the memo is not the one that the request names")]
    OtherMemo,
    /// The receipt is not for the payment or not from its receiver.
    #[error("the receipt is refused")]
    Receipt(#[source] ReceiptRefused),
    /// Deny-lists that are refused, or more of them than one visit may bring.
    #[error("the deny-lists after the receipt are refused")]
    BadGossip,
}

/// What a machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Waiting {
    /// Payee: flight ①.
    #[error("flight 1")]
    Hello,
    /// Payee: its own turn to answer flight ①.
    #[error("the turn to answer")]
    Turn,
    /// Payee: flight ③ or a payment sent again.
    #[error("flight 3")]
    Choice,
    /// Payee: flight ⑤.
    #[error("flight 5")]
    Payment,
    /// Payee: its own journal and TA.
    #[error("the receipt to be written")]
    Collection,
    /// Payee: the payer's leaving.
    #[error("the payer's leaving")]
    Leave,
    /// Both: deny-lists after the receipt.
    #[error("deny-lists after the receipt")]
    Gossip,
    /// Payer: flight ②.
    #[error("flight 2")]
    Offer,
    /// Payer: the answer to a payment sent again.
    #[error("the answer to a payment sent again")]
    ResumeAnswer,
    /// Payer: the person's or the policy's choice.
    #[error("the choice")]
    OwnChoice,
    /// Payer: flight ④.
    #[error("flight 4")]
    Locked,
    /// Payer: the person's or the policy's approval, within the lock and the request's validity.
    #[error("the approval")]
    Approval,
    /// Payer: its own journal and TA.
    #[error("the payment to be signed")]
    Signature,
    /// Payer: flight ⑥.
    #[error("flight 6")]
    Receipt,
}

impl Failure {
    /// Returns what the other side is told, if anything.
    #[must_use]
    pub const fn abort_code(&self) -> Option<AbortCode> {
        match self {
            Self::Malformed(_) => Some(AbortCode::Malformed),
            Self::PeerMisbehaved(_) => Some(AbortCode::ProtocolViolation),
            Self::PeerIncompatible(_) => Some(AbortCode::Incompatible),
            Self::TaRefused | Self::Approval(_) => Some(AbortCode::Declined),
            Self::TimedOut(_) => Some(AbortCode::TimedOut),
            // the frames or the seal are broken, so that nothing can be said, or nobody is there
            Self::Frame(_) | Self::Session(_) | Self::LinkLost | Self::PeerAborted(_) => None,
            // before a session there is no way to say it; the link just ends
            Self::Evicted | Self::UnknownRequest | Self::Flooded => None,
            Self::ApiMisuse(_) => None, // our fault alone; nothing to tell
        }
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<Malformed> for Failure {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl From<Misbehaviour> for Failure {
    fn from(misbehaviour: Misbehaviour) -> Self {
        Self::PeerMisbehaved(misbehaviour)
    }
}

impl From<InfoError> for Failure {
    fn from(error: InfoError) -> Self {
        Self::PeerIncompatible(error)
    }
}
