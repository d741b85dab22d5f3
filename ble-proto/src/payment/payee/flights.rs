//! Flights ③ to ⑥.

use ops_proto::certificate::{Certificate, ChainVerified, verify_chain};
use ops_proto::pay_verify::{PayVerifyRefused, pay_verify};
use ops_proto::{PaymentPair, Signed};

use super::collection::Answered;
use super::link::{
    After, Chooser, ExpectLeave, ExpectPayerChoice, ExpectPayerGossip, ExpectPayment, LinkState,
};
use super::{LinkId, OwnKey, Payee, PayeeEffect};
use crate::code::Code;
use crate::error::{Failure, Misbehaviour, Waiting};
use crate::limits::{LEAVE_MS_MAX, LOCK_MS_MAX, RESUMES_PER_SESSION_MAX};
use crate::message::{Locked, Message, RefuseReason, Resume, SenderChain, Standing};
use crate::time::Instant;

impl Payee {
    /// Takes one message of an established session.
    pub(super) fn handle_message(
        &mut self,
        id: LinkId,
        message: Message,
        now: Instant,
    ) -> Result<(), Failure> {
        if let Message::Abort(code) = message {
            return Err(Failure::PeerAborted(code));
        }
        let link = self.links.get_mut(&id).ok_or(Failure::LinkLost)?;
        let waiting = link.waiting();
        if let (LinkState::ExpectPayerGossip(_), Message::Enough) = (&link.state, &message) {
            self.hang_up(id);
            return Ok(());
        }
        let next = match std::mem::replace(&mut link.state, LinkState::Failed) {
            LinkState::ExpectPayerChoice(state) => {
                self.handle_in_choice(id, state, message, now)?
            }
            LinkState::ExpectPayment(state) => self.handle_in_payment(id, state, message, now)?,
            LinkState::ExpectPayerGossip(state) => {
                match self.handle_in_gossip(id, state, message, now) {
                    Ok(next) => next,
                    Err(failure) => {
                        self.effects
                            .push_back(PayeeEffect::LinkFailed { link: id, failure });
                        self.hang_up(id);
                        return Ok(());
                    }
                }
            }
            LinkState::ExpectHello(_)
            | LinkState::ExpectTurn(_)
            | LinkState::ExpectCollection(_)
            | LinkState::ExpectLeave(_)
            | LinkState::Failed => return Err(unexpected(&message, waiting)),
        };
        if let Some(link) = self.links.get_mut(&id) {
            link.state = next;
        }

        Ok(())
    }

    /// Says the answer of a payment to whoever still waits for it.
    pub(super) fn handle_answered(&mut self, answered: Answered, now: Instant) {
        let tag = self
            .requests
            .values()
            .find(|request| request.hash == answered.request)
            .map(|request| request.open.tag);
        if let (Some(tag), Message::Received(_)) = (tag, &answered.message) {
            let payment = answered.payment;
            self.effects.push_back(PayeeEffect::Paid { tag, payment });
        }
        let is_receipt = matches!(answered.message, Message::Received(_));
        for id in answered.links {
            if let Err(failure) = self.say(id, &answered.message) {
                self.fail(id, failure);
                continue;
            }
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            link.state = match std::mem::replace(&mut link.state, LinkState::Failed) {
                LinkState::ExpectCollection(After::GoOn(choice)) => {
                    LinkState::ExpectPayerChoice(choice.renewed(now))
                }
                LinkState::ExpectCollection(After::Leave) if is_receipt => {
                    LinkState::ExpectPayerGossip(ExpectPayerGossip::begin(now))
                }
                LinkState::ExpectCollection(After::Leave) => leave(now),
                other @ (LinkState::ExpectHello(_)
                | LinkState::ExpectTurn(_)
                | LinkState::ExpectPayerChoice(_)
                | LinkState::ExpectPayment(_)
                | LinkState::ExpectLeave(_)
                | LinkState::ExpectPayerGossip(_)
                | LinkState::Failed) => other,
            };
            self.unlock(id);
        }
    }

