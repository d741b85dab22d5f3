//! The flights, as they are before they are sealed.
//!
//! A message is `postcard` of [`Message`]: the byte of its kind, then its fields. Decoding is canonical
//! (encoding again gives the input). Kinds are frozen: a new one goes to the end.
//!
//! ```text
//! ① → Hello (see `session`)      ② ← Offer
//! ③ → Reveal | Join              ④ ← Locked | Busy | Refuse
//! ⑤ → Payment                    ⑥ ← Received | Held | Refuse
//! Resume, instead of ③ or before it, is answered as ⑤ is. Abort ends the session, from either side.
//! ⑦ → Holding                    ⑧ ← Directory? Piece* Holding
//! ⑨ → Directory? Piece* Enough   (see `gossip`; only after the receipt)
//! ```
//!
//! After ⑥ the payment is over: there, and only there, a kind that is not known ends the link without
//! a word and without harm, so that a later version may append kinds that come after the receipt.

use std::fmt;

use ops_proto::certificate::Certificate;
use ops_proto::id::{has_stacked_marks, is_hidden, is_hidden_for_ever};
use ops_proto::limits::{MARKS_MAX, MEMO_SIZE_MAX};
use ops_proto::message::{
    DenyListPiece, Payment, ProviderDirectory, ReceivedPayment, RequestPayment,
};
use ops_proto::signed::{Malformed, decode_canonical, encode};
use ops_proto::{PaymentPair, Signed};
use serde::{Deserialize, Serialize};

use crate::code::{OpenedNonce, PayeeNonce};
use crate::gossip::{GossipItem, Holding};
use crate::limits::MESSAGE_SIZE_MAX;

/// One message between payer and payee. The index is the byte on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Message {
    /// ②: what is asked, by whom (byte 0).
    Offer(Box<Offer>) = 0,
    /// ③ for a request that was heard (byte 1).
    Reveal(Box<Reveal>) = 1,
    /// ③ for a request whose URI was scanned (byte 2).
    Join(Box<SenderChain>) = 2,
    /// ④: the request is this session's alone (byte 3).
    Locked(Locked) = 3,
    /// ④: another session holds the request (byte 4).
    Busy = 4,
    /// ④ or ⑥: the payee does not go on (byte 5).
    Refuse(RefuseReason) = 5,
    /// ⑤: the payment, over the R of flight ② (byte 6).
    Payment(Box<Signed<Payment>>) = 6,
    /// A payment that was not answered, again with its request (byte 7).
    Resume(Box<Resume>) = 7,
    /// ⑥: the receipt (byte 8).
    Received(Box<Signed<ReceivedPayment>>) = 8,
    /// ⑥: the payment is kept and claimable, but not credited here; there is no receipt (byte 9).
    Held = 9,
    /// The sender of this ends the session (byte 10).
    Abort(AbortCode) = 10,
    /// ⑦, and the end of ⑧: what the sender holds of the deny-lists (byte 11).
    Holding(Box<Holding>) = 11,
    /// ⑧ or ⑨: the root's directory of providers (byte 12).
    Directory(Box<Signed<ProviderDirectory>>) = 12,
    /// ⑧ or ⑨: a piece of a deny-list (byte 13).
    Piece(Box<Signed<DenyListPiece>>) = 13,
    /// The end of ⑨: the payee hangs up (byte 14).
    Enough = 14,
}

/// ②: the request and what it takes to check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// R, signed by the payee.
    pub request: Signed<RequestPayment>,
    /// The certificate of the payee's provider, signed by the root.
    pub provider: Signed<Certificate>,
    /// The payee's nonce for the code.
    pub nonce: PayeeNonce,
    /// Whether the request can be paid at this moment.
    pub standing: Standing,
}

/// How a request stands. The index is the byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Standing {
    /// It can be chosen (byte 0).
    Open = 0,
    /// Another session holds it (byte 1).
    Locked = 1,
    /// It is paid; only who paid it has business here (byte 2).
    Paid = 2,
}

/// ③: opens the commitment and says who pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// The nonce that flight ① committed to.
    pub nonce: OpenedNonce,
    /// Who pays.
    pub sender: SenderChain,
}

/// The payer's certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderChain {
    /// The TA's certificate.
    pub leaf: Signed<Certificate>,
    /// Its provider's, unless that is the one which the payee sent in flight ②.
    pub provider: Option<Signed<Certificate>>,
}

/// ④: the request is this session's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// What the payment is for; hashes with the salt to R's memo hash.
    pub memo: Memo,
    /// The salt.
    pub salt: [u8; 16],
}

/// A payment that was not answered, with all that it takes to check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// P and its R, byte for byte as before.
    pub pair: PaymentPair,
    /// The certificate of the sender's provider, unless the payee sent it in flight ②.
    pub provider: Option<Signed<Certificate>>,
}

/// Why a payee does not go on. The index is the byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[repr(u8)]
pub enum RefuseReason {
    /// The request is not open any more (byte 0).
    #[error("the request is closed")]
    Closed = 0,
    /// The request is paid (byte 1).
    #[error("the request is paid already")]
    Paid = 1,
    /// The payer's certificates are not sufficient for this request (byte 2).
    #[error("the payee does not accept the sender's certificates")]
    Sender = 2,
    /// The payment does not pay the request (byte 3).
    #[error("the payee does not accept the payment")]
    Payment = 3,
    /// The payee's deny-lists name the payer (byte 4).
    #[error("the sender's certificate was revoked by its provider")]
    Revoked = 4,
}

