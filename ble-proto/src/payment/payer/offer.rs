//! Flight ②, and the payments that go first.

use std::collections::VecDeque;

use ops_proto::PublicKey;
use ops_proto::message::NoiseKey;
use ops_proto::message::receipt::verify_receipt;
use ops_proto::pay_verify::verify_request;

use super::choice::ExpectOwnChoice;
use super::{
    Aim, Desk, Expected, Offered, Outcome, PayerEffect, PayerRecord, PayerState, Purpose,
    Unsettled, unexpected,
};
use crate::code::PayerNonce;
use crate::error::{Failure, Misbehaviour, Waiting};
use crate::frame::{ChunkSize, SessionTag, Splitter};
use crate::info::Info;
use crate::limits::{BROWSE_OFFER_MS_MAX, OFFER_MS_MAX, RECEIPT_MS_MAX, RESUMES_PER_SESSION_MAX};
use crate::message::{Message, Offer, Resume};
use crate::payment::talk::Talk;
use crate::session::{HandshakeHash, Initiator, LinkEntropy};
use crate::time::Instant;

/// Flight ① is on its way.
#[derive(Debug)]
pub(super) struct ExpectOffer {
    initiator: Box<Initiator>,
    nonce: Option<PayerNonce>,
    splitter: Splitter,
    deadline: Instant,
}

/// An earlier payment was sent again.
#[derive(Debug)]
pub(super) struct ExpectResumeAnswer {
    current: Unsettled,
    rest: Resuming,
    deadline: Instant,
}

/// Flight ②, checked up to the root and against the session's key.
#[derive(Debug)]
pub(super) struct VerifiedOffer {
    pub(super) offer: Offer,
    pub(super) hash: HandshakeHash,
    /// When the request's validity ends, by our monotonic clock.
    pub(super) expires: Instant,
}

#[derive(Debug)]
struct Resuming {
    offer: VerifiedOffer,
    nonce: Option<PayerNonce>,
    queue: VecDeque<Unsettled>,
    answered: u8,
}

impl ExpectOffer {
    pub(super) fn begin(
        purpose: &Purpose,
        info: &[u8],
        (tag, chunk): (SessionTag, ChunkSize),
        entropy: &mut LinkEntropy,
        desk: &mut Desk,
        now: Instant,
    ) -> Result<Self, Failure> {
        let info = Info::parse(info)?;
        let (initiator, nonce, flight, wait_ms) = match purpose {
            Purpose::Browse { tag } | Purpose::Resume { tag } => {
                let (initiator, flight) = Initiator::heard(&info, *tag, None, entropy)?;
                (initiator, None, flight, BROWSE_OFFER_MS_MAX)
            }
            Purpose::Pay { tag, .. } => {
                let nonce = PayerNonce::generate(entropy);
                let promise = Some(nonce.commitment());
                let (initiator, flight) = Initiator::heard(&info, *tag, promise, entropy)?;
                (initiator, Some(nonce), flight, OFFER_MS_MAX)
            }
            Purpose::PayScanned { uri } => {
                let (initiator, flight) =
                    Initiator::scanned(&info, uri.tag, &uri.payee, &uri.secret, entropy)?;
                (initiator, None, flight, OFFER_MS_MAX)
            }
        };
        let mut splitter = Splitter::new(tag, chunk);
        let frames = splitter.split(&flight)?;
        desk.effects
            .extend(frames.into_iter().map(PayerEffect::Transmit));

        Ok(Self {
            initiator: Box::new(initiator),
            nonce,
            splitter,
            deadline: now.after_ms(wait_ms),
        })
    }

