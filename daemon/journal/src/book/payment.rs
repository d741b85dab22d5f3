//! Payments, both ways: P never stands without its R.

use ops_proto::certificate::{Certificate, Kind};
use ops_proto::contract::TaRefused;
use ops_proto::message::{
    BatchAnswer, ItemOutcome, ReceivedPayment, RequestPayment, SettlementState,
};
use ops_proto::{Amount, PaymentPair, PublicKey, RequestId, Signed, Time};
use serde::{Deserialize, Serialize};

use crate::entry::Seq;
use crate::fact::{ApprovedBy, Found};

/// What names a payment before P exists: one request of one payee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentKey {
    pub payee: PublicKey,
    /// The payee's number of the request.
    pub request_id: RequestId,
}

/// A payment by this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub request: Signed<RequestPayment>,
    /// The certificate of the payee's provider.
    pub payee_provider: Signed<Certificate>,
    /// What the payee said it is for; empty when only the TA remembered the payment.
    pub memo: String,
    pub approved_by: ApprovedBy,
    /// How the payee is found again; `None` when only the TA remembered the payment.
    pub found: Option<Found>,
    /// When it was approved.
    pub at: Time,
    /// P and R, once the TA has debited itself.
    pub pair: Option<PaymentPair>,
    /// The receipt, and when it came.
    pub receipt: Option<(Signed<ReceivedPayment>, Time)>,
    /// The payee said that it holds the payment without crediting it.
    pub held: bool,
    /// The TA did not pay, and why if it refused.
    pub abandoned: Option<Option<TaRefused>>,
    /// What the server said last.
    pub report: Option<ItemOutcome>,
    /// In which of its lives the server said so.
    pub reported_in: u32,
    /// What the server said when this device handed P in for a payee that did not answer, and in which
    /// of its lives.
    pub handed_in: Option<(u32, ItemOutcome)>,
    /// What it is made of.
    pub(in crate::book) facts: SentFacts,
}

/// The facts that a payment by this device is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::book) struct SentFacts {
    /// The fact of the approval; the TA's signature instead, where it signed another request or nothing else is known.
    pub(in crate::book) order: Seq,
    pub(in crate::book) signed: Option<Seq>,
    pub(in crate::book) receipt: Option<Seq>,
}

/// The facts that a payment to this device is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::book) struct ReceivedFacts {
    pub(in crate::book) received: Seq,
    pub(in crate::book) receipt: Option<Seq>,
}

/// The server's signed word on payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::book) struct ServerWord {
    pub(in crate::book) answer: Signed<BatchAnswer>,
    pub(in crate::book) fact: Seq,
}

/// How far a payment by this device is, without what the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingStage {
    /// It was approved; the TA has not signed P. After a restart it is not taken up again.
    Approved,
    /// The TA did not pay.
    Abandoned,
    /// The TA signed P; (P, R) is sent again, byte for byte, whenever the payee is met.
    Signed,
    /// The payee said that it holds the payment without crediting it.
    Held,
    /// The receipt is here.
    Receipted,
}

/// A payment to this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    pub pair: PaymentPair,
    /// The certificate of the sender's provider.
    pub sender_provider: Signed<Certificate>,
    /// When it came.
    pub at: Time,
    /// The receipt, once credited.
    pub receipt: Option<Signed<ReceivedPayment>>,
    /// Why the TA cannot credit it.
    pub collect_refused: Option<TaRefused>,
    /// What the server said to the last report.
    pub report: Option<ItemOutcome>,
    /// In which of its lives the server said so.
    pub reported_in: u32,
    /// What the server said to the last claim.
    pub claim: Option<ItemOutcome>,
    /// In which of its lives the server said so.
    pub claimed_in: u32,
    /// What it is made of.
    pub(in crate::book) facts: ReceivedFacts,
}

/// How far a payment to this device is, without what the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncomingStage {
    /// P and R are here.
    Received,
    /// The TA refused to credit it.
    Refused,
    /// It is credited, and the receipt signed.
    Credited,
}

impl PaymentKey {
    /// Returns the key of one request.
    #[must_use]
    pub const fn new(payee: PublicKey, request_id: RequestId) -> Self {
        Self { payee, request_id }
    }

    /// Returns the key of the payment for this request.
    #[must_use]
    pub fn of(request: &RequestPayment) -> Self {
        Self::new(request.payee.body().subject, request.request_id)
    }
}

