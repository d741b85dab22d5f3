//! The choice, flights ③ and ④, and the approval.

use ops_proto::message::memo_hash;

use super::offer::VerifiedOffer;
use super::pay::ExpectIntentDurable;
use super::visit::RevealPermit;
use super::{
    Aim, Approval, Approver, Desk, KnownPayee, Outcome, PayerEffect, PayerRecord, PayerState,
    Reveals, unexpected,
};
use crate::code::{Code, OpenedNonce, PayerNonce};
use crate::error::{ApprovalRefused, Failure, Misbehaviour, Waiting};
use crate::limits::{CHOICE_MS_MAX, LOCK_MARGIN_MS, LOCK_MS_MAX, LOCKED_MS_MAX};
use crate::message::{Locked, Message, Reveal, SenderChain};
use crate::time::Instant;

/// The person, or the policy, looks at the offer.
#[derive(Debug)]
pub(super) struct ExpectOwnChoice {
    offer: VerifiedOffer,
    nonce: Option<PayerNonce>,
    deadline: Instant,
}

/// Flight ③ is on its way; the person may already approve.
#[derive(Debug)]
pub(super) struct ExpectLocked {
    offer: VerifiedOffer,
    approved: Option<Approved>,
    lock_ends: Instant,
    deadline: Instant,
}

/// The request is ours for as long as the lock lasts.
#[derive(Debug)]
pub(super) struct ExpectApproval {
    offer: VerifiedOffer,
    locked: LockHeld,
}

/// Proof that the payee has locked the request for this session.
#[derive(Debug)]
pub(super) struct LockHeld {
    ends: Instant,
}

/// Proof that exactly this offer was approved, by somebody who may.
#[derive(Debug)]
pub(super) struct Approved(());

impl ExpectOwnChoice {
    pub(super) const fn new(offer: VerifiedOffer, nonce: Option<PayerNonce>, now: Instant) -> Self {
        Self {
            offer,
            nonce,
            deadline: now.after_ms(CHOICE_MS_MAX),
        }
    }

    pub(super) fn handle_chosen(
        mut self,
        reveals: &mut Reveals,
        desk: &mut Desk,
        now: Instant,
    ) -> PayerState {
        let request_id = self.offer.offer.request.body().request_id;
        let sender = desk.sender_chain(&self.offer);
        let message = match self.nonce.take() {
            None => Message::Join(Box::new(sender)),
            Some(nonce) => {
                let Some(permit) = reveals.take(self.offer.payee(), request_id) else {
                    return desk.leave(Outcome::RevealsExhausted);
                };
                let nonce = reveal(permit, nonce);
                let code = Code::new(&self.offer.hash, &nonce, &self.offer.offer.nonce);
                desk.effects.push_back(PayerEffect::ShowCode(code));
                Message::Reveal(Box::new(Reveal { nonce, sender }))
            }
        };
        if let Err(failure) = desk.say(&message) {
            return PayerState::ExpectOwnChoice(self).fail(failure, desk);
        }

        PayerState::ExpectLocked(ExpectLocked {
            offer: self.offer,
            approved: None,
            lock_ends: now.after_ms(LOCK_MS_MAX.saturating_sub(LOCK_MARGIN_MS)),
            deadline: now.after_ms(LOCKED_MS_MAX),
        })
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline.min(self.offer.expires)
    }
}

impl ExpectLocked {
    pub(super) fn handle_approved(mut self, approval: &Approval, desk: &mut Desk) -> PayerState {
        match Approved::check(approval, &self.offer, &desk.aim) {
            Ok(approved) => {
                self.approved = Some(approved);
                PayerState::ExpectLocked(self)
            }
            Err(refused) => PayerState::ExpectLocked(self).fail(Failure::Approval(refused), desk),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else comes is refused, by its name"
    )]
    pub(super) fn handle_message(
        self,
        message: Message,
        desk: &mut Desk,
        now: Instant,
    ) -> PayerState {
        match message {
            Message::Locked(locked) => self.handle_locked(locked, desk, now),
            Message::Busy => desk.leave(Outcome::Busy),
            Message::Refuse(reason) => desk.leave(Outcome::Refused(reason)),
            other => {
                let failure = unexpected(&other, Waiting::Locked);
                PayerState::ExpectLocked(self).fail(failure, desk)
            }
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline.min(self.offer.expires)
    }

    fn handle_locked(self, locked: Locked, desk: &mut Desk, now: Instant) -> PayerState {
        let Locked { memo, salt } = locked;
        if memo_hash(&salt, memo.as_str()) != self.offer.offer.request.body().memo_hash {
            return PayerState::ExpectLocked(self).fail(Misbehaviour::OtherMemo.into(), desk);
        }
        desk.effects.push_back(PayerEffect::Locked(memo));
        let locked = LockHeld {
            ends: self.lock_ends.min(self.offer.expires),
        };

        match self.approved {
            Some(approved) => intend(self.offer, locked, approved, desk, now),
            None => PayerState::ExpectApproval(ExpectApproval {
                offer: self.offer,
                locked,
            }),
        }
    }
}

impl ExpectApproval {
    pub(super) fn handle_approved(
        self,
        approval: &Approval,
        desk: &mut Desk,
        now: Instant,
    ) -> PayerState {
        match Approved::check(approval, &self.offer, &desk.aim) {
            Ok(approved) => intend(self.offer, self.locked, approved, desk, now),
            Err(refused) => PayerState::ExpectApproval(self).fail(Failure::Approval(refused), desk),
        }
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.locked.ends
    }
}

impl LockHeld {
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ends <= now
    }
}

impl Approved {
    fn check(
        approval: &Approval,
        offer: &VerifiedOffer,
        aim: &Aim,
    ) -> Result<Self, ApprovalRefused> {
        let request = offer.offer.request.body();
        if approval.payee != offer.payee()
            || approval.request != request.request_id
            || approval.amount != request.amount
        {
            return Err(ApprovalRefused::OtherOffer);
        }
        let is_named = match aim {
            Aim::Pay(expected) => matches!(expected.payee, Some(KnownPayee::NamedByOwner(_))),
            Aim::Browse | Aim::Resume | Aim::PayScanned(..) => false,
        };
        let may = match approval.by {
            Approver::Person => true,
            Approver::PolicyNamedPayee => is_named,
            Approver::PolicyScannedUri => matches!(aim, Aim::PayScanned(..)),
        };
        if !may {
            return Err(ApprovalRefused::MerelyHeard);
        }

        Ok(Self(()))
    }
}

impl Desk {
    /// Returns our certificates, without the provider's if the payee has just sent the same.
    fn sender_chain(&self, offer: &VerifiedOffer) -> SenderChain {
        let provider = &self.sender.provider;

        SenderChain {
            leaf: self.sender.leaf.clone(),
            provider: Some(provider.clone()).filter(|own| *own != offer.offer.provider),
        }
    }
}

/// Opens the commitment; the permit is the reason why it may be.
fn reveal(_permit: RevealPermit, nonce: PayerNonce) -> OpenedNonce {
    nonce.open()
}

fn intend(
    offer: VerifiedOffer,
    locked: LockHeld,
    approved: Approved,
    desk: &mut Desk,
    now: Instant,
) -> PayerState {
    if locked.is_over(now) {
        return desk.give_up(Failure::TimedOut(Waiting::Approval));
    }
    let record = PayerRecord::Intent {
        request: Box::new(offer.offer.request.clone()),
        provider: Box::new(offer.offer.provider.clone()),
    };
    let pending = desk.append(record, (locked, approved));

    PayerState::ExpectIntentDurable(ExpectIntentDurable::new(offer, pending))
}
