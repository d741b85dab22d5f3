//! Flight ① and the turn to answer it: URI before `NX`, each within its budget.

use super::link::{Chooser, ExpectPayerChoice, ExpectTurn, LinkState, PayeeLink, ShownOffer};
use super::request::WayIn;
use super::{LinkId, Payee, PayeeEffect};
use crate::code::PayeeNonce;
use crate::error::Failure;
use crate::frame::Splitter;
use crate::limits::{BROWSER_MS_MAX, CHOICE_MS_MAX, HELLO_MS_MAX};
use crate::message::{Message, Offer};
use crate::payment::talk::Talk;
use crate::session::{Hello, Opening, Responder};
use crate::time::Instant;

impl Payee {
    /// Reads flight ①; the link then waits for its turn.
    pub(super) fn handle_hello(
        &mut self,
        id: LinkId,
        bytes: &[u8],
        now: Instant,
    ) -> Result<(), Failure> {
        let hello = Hello::parse(bytes)?;
        let tag = hello.tag();
        let link = self.links.get_mut(&id).ok_or(Failure::LinkLost)?;
        let request = self
            .requests
            .get_mut(&tag)
            .filter(|request| request.open.mode() == hello.mode())
            .ok_or(Failure::UnknownRequest)?;

        let secret = &request.open.noise_secret;
        let responder = match &request.open.way_in {
            WayIn::Announced => Responder::heard(&hello, secret, &mut link.entropy)?,
            WayIn::Uri(uri) => Responder::scanned(&hello, secret, uri, &mut link.entropy)?,
        };
        let opening = responder.opening();
        if let Opening::Committed(_) = opening
            && request.is_flooded()
        {
            if request.tell_flood() {
                self.effects.push_back(PayeeEffect::FloodedUseUri { tag });
            }
            return Err(Failure::Flooded);
        }
        link.state = LinkState::ExpectTurn(ExpectTurn {
            responder: Box::new(responder),
            tag,
            opening,
            deadline: now.after_ms(HELLO_MS_MAX),
        });

        Ok(())
    }

    /// Answers every flight ① whose turn has come.
    pub(super) fn answer_waiting(&mut self, now: Instant) {
        while let Some(id) = self.whose_turn(now) {
            if !self.handshakes.take(now) {
                return;
            }
            if let Err(failure) = self.answer(id, now) {
                self.fail(id, failure);
            }
        }
    }

    /// Returns when the next flight ① that waits may be answered.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        self.links
            .values()
            .filter_map(|link| self.turn_at(link))
            .min()
            .map(|turn| turn.max(self.handshakes.ready_at()))
    }

    /// Returns the link to answer next: payers with a URI first, then those that wait longest.
    fn whose_turn(&self, now: Instant) -> Option<LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| self.turn_at(link).is_some_and(|turn| turn <= now))
            .min_by_key(|(_, link)| (!link.is_scanned(), link.since))
            .map(|(id, _)| *id)
    }

    fn turn_at(&self, link: &PayeeLink) -> Option<Instant> {
        let LinkState::ExpectTurn(state) = &link.state else {
            return None;
        };
        match state.opening {
            Opening::Browsing | Opening::Scanned => Some(link.since),
            Opening::Committed(_) => self
                .requests
                .get(&state.tag)
                .map_or(Some(link.since), |request| {
                    Some(request.committed_ready_at())
                }),
        }
    }

    /// Sends flight ②.
    fn answer(&mut self, id: LinkId, now: Instant) -> Result<(), Failure> {
        let link = self.links.get_mut(&id).ok_or(Failure::LinkLost)?;
        let LinkState::ExpectTurn(turn) = std::mem::replace(&mut link.state, LinkState::Failed)
        else {
            return Err(Failure::ApiMisuse("a link was answered out of turn"));
        };
        let request = self
            .requests
            .get_mut(&turn.tag)
            .ok_or(Failure::UnknownRequest)?;
        if let Opening::Committed(_) = turn.opening {
            // others may have used up the count while this one waited
            if request.is_flooded() {
                return Err(Failure::Flooded);
            }
            request.count_committed(now);
        }

        let nonce = PayeeNonce(link.entropy.take());
        let offer = Offer {
            request: request.open.request.clone(),
            provider: request.open.provider.clone(),
            nonce,
            standing: request.standing(),
        };
        let offered = ShownOffer {
            tag: turn.tag,
            request: offer.request.clone(),
            provider: offer.provider.clone(),
        };
        let payload = Message::Offer(Box::new(offer)).encode();
        let accepted = turn.responder.answer(&payload)?;
        let tag = link.assembler.tag().ok_or(Failure::LinkLost)?;
        let mut splitter = Splitter::new(tag, link.chunk);
        let frames = splitter.split(&accepted.flight)?;
        link.talk = Some(Talk::new(accepted.channel, splitter));

        let chooser = match turn.opening {
            Opening::Browsing => Chooser::Browser,
            Opening::Scanned => Chooser::Scanner,
            Opening::Committed(commitment) => Chooser::Committed {
                commitment,
                hash: accepted.hash,
                nonce,
            },
        };
        link.state = LinkState::ExpectPayerChoice(ExpectPayerChoice::new(offered, chooser, now));
        self.transmit(id, frames);

        Ok(())
    }
}

impl ExpectPayerChoice {
    fn new(offered: ShownOffer, chooser: Chooser, now: Instant) -> Self {
        Self {
            offered,
            chooser,
            resumes: 0,
            deadline: now,
        }
        .renewed(now)
    }

    /// Gives the payer its time, from the message that was sent last.
    pub(super) fn renewed(self, now: Instant) -> Self {
        let wait_ms = match self.chooser {
            Chooser::Browser => BROWSER_MS_MAX,
            Chooser::Committed { .. } | Chooser::Scanner => CHOICE_MS_MAX,
        };

        Self {
            deadline: now.after_ms(wait_ms),
            ..self
        }
    }
}

impl PayeeLink {
    const fn is_scanned(&self) -> bool {
        match &self.state {
            LinkState::ExpectTurn(state) => matches!(state.opening, Opening::Scanned),
            LinkState::ExpectHello(_)
            | LinkState::ExpectPayerChoice(_)
            | LinkState::ExpectPayment(_)
            | LinkState::ExpectCollection(_)
            | LinkState::ExpectLeave(_)
            | LinkState::ExpectPayerGossip(_)
            | LinkState::Failed => false,
        }
    }
}
