//! Intent, payment and receipt: the TA, the journal, the air, in this order.

use ops_proto::message::receipt::{ReceiptVerified, verify_receipt};
use ops_proto::message::{Payment, ReceivedPayment};
use ops_proto::{Digest, PaymentPair, Signed};

use super::choice::{Approved, LockHeld};
use super::gossip::ExpectPayeeGossip;
use super::offer::VerifiedOffer;
use super::{
    Desk, Outcome, PayAnswer, PayRefused, PayerEffect, PayerRecord, PayerState, unexpected,
};
use crate::durable::{Durable, Pending, RecordNumber};
use crate::error::{Failure, Misbehaviour, Waiting};
use crate::limits::RECEIPT_MS_MAX;
use crate::message::Message;
use crate::time::Instant;

/// The intent is on its way to disk; the TA must not be asked yet.
#[derive(Debug)]
pub(super) struct ExpectIntentDurable {
    offer: VerifiedOffer,
    pending: Pending<(LockHeld, Approved)>,
}

/// The TA is at work. From here on the payment exists, whatever the link does.
#[derive(Debug)]
pub(super) struct ExpectSignature {
    offer: VerifiedOffer,
    link: LinkStatus,
}

/// The payment is on its way to disk; the payee must not see it yet.
#[derive(Debug)]
pub(super) struct ExpectPaymentDurable {
    payment: Digest,
    pending: Pending<PaymentPair>,
    link: LinkStatus,
}

/// Flight ⑤ is on its way.
#[derive(Debug)]
pub(super) struct ExpectReceipt {
    pair: PaymentPair,
    deadline: Instant,
}

/// The receipt is on its way to disk.
#[derive(Debug)]
pub(super) struct ExpectReceiptDurable {
    pair: PaymentPair,
    pending: Pending<(ReceiptVerified, Box<Signed<ReceivedPayment>>)>,
}

/// Whether the link is still up; from here on the payment goes on without it.
#[derive(Clone, Copy, Debug)]
enum LinkStatus {
    Up,
    Lost(Failure),
}

impl ExpectIntentDurable {
    pub(super) const fn new(offer: VerifiedOffer, pending: Pending<(LockHeld, Approved)>) -> Self {
        Self { offer, pending }
    }

    pub(super) fn handle_synced(
        self,
        synced_up_to: RecordNumber,
        desk: &mut Desk,
        now: Instant,
    ) -> PayerState {
        let Self { offer, pending } = self;
        let intent = match pending.synced(synced_up_to) {
            Ok(intent) => intent,
            Err(pending) => return PayerState::ExpectIntentDurable(Self { offer, pending }),
        };
        match invoke_pay(&offer, intent, now) {
            Ok(effect) => desk.effects.push_back(effect),
            Err(failure) => return desk.give_up(failure),
        }

        PayerState::ExpectSignature(ExpectSignature {
            offer,
            link: LinkStatus::Up,
        })
    }
}

impl ExpectSignature {
    pub(super) fn handle_paid(self, answer: PayAnswer, desk: &mut Desk) -> PayerState {
        match answer {
            Ok(payment) => self.handle_payment(payment, desk),
            Err(PayRefused) => desk.give_up(Failure::TaRefused),
        }
    }

    pub(super) fn lose(self, failure: Failure) -> Self {
        Self {
            link: self.link.lose(failure),
            ..self
        }
    }

    fn handle_payment(self, payment: Signed<Payment>, desk: &mut Desk) -> PayerState {
        let pair = PaymentPair {
            payment,
            request: self.offer.offer.request,
        };
        let record = PayerRecord::PaymentSigned {
            pair: Box::new(pair.clone()),
        };

        PayerState::ExpectPaymentDurable(ExpectPaymentDurable {
            payment: pair.hash(),
            pending: desk.append(record, pair),
            link: self.link,
        })
    }
}

