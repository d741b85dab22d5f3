//! What the payer waits for, and what every state works with.

use std::collections::VecDeque;

use ops_proto::message::CertificateChain;
use ops_proto::{Currency, Digest, PaymentPair, PublicKey, RequestId};

use super::{
    Expected, Outcome, PayerEffect, PayerRecord, Purpose, Unsettled, choice, gossip, offer, pay,
};
use crate::durable::{Pending, Sequence};
use crate::error::{Failure, Misbehaviour, Waiting};
use crate::gossip::{GossipItem, Holding};
use crate::message::{AbortCode, Message};
use crate::payment::talk::Talk;
use crate::session::Mode;
use crate::time::Instant;

/// What every state works with.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) effects: VecDeque<PayerEffect>,
    pub(super) sequence: Sequence,
    /// The session, while it is up.
    pub(super) talk: Option<Talk>,
    pub(super) root: PublicKey,
    pub(super) sender: CertificateChain,
    pub(super) aim: Aim,
    pub(super) unsettled: Vec<Unsettled>,
    /// What this device holds of the deny-lists, if it takes part in passing them on.
    pub(super) holding: Option<Holding>,
}

/// What remains of [`Purpose`] once flight ① has left.
#[derive(Debug)]
pub(super) enum Aim {
    Browse,
    Resume,
    Pay(Expected),
    PayScanned(Expected, Option<Currency>),
}

#[derive(Debug)]
pub(super) enum PayerState {
    ExpectOffer(offer::ExpectOffer),
    ExpectResumeAnswer(offer::ExpectResumeAnswer),
    ExpectOwnChoice(choice::ExpectOwnChoice),
    ExpectLocked(choice::ExpectLocked),
    ExpectApproval(choice::ExpectApproval),
    ExpectIntentDurable(pay::ExpectIntentDurable),
    ExpectSignature(pay::ExpectSignature),
    ExpectPaymentDurable(pay::ExpectPaymentDurable),
    ExpectReceipt(pay::ExpectReceipt),
    ExpectReceiptDurable(pay::ExpectReceiptDurable),
    ExpectPayeeGossip(gossip::ExpectPayeeGossip),
    Ended,
}

impl PayerState {
    pub(super) fn handle_message(self, message: Message, desk: &mut Desk, now: Instant) -> Self {
        match self {
            Self::ExpectResumeAnswer(state) => state.handle_message(message, desk, now),
            Self::ExpectLocked(state) => state.handle_message(message, desk, now),
            Self::ExpectReceipt(state) => state.handle_message(message, desk),
            Self::ExpectPayeeGossip(state) => state.handle_message(message, desk),
            Self::ExpectOffer(_)
            | Self::ExpectOwnChoice(_)
            | Self::ExpectApproval(_)
            | Self::ExpectIntentDurable(_)
            | Self::ExpectSignature(_)
            | Self::ExpectPaymentDurable(_)
            | Self::ExpectReceiptDurable(_)
            | Self::Ended => {
                let waiting = self.waiting();
                self.fail(unexpected(&message, waiting), desk)
            }
        }
    }

    /// Ends the visit, or goes on without the link where the money demands it.
    pub(super) fn fail(self, failure: Failure, desk: &mut Desk) -> Self {
        match self {
            Self::ExpectOffer(_)
            | Self::ExpectResumeAnswer(_)
            | Self::ExpectOwnChoice(_)
            | Self::ExpectLocked(_)
            | Self::ExpectApproval(_)
            | Self::ExpectIntentDurable(_) => {
                desk.hang_up(failure);
                desk.done(Outcome::Failed(failure))
            }
            // the TA may have debited itself: wait for its answer
            Self::ExpectSignature(state) => {
                desk.hang_up(failure);
                Self::ExpectSignature(state.lose(failure))
            }
            Self::ExpectPaymentDurable(state) => {
                desk.hang_up(failure);
                Self::ExpectPaymentDurable(state.lose(failure))
            }
            Self::ExpectReceipt(state) => {
                desk.hang_up(failure);
                let payment = state.payment();
                desk.done(Outcome::Unanswered { payment, failure })
            }
            // the receipt is here and good; only its record is awaited
            Self::ExpectReceiptDurable(state) => Self::ExpectReceiptDurable(state),
            // paid, whatever becomes of the deny-lists
            Self::ExpectPayeeGossip(state) => state.end(desk),
            Self::Ended => Self::Ended,
        }
    }

    pub(super) const fn is_before_pay(&self) -> bool {
        match self {
            Self::ExpectOffer(_)
            | Self::ExpectResumeAnswer(_)
            | Self::ExpectOwnChoice(_)
            | Self::ExpectLocked(_)
            | Self::ExpectApproval(_)
            | Self::ExpectIntentDurable(_) => true,
            Self::ExpectSignature(_)
            | Self::ExpectPaymentDurable(_)
            | Self::ExpectReceipt(_)
            | Self::ExpectReceiptDurable(_)
            | Self::ExpectPayeeGossip(_)
            | Self::Ended => false,
        }
    }