    fn handle_in_choice(
        &mut self,
        id: LinkId,
        state: ExpectPayerChoice,
        message: Message,
        now: Instant,
    ) -> Result<LinkState, Failure> {
        match (message, &state.chooser) {
            (Message::Resume(resume), _) => self.handle_resume(id, state, *resume, now),
            (
                Message::Reveal(reveal),
                Chooser::Committed {
                    commitment,
                    hash,
                    nonce,
                },
            ) => {
                if !reveal.nonce.opens(commitment) {
                    return Err(Misbehaviour::CommitmentNotOpened.into());
                }
                let code = Code::new(hash, &reveal.nonce, nonce);
                self.handle_sender(id, state, reveal.sender, Some(code), now)
            }
            (Message::Join(sender), Chooser::Scanner) => {
                self.handle_sender(id, state, *sender, None, now)
            }
            (Message::Reveal(_) | Message::Join(_), Chooser::Browser) => {
                Err(Misbehaviour::BrowserChose.into())
            }
            (Message::Reveal(_), Chooser::Scanner)
            | (Message::Join(_), Chooser::Committed { .. }) => Err(Misbehaviour::OtherMode.into()),
            (other, _) => Err(unexpected(&other, Waiting::Choice)),
        }
    }

    /// Takes flight ③: checks who pays, shows the code, reserves the request.
    fn handle_sender(
        &mut self,
        id: LinkId,
        state: ExpectPayerChoice,
        sender: SenderChain,
        code: Option<Code>,
        now: Instant,
    ) -> Result<LinkState, Failure> {
        let offered = state.offered;
        let tag = offered.tag;
        let provider = sender.provider.unwrap_or_else(|| offered.provider.clone());
        let issued = offered.request.body().issued;
        let checked = verify_chain(&self.root, &provider, &sender.leaf, issued)
            .map_err(Misbehaviour::Sender)
            .and_then(|chain| may_pay(&chain, offered.request.body().amount))
            .and_then(|()| self.check_not_own(&sender.leaf));
        if let Err(misbehaviour) = checked {
            return self.refuse(id, RefuseReason::Sender, misbehaviour, now);
        }
        if let Some(revoked) = self.denied.revoked(sender.leaf.body()) {
            let reason = Misbehaviour::SenderRevoked(revoked);
            return self.refuse(id, RefuseReason::Revoked, reason, now);
        }

        let is_same = |request: &&mut super::Request| request.hash == offered.request.hash();
        let Some(request) = self.requests.get_mut(&tag).filter(is_same) else {
            self.say(id, &Message::Refuse(RefuseReason::Closed))?;
            return Ok(leave(now));
        };
        match request.standing() {
            Standing::Open => {}
            Standing::Locked => {
                self.say(id, &Message::Busy)?;
                return Ok(leave(now));
            }
            Standing::Paid => {
                self.say(id, &Message::Refuse(RefuseReason::Paid))?;
                return Ok(leave(now));
            }
        }
        let key = sender.leaf.body().subject;
        if request.lock_for(id, key).is_err() {
            return self.refuse(id, RefuseReason::Sender, Misbehaviour::LockedTooOften, now);
        }
        let locked = Message::Locked(Locked {
            memo: request.open.memo.clone(),
            salt: request.open.salt,
        });
        let payer = sender.leaf.body().name.clone();
        if let Some(code) = code {
            self.effects.push_back(PayeeEffect::ShowCode {
                link: id,
                tag,
                code,
                payer: payer.clone(),
            });
        }
        self.effects.push_back(PayeeEffect::Locked {
            tag,
            link: id,
            payer,
        });
        self.say(id, &locked)?;

        Ok(LinkState::ExpectPayment(ExpectPayment {
            offered,
            sender_provider: provider,
            deadline: now.after_ms(LOCK_MS_MAX),
        }))
    }

    /// Rejects this device's own certificate, which flight ② shows to everyone.
    fn check_not_own(&self, leaf: &Signed<Certificate>) -> Result<(), Misbehaviour> {
        let subject = leaf.body().subject;
        if self.own_keys.iter().any(|own| own.key == subject) {
            return Err(Misbehaviour::OwnKeyAsSender);
        }

        Ok(())
    }

    fn handle_in_payment(
        &mut self,
        id: LinkId,
        state: ExpectPayment,
        message: Message,
        now: Instant,
    ) -> Result<LinkState, Failure> {
        let Message::Payment(payment) = message else {
            return Err(unexpected(&message, Waiting::Payment));
        };
        let pair = PaymentPair {
            payment: *payment,
            request: state.offered.request,
        };
        match self.verify(&pair, &state.sender_provider) {
            Ok(()) => self.collect(id, (pair, &state.sender_provider), After::Leave, now),
            Err(misbehaviour) => self.refuse(id, RefuseReason::Payment, misbehaviour, now),
        }
    }

