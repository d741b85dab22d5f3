//! ⑦ to ⑨: deny-lists, once the receipt is on its way. Nothing here touches a payment.

use super::link::{ExpectPayerGossip, Gossip, LinkState};
use super::{LinkId, Payee, PayeeEffect};
use crate::error::{Failure, Misbehaviour, Waiting};
use crate::gossip::{Denied, GossipItem, Holding};
use crate::limits::{GOSSIP_BAD_MAX, GOSSIP_ITEMS_MAX, GOSSIP_MS_MAX, LEAVE_MS_MAX};
use crate::message::Message;
use crate::time::Instant;

impl Payee {
    /// Takes what the deny-lists revoke: from now on no payer of theirs locks a request. Call it at the
    /// start and whenever a list changes.
    pub fn set_denied(&mut self, denied: Denied) {
        self.denied = denied;
    }

    /// Takes the answer to [`PayeeEffect::GossipAsked`]: what the payer lacks, the directory first, and
    /// what this device holds. As much is sent as one visit allows.
    pub fn handle_gossip_answer(
        &mut self,
        id: LinkId,
        items: Vec<GossipItem>,
        own: Holding,
        now: Instant,
    ) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let LinkState::ExpectPayerGossip(state) = &mut link.state else {
            return;
        };
        if state.gossip != Gossip::Asked {
            return;
        }
        state.gossip = Gossip::Answered;
        state.deadline = now.after_ms(GOSSIP_MS_MAX);
        let said = link
            .talk
            .as_mut()
            .ok_or(Failure::LinkLost)
            .and_then(|talk| {
                let mut frames = talk.say_items(items)?;
                frames.extend(talk.say(&Message::Holding(Box::new(own)))?);
                Ok(frames)
            });
        match said {
            Ok(frames) => self.transmit(id, frames),
            Err(failure) => self.fail(id, failure),
        }
    }

    /// Takes note that something of [`PayeeEffect::GossipHeard`] was refused; who sends a second one is
    /// hung up on.
    pub fn handle_gossip_refused(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let LinkState::ExpectPayerGossip(state) = &mut link.state else {
            return;
        };
        state.bad = state.bad.saturating_add(1);
        if state.bad >= GOSSIP_BAD_MAX {
            self.fail(id, Misbehaviour::BadGossip.into());
        }
    }

    pub(super) fn handle_in_gossip(
        &mut self,
        id: LinkId,
        mut state: ExpectPayerGossip,
        message: Message,
        now: Instant,
    ) -> Result<LinkState, Failure> {
        let item = match (message, state.gossip) {
            (Message::Holding(held), Gossip::Awaited) => {
                state.gossip = Gossip::Asked;
                state.deadline = now.after_ms(GOSSIP_MS_MAX);
                self.effects
                    .push_back(PayeeEffect::GossipAsked { link: id, held });
                return Ok(LinkState::ExpectPayerGossip(state));
            }
            (Message::Directory(directory), Gossip::Answered) => GossipItem::Directory(directory),
            (Message::Piece(piece), Gossip::Answered) => GossipItem::Piece(piece),
            (other, _) => return Err(super::flights::unexpected(&other, Waiting::Gossip)),
        };
        state.items = state.items.saturating_add(1);
        if state.items > GOSSIP_ITEMS_MAX {
            return Err(Misbehaviour::BadGossip.into());
        }
        self.effects
            .push_back(PayeeEffect::GossipHeard { link: id, item });

        Ok(LinkState::ExpectPayerGossip(state))
    }
}

impl ExpectPayerGossip {
    /// The receipt has just left; the payer has as long to begin as it has to leave.
    pub(super) fn begin(now: Instant) -> Self {
        Self {
            gossip: Gossip::Awaited,
            items: 0,
            bad: 0,
            deadline: now.after_ms(LEAVE_MS_MAX),
        }
    }
}
