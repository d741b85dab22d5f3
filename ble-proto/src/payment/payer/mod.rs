//! The payer: one visit to one payee.
//!
//! ```text
//!  new ─► ExpectOffer ─②─► ExpectResumeAnswer ─► ExpectOwnChoice ─chosen, ③─► ExpectLocked
//!              (once per unsettled payment)          │                             │ ④
//!              Browse, Resume: Done ◄────────────────┘                             ▼
//!                                                                            ExpectApproval
//!                                                                                  │ approved
//!                                                                                  ▼
//!  ExpectReceipt ◄─⑤─ ExpectPaymentDurable ◄─signed─ ExpectSignature ◄──── ExpectIntentDurable
//!        │ ⑥
//!        ▼
//!  ExpectReceiptDurable ─► ExpectPayeeGossip ─► Done
//! ```
//!
//! The TA is asked only while the session is up, the request locked, the offer approved and the intent
//! on disk: [`PayerEffect::InvokePay`] is made from the four proofs. The payment leaves only when it is
//! on disk. A link that goes before the TA was asked ends the visit; one that goes after it does not
//! lose the payment.

mod choice;
mod effect;
mod gossip;
mod offer;
mod pay;
mod state;
mod visit;

use std::collections::VecDeque;

pub use effect::{Offered, Outcome, PayAnswer, PayRefused, PayerEffect, PayerRecord};
use state::{Aim, Desk, PayerState, unexpected};
pub use visit::{Approval, Approver, Expected, KnownPayee, Purpose, Reveals, Unsettled, Visit};

use crate::durable::{RecordNumber, Sequence};
use crate::error::Failure;
use crate::frame::{Assembled, Assembler, SessionTag};
use crate::gossip::GossipItem;
use crate::limits::UNSETTLED_MAX;
use crate::message::{AbortCode, Message};
use crate::session::LinkEntropy;
use crate::time::Instant;

/// One visit to one payee, from flight ① to the receipt.
///
/// - getters: [`Self::is_ended`];
/// - `handle_*`: what happened on the link, on disk, in the TA, at the person's, on the clock;
/// - `poll_*`: after each `handle_*`, [`Self::poll_effect`] until `None`, then [`Self::poll_timeout`].
///
/// Effects are done in order; [`PayerEffect::Done`] is the last. Once ended, everything is ignored.
#[derive(Debug)]
pub struct Payer {
    state: PayerState,
    assembler: Assembler,
    desk: Desk,
}

impl Payer {
    /// Begins a visit; flight ① is the first effect.
    ///
    /// Call it when the link is up, `S2C` subscribed and `INFO` read.
    ///
    /// # Errors
    ///
    /// [`Failure::PeerIncompatible`] for an `INFO` we cannot talk with, [`Failure::ApiMisuse`] for too
    /// many unsettled payments.
    pub fn new(visit: Visit, now: Instant) -> Result<Self, Failure> {
        if visit.unsettled.len() > UNSETTLED_MAX {
            return Err(Failure::ApiMisuse("too many unsettled payments"));
        }
        let mut entropy = LinkEntropy::new(visit.entropy);
        let tag = SessionTag(entropy.take());
        let mut desk = Desk {
            effects: VecDeque::new(),
            sequence: Sequence::new(),
            talk: None,
            root: visit.root,
            sender: visit.sender,
            aim: Aim::of(&visit.purpose),
            holding: visit.holding,
            unsettled: visit.unsettled,
        };
        let state = offer::ExpectOffer::begin(
            &visit.purpose,
            &visit.info,
            (tag, visit.chunk),
            &mut entropy,
            &mut desk,
            now,
        )?;

        Ok(Self {
            state: PayerState::ExpectOffer(state),
            assembler: Assembler::central(tag),
            desk,
        })
    }