/// The class of an error: all that the other side learns. The index is the byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[repr(u8)]
pub enum AbortCode {
    /// Bytes without the expected form (byte 0).
    #[error("a message was malformed")]
    Malformed = 0,
    /// A message that the protocol does not allow here (byte 1).
    #[error("a message broke the protocol")]
    ProtocolViolation = 1,
    /// Nothing in common (byte 2).
    #[error("the devices have nothing in common")]
    Incompatible = 2,
    /// The person, the policy or the TA said no (byte 3).
    #[error("the other side declined")]
    Declined = 3,
    /// Something took too long (byte 4).
    #[error("the other side waited too long")]
    TimedOut = 4,
}

/// What a payment is for, as people see it: at most 64 bytes of UTF-8 that show as they are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memo(String);

/// The kinds of [`Message`], to name one that came at the wrong time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the variant of `Message` of the same name"
)]
pub enum MessageKind {
    Offer,
    Reveal,
    Join,
    Locked,
    Busy,
    Refuse,
    Payment,
    Resume,
    Received,
    Held,
    Abort,
    Holding,
    Directory,
    Piece,
    Enough,
}

impl Message {
    /// Returns the bytes to seal.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes what was sealed.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for anything but the one canonical encoding of one message.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MESSAGE_SIZE_MAX {
            return Err(Malformed::TooLong);
        }

        decode_canonical(bytes)
    }

    /// Returns the message's kind.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Offer(_) => MessageKind::Offer,
            Self::Reveal(_) => MessageKind::Reveal,
            Self::Join(_) => MessageKind::Join,
            Self::Locked(_) => MessageKind::Locked,
            Self::Busy => MessageKind::Busy,
            Self::Refuse(_) => MessageKind::Refuse,
            Self::Payment(_) => MessageKind::Payment,
            Self::Resume(_) => MessageKind::Resume,
            Self::Received(_) => MessageKind::Received,
            Self::Held => MessageKind::Held,
            Self::Abort(_) => MessageKind::Abort,
            Self::Holding(_) => MessageKind::Holding,
            Self::Directory(_) => MessageKind::Directory,
            Self::Piece(_) => MessageKind::Piece,
            Self::Enough => MessageKind::Enough,
        }
    }
}

impl From<GossipItem> for Message {
    fn from(item: GossipItem) -> Self {
        match item {
            GossipItem::Directory(directory) => Self::Directory(directory),
            GossipItem::Piece(piece) => Self::Piece(piece),
        }
    }
}

impl Memo {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether it shows as it is: a person decides by this text.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.chars().any(is_hidden) && !has_stacked_marks(&self.0)
    }
}

impl TryFrom<String> for Memo {
    type Error = MemoRefused;

    fn try_from(memo: String) -> Result<Self, MemoRefused> {
        if memo.len() > MEMO_SIZE_MAX {
            return Err(MemoRefused::TooLong);
        }
        if memo.chars().any(is_hidden_for_ever) {
            return Err(MemoRefused::HiddenCharacter);
        }

        Ok(Self(memo))
    }
}

impl std::str::FromStr for Memo {
    type Err = MemoRefused;

    fn from_str(memo: &str) -> Result<Self, MemoRefused> {
        if memo.chars().any(is_hidden) {
            return Err(MemoRefused::HiddenCharacter);
        }
        if has_stacked_marks(memo) {
            return Err(MemoRefused::StackedMarks);
        }

        Self::try_from(memo.to_owned())
    }
}

impl From<Memo> for String {
    fn from(memo: Memo) -> Self {
        memo.0
    }
}

impl fmt::Display for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A memo is nobody's business but the two people's.
impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo([redacted])")
    }
}

/// Why a text is no memo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoRefused {
    /// More than 64 bytes.
    #[error("a memo has at most {MEMO_SIZE_MAX} bytes")]
    TooLong,
    /// A control character, or one that turns or hides text.
    #[error("a memo has no invisible characters")]
    HiddenCharacter,
    /// More marks on a character than any script has, or one without a character.
    #[error("a memo has at most {MARKS_MAX} marks on a character, and none before the first")]
    StackedMarks,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memo_shows_as_it_is() {
        assert!("two coffees, № 7".parse::<Memo>().is_ok());
        assert!("".parse::<Memo>().is_ok());
        let long = "x".repeat(MEMO_SIZE_MAX + 1);
        assert_eq!(long.parse::<Memo>(), Err(MemoRefused::TooLong));
        for memo in ["a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\u{200b}b"] {
            assert_eq!(memo.parse::<Memo>(), Err(MemoRefused::HiddenCharacter));
        }
    }

    #[test]
    fn a_hidden_character_in_a_memo_does_not_decode() {
        let mut bytes = vec![3, 1, 0x1b];
        bytes.extend([0; 16]);

        assert_eq!(Message::decode(&bytes), Err(Malformed::Encoding));
    }

    #[test]
    fn an_overlong_encoding_and_bytes_after_the_end_are_refused() {
        assert_eq!(Message::decode(&[0x04]), Ok(Message::Busy));
        assert_eq!(Message::decode(&[0x84, 0x00]), Err(Malformed::NotCanonical));
        assert_eq!(Message::decode(&[0x04, 0x00]), Err(Malformed::NotCanonical));
        assert_eq!(Message::decode(&[0x0f]), Err(Malformed::Encoding));
        assert_eq!(Message::decode(&[]), Err(Malformed::Encoding));
        assert_eq!(Message::decode(&[0; 4097]), Err(Malformed::TooLong));
    }
}
