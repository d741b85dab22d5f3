//! What a payee asks of the world.

use ops_proto::message::ReceivedPayment;
use ops_proto::{Digest, Name, PaymentPair, Signed};

use crate::code::Code;
use crate::durable::RecordNumber;
use crate::error::{Failure, Misbehaviour};
use crate::gatt::RequestTag;
use crate::gossip::{GossipItem, Holding};

/// One connection of a central, as the caller numbers them; a number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One payment on its way to the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditId(pub u64);

/// What to do next, in the order in which [`super::Payee::poll_effect`] gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayeeEffect {
    /// Notify this frame on `S2C`.
    Transmit {
        /// To whom.
        link: LinkId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Close the link. The machine has forgotten it already.
    Disconnect {
        /// Which.
        link: LinkId,
    },
    /// Why a link is being closed before its time: for the log, never for the peer.
    LinkFailed {
        /// Which.
        link: LinkId,
        /// Why.
        failure: Failure,
    },
    /// Append to the journal; call [`super::Payee::handle_synced`] when it is on disk.
    Append {
        /// The record's number.
        number: RecordNumber,
        /// The record.
        record: PayeeRecord,
    },
    /// Credit the payment (`Collect` of the TA, or the client key's signature) and call
    /// [`super::Payee::handle_credited`]. Its record is on disk. For a payment that was credited
    /// before, the answer is the same receipt.
    Credit {
        /// The number to answer with.
        credit: CreditId,
        /// P and R, verified.
        pair: Box<PaymentPair>,
    },
    /// Show the six digits beside the request: this payer has chosen.
    ShowCode {
        /// On which link.
        link: LinkId,
        /// Which request.
        tag: RequestTag,
        /// The digits.
        code: Code,
        /// The payer's certified name.
        payer: Name,
    },
    /// The request is reserved for one payer.
    Locked {
        /// Which request.
        tag: RequestTag,
        /// For whom.
        link: LinkId,
        /// The payer's certified name.
        payer: Name,
    },
    /// The request is free again, unpaid.
    Unlocked {
        /// Which request.
        tag: RequestTag,
    },
    /// A payment for an open request was credited; its receipt is on disk.
    Paid {
        /// Which request.
        tag: RequestTag,
        /// The hash of the payment.
        payment: Digest,
    },
    /// A payer or its payment was refused by name; nothing of it is kept.
    PaymentRefused {
        /// From whom it came.
        link: LinkId,
        /// Why.
        reason: Misbehaviour,
    },
    /// The payer asks for newer deny-lists after its receipt; call
    /// [`super::Payee::handle_gossip_answer`].
    GossipAsked {
        /// Who asks.
        link: LinkId,
        /// What the payer holds.
        held: Box<Holding>,
    },
    /// The payer passes on what this device lacks. Check it; call
    /// [`super::Payee::handle_gossip_refused`] when it is refused.
    GossipHeard {
        /// From whom.
        link: LinkId,
        /// What.
        item: GossipItem,
    },
    /// Advertise exactly these tags from here on; none means stop.
    Advertise(Vec<RequestTag>),
    /// Strangers used up the handshakes of this request: open one by URI that replaces it.
    FloodedUseUri {
        /// Which request.
        tag: RequestTag,
    },
}

/// A fact for the payee's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayeeRecord {
    /// A valid payment for a key of this device came. The same one may come again.
    PaymentReceived {
        /// P and R.
        pair: Box<PaymentPair>,
    },
    /// It is credited, and this is the receipt.
    ReceiptSigned {
        /// The hash of the payment.
        payment: Digest,
        /// The receipt.
        receipt: Box<Signed<ReceivedPayment>>,
    },
}

/// The payment is on disk and claimable, but cannot be credited here: the payer hears `Held`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payment is kept but not credited here")]
pub struct NotCredited;

/// What the TA, or the client key, answered to [`PayeeEffect::Credit`].
pub type CreditAnswer = Result<Signed<ReceivedPayment>, NotCredited>;