    /// Takes a payment that was sent again; one that is refused does not block what follows.
    fn handle_resume(
        &mut self,
        id: LinkId,
        state: ExpectPayerChoice,
        resume: Resume,
        now: Instant,
    ) -> Result<LinkState, Failure> {
        if state.resumes >= RESUMES_PER_SESSION_MAX {
            return Err(Misbehaviour::TooManyResumes.into());
        }
        let state = ExpectPayerChoice {
            resumes: state.resumes.saturating_add(1),
            ..state
        };
        let provider = resume
            .provider
            .unwrap_or_else(|| state.offered.provider.clone());
        match self.verify(&resume.pair, &provider) {
            Ok(()) => self.collect(id, (resume.pair, &provider), After::GoOn(state), now),
            Err(reason) => {
                self.effects
                    .push_back(PayeeEffect::PaymentRefused { link: id, reason });
                self.say(id, &Message::Refuse(RefuseReason::Payment))?;
                Ok(LinkState::ExpectPayerChoice(state.renewed(now)))
            }
        }
    }

    /// `PayVerify`, for a payment to a key of this device.
    fn verify(
        &self,
        pair: &PaymentPair,
        sender_provider: &Signed<Certificate>,
    ) -> Result<(), Misbehaviour> {
        let payee = pair.request.body().payee.body();
        let is_mine = |own: &&OwnKey| own.key == payee.subject;
        let own = self.own_keys.iter().filter(is_mine);
        // a provider's keys roll over, so one key may have had several certificates
        let mut refused = None;
        for own in own {
            match pay_verify(&self.root, pair, sender_provider, &own.provider) {
                Ok(_) => return self.check_not_revoked(pair),
                Err(PayVerifyRefused::PayeeChain(chain)) => {
                    refused.get_or_insert(PayVerifyRefused::PayeeChain(chain));
                }
                Err(
                    error @ (PayVerifyRefused::RequestSignature
                    | PayVerifyRefused::SenderChain(_)
                    | PayVerifyRefused::SenderKind
                    | PayVerifyRefused::PaymentSignature
                    | PayVerifyRefused::AboveSenderLimit
                    | PayVerifyRefused::OtherReceiver
                    | PayVerifyRefused::OtherRequest
                    | PayVerifyRefused::OtherAmount
                    | PayVerifyRefused::Currency
                    | PayVerifyRefused::OtherRefund),
                ) => {
                    refused = Some(error);
                }
            }
        }

        Err(refused.map_or(Misbehaviour::NotForThisDevice, Misbehaviour::Payment))
    }

    /// What was revoked after the request never burns a payment: the payer is debited already.
    fn check_not_revoked(&self, pair: &PaymentPair) -> Result<(), Misbehaviour> {
        let sender = pair.payment.body().sender.body();
        let stated = &pair.request.body().lists_held;
        if self.denied.was_revoked(sender, stated) {
            return Err(Misbehaviour::RevokedBeforeRequest);
        }

        Ok(())
    }

    /// Sends a verified payment to the journal.
    fn collect(
        &mut self,
        id: LinkId,
        paid: (PaymentPair, &Signed<Certificate>),
        after: After,
        now: Instant,
    ) -> Result<LinkState, Failure> {
        let hash = paid.0.request.hash();
        self.collections
            .begin(paid, id, &mut self.sequence, &mut self.effects)
            .map_err(|_full| Failure::Evicted)?;
        for request in self.requests.values_mut() {
            if request.hash == hash {
                request.pay(now);
            }
        }

        Ok(LinkState::ExpectCollection(after))
    }

    /// Names the exact reason to this device and only its class to the payer, and ends the lock.
    fn refuse(
        &mut self,
        id: LinkId,
        class: RefuseReason,
        reason: Misbehaviour,
        now: Instant,
    ) -> Result<LinkState, Failure> {
        self.effects
            .push_back(PayeeEffect::PaymentRefused { link: id, reason });
        self.say(id, &Message::Refuse(class))?;
        self.unlock(id);

        Ok(leave(now))
    }
}

fn may_pay(chain: &ChainVerified<'_>, amount: ops_proto::Amount) -> Result<(), Misbehaviour> {
    match chain.limits() {
        Some(limits) if amount <= limits.payment_max => Ok(()),
        Some(_) | None => Err(Misbehaviour::SenderCannotPay),
    }
}

fn leave(now: Instant) -> LinkState {
    LinkState::ExpectLeave(ExpectLeave {
        deadline: now.after_ms(LEAVE_MS_MAX),
    })
}

pub(super) fn unexpected(message: &Message, waiting: Waiting) -> Failure {
    Failure::PeerMisbehaved(Misbehaviour::Unexpected {
        message: message.kind(),
        waiting,
    })
}