    pub(super) const fn waiting(&self) -> Waiting {
        match self {
            Self::ExpectOffer(_) => Waiting::Offer,
            Self::ExpectResumeAnswer(_) => Waiting::ResumeAnswer,
            Self::ExpectOwnChoice(_) => Waiting::OwnChoice,
            Self::ExpectLocked(_) => Waiting::Locked,
            Self::ExpectApproval(_) => Waiting::Approval,
            Self::ExpectIntentDurable(_)
            | Self::ExpectSignature(_)
            | Self::ExpectPaymentDurable(_) => Waiting::Signature,
            Self::ExpectReceipt(_) | Self::ExpectReceiptDurable(_) | Self::Ended => {
                Waiting::Receipt
            }
            Self::ExpectPayeeGossip(_) => Waiting::Gossip,
        }
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Waiting)> {
        let deadline = match self {
            Self::ExpectOffer(state) => state.deadline(),
            Self::ExpectResumeAnswer(state) => state.deadline(),
            Self::ExpectOwnChoice(state) => state.deadline(),
            Self::ExpectLocked(state) => state.deadline(),
            Self::ExpectApproval(state) => state.deadline(),
            Self::ExpectReceipt(state) => state.deadline(),
            Self::ExpectPayeeGossip(state) => state.deadline(),
            Self::ExpectIntentDurable(_)
            | Self::ExpectSignature(_)
            | Self::ExpectPaymentDurable(_)
            | Self::ExpectReceiptDurable(_)
            | Self::Ended => return None,
        };

        Some((deadline, self.waiting()))
    }
}

impl Desk {
    pub(super) fn say(&mut self, message: &Message) -> Result<(), Failure> {
        let talk = self.talk.as_mut().ok_or(Failure::LinkLost)?;
        let frames = talk.say(message)?;
        self.effects
            .extend(frames.into_iter().map(PayerEffect::Transmit));

        Ok(())
    }

    /// Says as many of these things as one visit allows.
    pub(super) fn say_items(&mut self, items: Vec<GossipItem>) -> Result<(), Failure> {
        let talk = self.talk.as_mut().ok_or(Failure::LinkLost)?;
        let frames = talk.say_items(items)?;
        self.effects
            .extend(frames.into_iter().map(PayerEffect::Transmit));

        Ok(())
    }

    /// Says goodbye if there is a session to say it in, and closes the link, once.
    pub(super) fn hang_up(&mut self, failure: Failure) {
        if let Some(code) = failure.abort_code() {
            // what cannot be said is not worth a second failure
            self.say(&Message::Abort(code)).ok();
        }
        self.talk = None;
        if !self.effects.contains(&PayerEffect::Disconnect) {
            self.effects.push_back(PayerEffect::Disconnect);
        }
    }

    pub(super) fn leave_saying(&mut self, code: AbortCode, outcome: Outcome) {
        self.say(&Message::Abort(code)).ok();
        self.leave(outcome);
    }

    /// Closes the link and ends the visit.
    pub(super) fn leave(&mut self, outcome: Outcome) -> PayerState {
        self.talk = None;
        self.effects.push_back(PayerEffect::Disconnect);

        self.done(outcome)
    }

    pub(super) fn done(&mut self, outcome: Outcome) -> PayerState {
        self.effects.push_back(PayerEffect::Done(outcome));

        PayerState::Ended
    }

    pub(super) fn append<T>(&mut self, record: PayerRecord, value: T) -> Pending<T> {
        let (number, pending) = self.sequence.append(value);
        self.effects
            .push_back(PayerEffect::Append { number, record });

        pending
    }

    /// Returns an unsettled payment for this very request, if there is one.
    pub(super) fn paid_before(&self, payee: &PublicKey, request: RequestId) -> Option<Digest> {
        self.unsettled
            .iter()
            .map(|unsettled| &unsettled.pair)
            .find(|pair| {
                let payment = pair.payment.body();
                payment.receiver.key == *payee && payment.request_id == request
            })
            .map(PaymentPair::hash)
    }
}

impl Aim {
    pub(super) fn of(purpose: &Purpose) -> Self {
        match purpose {
            Purpose::Browse { .. } => Self::Browse,
            Purpose::Resume { .. } => Self::Resume,
            Purpose::Pay { expected, .. } => Self::Pay(expected.clone()),
            Purpose::PayScanned { uri } => Self::PayScanned(
                Expected {
                    payee: None,
                    request: None,
                    amount: uri.hint.map(|hint| hint.amount),
                },
                uri.hint.map(|hint| hint.currency),
            ),
        }
    }

    pub(super) const fn mode(&self) -> Mode {
        match self {
            Self::Browse | Self::Resume | Self::Pay(_) => Mode::Heard,
            Self::PayScanned(..) => Mode::Scanned,
        }
    }
}

pub(super) fn unexpected(message: &Message, waiting: Waiting) -> Failure {
    Failure::PeerMisbehaved(Misbehaviour::Unexpected {
        message: message.kind(),
        waiting,
    })
}