    /// Takes one notification of `S2C`.
    pub fn handle_frame(&mut self, bytes: &[u8], now: Instant) {
        if self.is_ended() {
            return;
        }
        match self.assembler.handle_frame(bytes, now) {
            Ok(Assembled::Incomplete | Assembled::Foreign) => {}
            Ok(Assembled::Complete(message)) => self.handle_complete(&message, now),
            Err(error) => self.fail(error.into()),
        }
    }

    /// Takes note that the link is gone.
    pub fn handle_link_down(&mut self) {
        self.desk.talk = None;
        self.fail(Failure::LinkLost);
    }

    /// Takes the choice of the offered payee, by the person or the policy: flight ③ leaves.
    pub fn handle_chosen(&mut self, reveals: &mut Reveals, now: Instant) {
        self.step(|state, desk| {
            let PayerState::ExpectOwnChoice(state) = state else {
                return state.fail(Failure::ApiMisuse("chosen, but nothing was offered"), desk);
            };

            state.handle_chosen(reveals, desk, now)
        });
    }

    /// Takes the approval of the offer; it may come as soon as the choice is made.
    pub fn handle_approved(&mut self, approval: &Approval, now: Instant) {
        self.step(|state, desk| match state {
            PayerState::ExpectLocked(state) => state.handle_approved(approval, desk),
            PayerState::ExpectApproval(state) => state.handle_approved(approval, desk, now),
            PayerState::ExpectOffer(_)
            | PayerState::ExpectResumeAnswer(_)
            | PayerState::ExpectOwnChoice(_)
            | PayerState::ExpectIntentDurable(_)
            | PayerState::ExpectSignature(_)
            | PayerState::ExpectPaymentDurable(_)
            | PayerState::ExpectReceipt(_)
            | PayerState::ExpectReceiptDurable(_)
            | PayerState::ExpectPayeeGossip(_)
            | PayerState::Ended => {
                state.fail(Failure::ApiMisuse("approved, but nothing was chosen"), desk)
            }
        });
    }

    /// Takes the refusal of the offer, at any time before the TA was asked; after that it is too late
    /// and changes nothing.
    pub fn handle_declined(&mut self) {
        if self.state.is_before_pay() {
            self.desk
                .leave_saying(AbortCode::Declined, Outcome::Declined);
            self.state = PayerState::Ended;
        }
    }

    /// Takes note that every record up to this one is on disk.
    pub fn handle_synced(&mut self, synced_up_to: RecordNumber, now: Instant) {
        self.step(|state, desk| match state {
            PayerState::ExpectIntentDurable(state) => state.handle_synced(synced_up_to, desk, now),
            PayerState::ExpectPaymentDurable(state) => state.handle_synced(synced_up_to, desk, now),
            PayerState::ExpectReceiptDurable(state) => state.handle_synced(synced_up_to, desk, now),
            PayerState::ExpectOffer(_)
            | PayerState::ExpectResumeAnswer(_)
            | PayerState::ExpectOwnChoice(_)
            | PayerState::ExpectLocked(_)
            | PayerState::ExpectApproval(_)
            | PayerState::ExpectSignature(_)
            | PayerState::ExpectReceipt(_)
            | PayerState::ExpectPayeeGossip(_)
            | PayerState::Ended => state,
        });
    }

    /// Takes the TA's answer to [`PayerEffect::InvokePay`].
    pub fn handle_paid(&mut self, answer: PayAnswer) {
        self.step(|state, desk| {
            let PayerState::ExpectSignature(state) = state else {
                return state.fail(Failure::ApiMisuse("paid, but nothing was asked"), desk);
            };

            state.handle_paid(answer, desk)
        });
    }

    /// Takes the answer to [`PayerEffect::GossipAsked`]: what the payee lacks, the directory first.
    pub fn handle_gossip_answer(&mut self, items: Vec<GossipItem>, now: Instant) {
        self.gossip(|state, desk| state.handle_answer(items, desk, now));
    }

    /// Takes note that something of [`PayerEffect::GossipHeard`] was refused; a second one ends the visit.
    pub fn handle_gossip_refused(&mut self) {
        self.gossip(gossip::ExpectPayeeGossip::handle_refused);
    }