impl ExpectPaymentDurable {
    pub(super) fn handle_synced(
        self,
        synced_up_to: RecordNumber,
        desk: &mut Desk,
        now: Instant,
    ) -> PayerState {
        let Self {
            payment,
            pending,
            link,
        } = self;
        let durable = match pending.synced(synced_up_to) {
            Ok(durable) => durable,
            Err(pending) => {
                return PayerState::ExpectPaymentDurable(Self {
                    payment,
                    pending,
                    link,
                });
            }
        };
        if let LinkStatus::Lost(failure) = link {
            return desk.done(Outcome::Unanswered { payment, failure });
        }
        let (message, pair) = flight_five(durable);
        let state = ExpectReceipt {
            pair,
            deadline: now.after_ms(RECEIPT_MS_MAX),
        };
        match desk.say(&message) {
            Ok(()) => PayerState::ExpectReceipt(state),
            Err(failure) => PayerState::ExpectReceipt(state).fail(failure, desk),
        }
    }

    pub(super) fn lose(self, failure: Failure) -> Self {
        Self {
            link: self.link.lose(failure),
            ..self
        }
    }
}

impl ExpectReceipt {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else comes is refused, by its name"
    )]
    pub(super) fn handle_message(self, message: Message, desk: &mut Desk) -> PayerState {
        let payment = self.payment();
        match message {
            Message::Received(receipt) => match verify_receipt(&receipt, &self.pair.payment) {
                Ok(verified) => self.handle_receipt(verified, receipt, desk),
                Err(refused) => {
                    let failure = Misbehaviour::Receipt(refused).into();
                    PayerState::ExpectReceipt(self).fail(failure, desk)
                }
            },
            Message::Held => desk.leave(Outcome::Held { payment }),
            Message::Refuse(reason) => desk.leave(Outcome::NotAccepted { payment, reason }),
            other => {
                let failure = unexpected(&other, Waiting::Receipt);
                PayerState::ExpectReceipt(self).fail(failure, desk)
            }
        }
    }

    pub(super) fn payment(&self) -> Digest {
        self.pair.hash()
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    fn handle_receipt(
        self,
        verified: ReceiptVerified,
        receipt: Box<Signed<ReceivedPayment>>,
        desk: &mut Desk,
    ) -> PayerState {
        let record = PayerRecord::ReceiptReceived {
            payment: self.payment(),
            receipt: receipt.clone(),
        };

        PayerState::ExpectReceiptDurable(ExpectReceiptDurable {
            pair: self.pair,
            pending: desk.append(record, (verified, receipt)),
        })
    }
}

impl ExpectReceiptDurable {
    pub(super) fn handle_synced(
        self,
        synced_up_to: RecordNumber,
        desk: &mut Desk,
        now: Instant,
    ) -> PayerState {
        let Self { pair, pending } = self;
        match pending.synced(synced_up_to) {
            Ok(durable) => {
                let (_, receipt) = durable.into_inner();
                desk.effects.push_back(PayerEffect::ReceiptHeld {
                    payment: pair.hash(),
                    receipt: receipt.clone(),
                });
                let holding = desk.holding.take();
                ExpectPayeeGossip::begin(Box::new(pair), receipt, holding, desk, now)
            }
            Err(pending) => PayerState::ExpectReceiptDurable(Self { pair, pending }),
        }
    }
}

impl LinkStatus {
    const fn lose(self, failure: Failure) -> Self {
        match self {
            Self::Up => Self::Lost(failure),
            Self::Lost(first) => Self::Lost(first),
        }
    }
}

/// The one place that asks the TA: only with a lock, an approval, and both in an intent on disk.
fn invoke_pay(
    offer: &VerifiedOffer,
    intent: Durable<(LockHeld, Approved)>,
    now: Instant,
) -> Result<PayerEffect, Failure> {
    let (locked, _approved) = intent.into_inner();
    if locked.is_over(now) {
        return Err(Failure::TimedOut(Waiting::Approval));
    }

    Ok(PayerEffect::InvokePay {
        request: Box::new(offer.offer.request.clone()),
        provider: Box::new(offer.offer.provider.clone()),
    })
}

/// Flight ⑤: only a payment that is on disk leaves.
fn flight_five(durable: Durable<PaymentPair>) -> (Message, PaymentPair) {
    let pair = durable.into_inner();

    (Message::Payment(Box::new(pair.payment.clone())), pair)
}