    pub(super) fn handle_flight(self, flight: &[u8], desk: &mut Desk, now: Instant) -> PayerState {
        let dialled = match self.initiator.handle_answer(flight) {
            Ok(dialled) => dialled,
            Err(error) => return desk.give_up(error.into()),
        };
        desk.talk = Some(Talk::new(dialled.channel, self.splitter));
        let offer = decode_offer(&dialled.payload).and_then(|offer| {
            VerifiedOffer::verify(offer, dialled.hash, dialled.payee_noise_key, desk, now)
        });
        let offer = match offer {
            Ok(offer) => offer,
            Err(failure) => return desk.give_up(failure),
        };
        let queue = desk.unsettled_for(&offer.payee());
        let resuming = Resuming {
            offer,
            nonce: self.nonce,
            queue,
            answered: 0,
        };

        resuming.go_on(desk, now)
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl ExpectResumeAnswer {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else comes is refused, by its name"
    )]
    pub(super) fn handle_message(
        mut self,
        message: Message,
        desk: &mut Desk,
        now: Instant,
    ) -> PayerState {
        let payment = self.current.pair.hash();
        match message {
            Message::Received(receipt) => {
                if let Err(refused) = verify_receipt(&receipt, &self.current.pair.payment) {
                    let failure = Misbehaviour::Receipt(refused).into();
                    return PayerState::ExpectResumeAnswer(self).fail(failure, desk);
                }
                // nothing of this visit waits for it: the payment stays unsettled until it is on disk
                desk.append(PayerRecord::ReceiptReceived { payment, receipt }, ());
            }
            Message::Held | Message::Refuse(_) => {
                desk.effects
                    .push_back(PayerEffect::ResumeNotSettled { payment });
            }
            other => {
                let failure = unexpected(&other, Waiting::ResumeAnswer);
                return PayerState::ExpectResumeAnswer(self).fail(failure, desk);
            }
        }
        self.rest.answered = self.rest.answered.saturating_add(1);

        self.rest.go_on(desk, now)
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Resuming {
    /// Sends the next unsettled payment; when there is none left, does what the visit is for.
    fn go_on(mut self, desk: &mut Desk, now: Instant) -> PayerState {
        let Some(current) = self.queue.pop_front() else {
            return self.arrive(desk, now);
        };
        let provider =
            Some(current.provider.clone()).filter(|own| *own != self.offer.offer.provider);
        let said = desk.say(&Message::Resume(Box::new(Resume {
            pair: current.pair.clone(),
            provider,
        })));
        if let Err(failure) = said {
            return desk.give_up(failure);
        }

        PayerState::ExpectResumeAnswer(ExpectResumeAnswer {
            current,
            rest: self,
            deadline: now.after_ms(RECEIPT_MS_MAX),
        })
    }

    fn arrive(self, desk: &mut Desk, now: Instant) -> PayerState {
        let (expected, currency) = match &desk.aim {
            Aim::Resume => {
                return desk.leave(Outcome::Resumed {
                    answered: self.answered,
                });
            }
            Aim::Browse => {
                desk.effects
                    .push_back(self.offer.to_effect(desk.aim.mode()));
                return desk.leave(Outcome::Browsed);
            }
            Aim::Pay(expected) => (expected, None),
            Aim::PayScanned(expected, currency) => (expected, *currency),
        };
        let request = self.offer.offer.request.body();
        if let Some(payment) = desk.paid_before(&self.offer.payee(), request.request_id) {
            return desk.leave(Outcome::PaidBefore { payment });
        }
        let is_other_currency = currency.is_some_and(|currency| currency != request.currency);
        if is_other_currency || !self.offer.is_as_expected(expected) {
            return desk.give_up(Misbehaviour::NotWhatWasChosen.into());
        }
        desk.effects
            .push_back(self.offer.to_effect(desk.aim.mode()));

        PayerState::ExpectOwnChoice(ExpectOwnChoice::new(self.offer, self.nonce, now))
    }
}

impl VerifiedOffer {
    fn verify(
        offer: Offer,
        hash: HandshakeHash,
        session_key: NoiseKey,
        desk: &Desk,
        now: Instant,
    ) -> Result<Self, Failure> {
        let request = verify_request(&desk.root, &offer.request, &offer.provider)
            .map_err(Misbehaviour::Request)?;
        if request.noise_key != session_key {
            return Err(Misbehaviour::OtherNoiseKey.into());
        }
        if request.currency != desk.sender.leaf.body().currency {
            return Err(Misbehaviour::OtherCurrency.into());
        }
        let expires = now.after_ms(request.validity.as_ms());

        Ok(Self {
            offer,
            hash,
            expires,
        })
    }

    pub(super) fn payee(&self) -> PublicKey {
        self.offer.request.body().payee.body().subject
    }

    fn is_as_expected(&self, expected: &Expected) -> bool {
        let request = self.offer.request.body();

        expected
            .payee
            .is_none_or(|payee| payee.key() == self.payee())
            && expected.request.is_none_or(|id| id == request.request_id)
            && expected
                .amount
                .is_none_or(|amount| amount == request.amount)
    }

    fn to_effect(&self, mode: crate::session::Mode) -> PayerEffect {
        let request = self.offer.request.body();
        let payee = request.payee.body();

        PayerEffect::Offer(Box::new(Offered {
            payee_name: payee.name.clone(),
            provider_name: self.offer.provider.body().name.clone(),
            payee: payee.subject,
            request_id: request.request_id,
            amount: request.amount,
            currency: request.currency,
            standing: self.offer.standing,
            mode,
            request: self.offer.request.clone(),
            provider: self.offer.provider.clone(),
        }))
    }
}

impl Desk {
    /// Ends a visit that has not debited anything.
    pub(super) fn give_up(&mut self, failure: Failure) -> PayerState {
        self.hang_up(failure);

        self.done(Outcome::Failed(failure))
    }

    fn unsettled_for(&self, payee: &PublicKey) -> VecDeque<Unsettled> {
        self.unsettled
            .iter()
            .filter(|unsettled| unsettled.pair.payment.body().receiver.key == *payee)
            .take(usize::from(RESUMES_PER_SESSION_MAX))
            .cloned()
            .collect()
    }
}

fn decode_offer(payload: &[u8]) -> Result<Offer, Failure> {
    let message = Message::decode(payload)?;
    let Message::Offer(offer) = message else {
        return Err(unexpected(&message, Waiting::Offer));
    };

    Ok(*offer)
}