    /// Ends what follows the receipt, if that is where the visit is: somebody else waits for the radio.
    pub fn handle_gossip_enough(&mut self) {
        self.gossip(gossip::ExpectPayeeGossip::end);
    }

    /// Takes note of the time; call it when [`Self::poll_timeout`] has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_ended() {
            return;
        }
        if let Err(error) = self.assembler.handle_timeout(now) {
            return self.fail(error.into());
        }
        match self.state.deadline() {
            Some((deadline, waiting)) if deadline <= now => self.fail(Failure::TimedOut(waiting)),
            Some(_) | None => {}
        }
    }

    /// Returns the next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<PayerEffect> {
        self.desk.effects.pop_front()
    }

    /// Returns when [`Self::handle_timeout`] must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = self.state.deadline().map(|(deadline, _)| deadline);
        let is_listening = match &self.state {
            PayerState::ExpectOffer(_) => true,
            PayerState::Ended => false,
            PayerState::ExpectResumeAnswer(_)
            | PayerState::ExpectOwnChoice(_)
            | PayerState::ExpectLocked(_)
            | PayerState::ExpectApproval(_)
            | PayerState::ExpectIntentDurable(_)
            | PayerState::ExpectSignature(_)
            | PayerState::ExpectPaymentDurable(_)
            | PayerState::ExpectReceipt(_)
            | PayerState::ExpectReceiptDurable(_)
            | PayerState::ExpectPayeeGossip(_) => self.desk.talk.is_some(),
        };
        let assembly = self.assembler.poll_timeout().filter(|_| is_listening);

        state.into_iter().chain(assembly).min()
    }

    /// Tells whether the visit is over.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, PayerState::Ended)
    }

    fn handle_complete(&mut self, bytes: &[u8], now: Instant) {
        if let PayerState::ExpectOffer(_) = self.state {
            return self.step(|state, desk| {
                let PayerState::ExpectOffer(state) = state else {
                    return state;
                };

                state.handle_flight(bytes, desk, now)
            });
        }
        let Some(talk) = &mut self.desk.talk else {
            return;
        };
        let message = talk.hear(bytes);
        if let Ok(Message::Abort(code)) = message {
            return self.fail(Failure::PeerAborted(code));
        }
        match message {
            Ok(message) => self.step(|state, desk| state.handle_message(message, desk, now)),
            Err(failure) => self.fail(failure),
        }
    }

    fn gossip(
        &mut self,
        transition: impl FnOnce(gossip::ExpectPayeeGossip, &mut Desk) -> PayerState,
    ) {
        let state = std::mem::replace(&mut self.state, PayerState::Ended);
        self.state = if let PayerState::ExpectPayeeGossip(state) = state {
            transition(state, &mut self.desk)
        } else {
            state
        };
    }

    /// Replaces the state by what the transition makes of it.
    fn step(&mut self, transition: impl FnOnce(PayerState, &mut Desk) -> PayerState) {
        let state = std::mem::replace(&mut self.state, PayerState::Ended);
        self.state = match state {
            PayerState::Ended => PayerState::Ended,
            state @ (PayerState::ExpectOffer(_)
            | PayerState::ExpectResumeAnswer(_)
            | PayerState::ExpectOwnChoice(_)
            | PayerState::ExpectLocked(_)
            | PayerState::ExpectApproval(_)
            | PayerState::ExpectIntentDurable(_)
            | PayerState::ExpectSignature(_)
            | PayerState::ExpectPaymentDurable(_)
            | PayerState::ExpectReceipt(_)
            | PayerState::ExpectReceiptDurable(_)
            | PayerState::ExpectPayeeGossip(_)) => transition(state, &mut self.desk),
        };
    }

    /// Ends the visit, as far as the money allows.
    fn fail(&mut self, failure: Failure) {
        self.step(|state, desk| state.fail(failure, desk));
    }
}
