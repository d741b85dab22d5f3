//! What a payer asks of the world.

use ops_proto::certificate::Certificate;
use ops_proto::message::{Payment, ReceivedPayment, RequestPayment};
use ops_proto::{Amount, Currency, Digest, Name, PaymentPair, PublicKey, RequestId, Signed};

use crate::code::Code;
use crate::durable::RecordNumber;
use crate::error::Failure;
use crate::gossip::{GossipItem, Holding};
use crate::message::{Memo, RefuseReason, Standing};
use crate::session::Mode;

/// What to do next, in the order in which [`super::Payer::poll_effect`] gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayerEffect {
    /// Write this frame to `C2S`.
    Transmit(Vec<u8>),
    /// Show what is asked; while paying, wait for the choice and call
    /// [`super::Payer::handle_chosen`].
    Offer(Box<Offered>),
    /// Show the six digits beside the amount.
    ShowCode(Code),
    /// The payee has reserved the request; show the memo.
    Locked(Memo),
    /// Append to the journal; call [`super::Payer::handle_synced`] when it is on disk.
    Append {
        /// The record's number.
        number: RecordNumber,
        /// The record.
        record: PayerRecord,
    },
    /// Ask the TA to pay; call [`super::Payer::handle_paid`] with its answer. Asked once.
    InvokePay {
        /// R.
        request: Box<Signed<RequestPayment>>,
        /// The certificate of the payee's provider.
        provider: Box<Signed<Certificate>>,
    },
    /// The payee holds an earlier payment without a receipt: hand it to the server's mailbox.
    ResumeNotSettled {
        /// The hash of the payment.
        payment: Digest,
    },
    /// Paid, and the receipt is on disk: tell the person. What follows moves no money.
    ReceiptHeld {
        /// The hash of the payment.
        payment: Digest,
        /// The receipt.
        receipt: Box<Signed<ReceivedPayment>>,
    },
    /// The payee says what deny-lists it holds; call [`super::Payer::handle_gossip_answer`].
    GossipAsked {
        /// What the payee holds.
        held: Box<Holding>,
    },
    /// The payee passes on what this device lacks. Check it; call
    /// [`super::Payer::handle_gossip_refused`] when it is refused.
    GossipHeard {
        /// What.
        item: GossipItem,
    },
    /// Close the link.
    Disconnect,
    /// The visit is over. The last effect, exactly once.
    Done(Outcome),
}

/// What a payee offers, verified up to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The payee's certified name.
    pub payee_name: Name,
    /// The certified name of its provider.
    pub provider_name: Name,
    /// The payee's certified key.
    pub payee: PublicKey,
    /// The request's number under that key.
    pub request_id: RequestId,
    /// What is asked.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// Whether it can be paid at this moment.
    pub standing: Standing,
    /// How the payer came to know of it.
    pub mode: Mode,
    /// R.
    pub request: Signed<RequestPayment>,
    /// The certificate of the payee's provider.
    pub provider: Signed<Certificate>,
}

/// A fact for the payer's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayerRecord {
    /// The TA is about to be asked to pay this; space for the payment is reserved with it.
    Intent {
        /// R.
        request: Box<Signed<RequestPayment>>,
        /// The certificate of the payee's provider.
        provider: Box<Signed<Certificate>>,
    },
    /// The TA has debited itself and signed.
    PaymentSigned {
        /// P with its R.
        pair: Box<PaymentPair>,
    },
    /// The receiver's receipt, verified.
    ReceiptReceived {
        /// The hash of the payment.
        payment: Digest,
        /// The receipt.
        receipt: Box<Signed<ReceivedPayment>>,
    },
}

/// How a visit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The payee was looked at; the offer went before.
    Browsed,
    /// Everything unsettled for this payee was handed in.
    Resumed {
        /// How many payments were answered.
        answered: u8,
    },
    /// Paid, with a verified receipt on disk.
    Paid {
        /// P with its R.
        pair: Box<PaymentPair>,
        /// The receipt.
        receipt: Box<Signed<ReceivedPayment>>,
    },
    /// This very request was paid before; the payment was handed in again, nothing was debited.
    PaidBefore {
        /// The hash of that payment.
        payment: Digest,
    },
    /// Paid; the payee keeps the payment but gives no receipt. The server settles it.
    Held {
        /// The hash of the payment.
        payment: Digest,
    },
    /// Paid, on disk, but not answered: it is unsettled and goes again, byte for byte.
    Unanswered {
        /// The hash of the payment.
        payment: Digest,
        /// What happened instead.
        failure: Failure,
    },
    /// Paid, but the payee refused the payment. It is unsettled; the server settles it.
    NotAccepted {
        /// The hash of the payment.
        payment: Digest,
        /// The payee's word for it.
        reason: RefuseReason,
    },
    /// Another payer is at it; try again later. Nothing was debited.
    Busy,
    /// The payee refused before the payment. Nothing was debited.
    Refused(RefuseReason),
    /// The person or the policy said no. Nothing was debited.
    Declined,
    /// Ended before the TA was asked. Nothing was debited.
    Failed(Failure),
    /// The commitment was opened as often as it may for this request: the payee must ask anew.
    RevealsExhausted,
}

/// The TA did not pay; the caller knows why and shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the trusted application refused to pay")]
pub struct PayRefused;

/// What the TA answered to [`PayerEffect::InvokePay`].
pub type PayAnswer = Result<Signed<Payment>, PayRefused>;