impl Outgoing {
    /// A payment of which nothing is known but the request.
    pub(in crate::book) fn unsigned(
        request: &Signed<RequestPayment>,
        payee_provider: &Signed<Certificate>,
        at: Time,
        facts: SentFacts,
    ) -> Self {
        Self {
            request: request.clone(),
            payee_provider: payee_provider.clone(),
            memo: String::new(),
            approved_by: ApprovedBy::Person,
            found: None,
            at,
            pair: None,
            receipt: None,
            held: false,
            abandoned: None,
            report: None,
            reported_in: 0,
            handed_in: None,
            facts,
        }
    }

    /// Returns the payee's key.
    #[must_use]
    pub fn payee(&self) -> PublicKey {
        self.request.body().payee.body().subject
    }

    /// Returns what was asked, and paid.
    #[must_use]
    pub fn amount(&self) -> Amount {
        self.request.body().amount
    }

    /// Returns how far it is.
    #[must_use]
    pub const fn stage(&self) -> OutgoingStage {
        match (&self.pair, &self.receipt) {
            (None, _) if self.abandoned.is_some() => OutgoingStage::Abandoned,
            (None, _) => OutgoingStage::Approved,
            (Some(_), Some(_)) => OutgoingStage::Receipted,
            (Some(_), None) if self.held => OutgoingStage::Held,
            (Some(_), None) => OutgoingStage::Signed,
        }
    }

    /// Tells whether the TA did not pay.
    #[must_use]
    pub const fn is_abandoned(&self) -> bool {
        matches!(self.stage(), OutgoingStage::Abandoned)
    }

    /// Tells whether the money left and nobody has confirmed where it is: no receipt, and the server
    /// has not said that it is credited or collected.
    #[must_use]
    pub const fn is_unacknowledged(&self) -> bool {
        matches!(self.stage(), OutgoingStage::Signed | OutgoingStage::Held) && !self.is_settled()
    }

    /// Tells whether the payee is to be sent the pair again when it is met.
    #[must_use]
    pub const fn is_to_resume(&self) -> bool {
        matches!(self.stage(), OutgoingStage::Signed) && !self.is_settled()
    }

    /// Tells whether the server said that the money has arrived.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        let handed_in = match self.handed_in {
            Some((_, outcome)) => Some(outcome),
            None => None,
        };

        is_settled(self.report) || is_settled(handed_in)
    }
}

impl Incoming {
    /// Returns how far it is; a refusal that a later success overtook counts no more.
    #[must_use]
    pub const fn stage(&self) -> IncomingStage {
        match (&self.receipt, &self.collect_refused) {
            (Some(_), _) => IncomingStage::Credited,
            (None, Some(_)) => IncomingStage::Refused,
            (None, None) => IncomingStage::Received,
        }
    }

    /// Returns what the receiver is: the TA, or the client key.
    #[must_use]
    pub fn receiver(&self) -> Kind {
        self.pair.payment.body().receiver.kind
    }

    /// Tells whether the money is claimed online: the receiver is the client, or the TA cannot credit
    /// it.
    #[must_use]
    pub fn is_for_claim(&self) -> bool {
        match self.receiver() {
            Kind::Client => true,
            Kind::Ta => self.stage() == IncomingStage::Refused,
            Kind::Provider => false,
        }
    }

    /// Tells whether a claim is still to be made, or asked for again.
    #[must_use]
    pub fn is_claim_due(&self) -> bool {
        self.is_for_claim() && is_due(self.claim)
    }

    /// Tells whether the money is where it belongs: in the TA, or credited online.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        is_settled(self.claim) || is_settled(self.report)
    }
}

const fn is_settled(outcome: Option<ItemOutcome>) -> bool {
    match outcome {
        Some(ItemOutcome::Held(
            SettlementState::Credited | SettlementState::Collected | SettlementState::Waived,
        )) => true,
        Some(ItemOutcome::Held(SettlementState::Waiting) | ItemOutcome::Refused(_)) | None => false,
    }
}

/// Whether to ask (again): never asked, or the server said that the money waits.
const fn is_due(outcome: Option<ItemOutcome>) -> bool {
    match outcome {
        None | Some(ItemOutcome::Held(SettlementState::Waiting)) => true,
        Some(
            ItemOutcome::Held(
                SettlementState::Credited | SettlementState::Collected | SettlementState::Waived,
            )
            | ItemOutcome::Refused(_),
        ) => false,
    }
}
