//! How far a payment under way is: its only state, beside what the journal says of it.

use ble_proto::code::Code;
use ble_proto::message::Memo;
use ops_proto::{Digest, Time};
use runtime::clock;

use super::offer::Offer;
use super::payment::{FailureClass, PaymentEvent};

/// A payment under way, or one that has just ended.
#[derive(Clone, Debug)]
pub struct Progress {
    pub stage: PaymentStage,
    pub began: Time,
    pub offer: Option<Box<Offer>>,
    pub code: Option<Code>,
    /// What the payee says it is for.
    pub memo: Option<Memo>,
    /// The tries that are left, when the TA asks for the PIN and it was not given.
    pub pin_tries_left: Option<u8>,
    /// The hash of P, once the TA has debited itself.
    pub payment: Option<Digest>,
    /// The link broke after the debit.
    pub was_interrupted: bool,
    /// Another payment, or a look at who is near, has the radio.
    pub waits: bool,
}

/// How far a payment under way is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentStage {
    /// The payee is looked for and connected to.
    Searching,
    /// The person decides.
    AwaitsApproval,
    /// Approved; the TA pays.
    Paying,
    /// The link broke after the debit; P is sent again.
    Resuming,
    /// Debited, and no answer came while somebody followed the payment.
    Unconfirmed,
    /// The receipt is here and verified.
    Received,
    /// The payee holds the payment and settles it online.
    Held,
    /// The server says that the money is where it belongs; the payee has not confirmed.
    Arrived,
    /// Nothing left this device (but see [`FailureClass::Unknown`]).
    Failed {
        /// The class of the failure.
        class: FailureClass,
        /// What happened, and what to do.
        message: String,
    },
    /// It ended before anybody decided.
    GivenUp,
}

impl Progress {
    pub(super) fn begun() -> Self {
        Self {
            stage: PaymentStage::Searching,
            began: clock::now(),
            offer: None,
            code: None,
            memo: None,
            pin_tries_left: None,
            payment: None,
            was_interrupted: false,
            waits: false,
        }
    }

    pub(super) fn apply(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::Waiting => self.waits = true,
            PaymentEvent::Searching | PaymentEvent::Connecting => {
                self.waits = false;
                self.stage = PaymentStage::Searching;
            }
            PaymentEvent::Offer(offer) => self.offer = Some(offer.clone()),
            PaymentEvent::Code(code) => self.code = Some(*code),
            PaymentEvent::Locked {
                memo,
                by_policy,
                pin,
            } => {
                self.memo = Some(memo.clone());
                self.pin_tries_left = *pin;
                self.stage = if *by_policy {
                    PaymentStage::Paying
                } else {
                    PaymentStage::AwaitsApproval
                };
            }
            PaymentEvent::Paying => self.stage = PaymentStage::Paying,
            PaymentEvent::Signed { payment } => self.payment = Some(*payment),
            PaymentEvent::Paid { payment, .. } => self.reach(*payment, PaymentStage::Received),
            PaymentEvent::Held { payment } => self.reach(*payment, PaymentStage::Held),
            PaymentEvent::Arrived { payment } => self.reach(*payment, PaymentStage::Arrived),
            PaymentEvent::Interrupted { payment } => {
                self.was_interrupted = true;
                self.reach(*payment, PaymentStage::Resuming);
            }
            PaymentEvent::Failed { class, message } => self.fail(*class, message),
        }
    }

    /// Takes note that nothing more will be told.
    pub(super) fn end(&mut self) {
        match self.stage {
            PaymentStage::Searching | PaymentStage::AwaitsApproval => {
                self.stage = PaymentStage::GivenUp;
            }
            PaymentStage::Paying | PaymentStage::Resuming => {
                self.stage = PaymentStage::Unconfirmed;
            }
            PaymentStage::Unconfirmed
            | PaymentStage::Received
            | PaymentStage::Held
            | PaymentStage::Arrived
            | PaymentStage::Failed { .. }
            | PaymentStage::GivenUp => {}
        }
    }

    fn reach(&mut self, payment: Digest, stage: PaymentStage) {
        self.payment = Some(payment);
        self.stage = stage;
    }

    fn fail(&mut self, class: FailureClass, text: &str) {
        self.stage = PaymentStage::Failed {
            class,
            message: text.to_owned(),
        };
    }
}
