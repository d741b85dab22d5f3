//! ⑦ to ⑨: deny-lists, once the receipt is on disk. The payment is over; nothing here can change how.

use ops_proto::message::ReceivedPayment;
use ops_proto::{PaymentPair, Signed};

use super::{Desk, Outcome, PayerEffect, PayerState};
use crate::gossip::{GossipItem, Holding};
use crate::limits::{GOSSIP_BAD_MAX, GOSSIP_ITEMS_MAX, GOSSIP_MS_MAX};
use crate::message::Message;
use crate::time::Instant;

/// Deny-lists go both ways.
#[derive(Debug)]
pub(super) struct ExpectPayeeGossip {
    pair: Box<PaymentPair>,
    receipt: Box<Signed<ReceivedPayment>>,
    stage: GossipStage,
    items: u8,
    bad: u8,
    deadline: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GossipStage {
    /// ⑦ is out: what we lack, and what the payee holds, is due.
    Asked,
    /// The caller looks for what the payee lacks.
    Looking,
    /// ⑨ is out: the payee hangs up.
    Answered,
}

impl ExpectPayeeGossip {
    /// Begins with ⑦, unless there is nothing to pass on.
    pub(super) fn begin(
        pair: Box<PaymentPair>,
        receipt: Box<Signed<ReceivedPayment>>,
        holding: Option<Holding>,
        desk: &mut Desk,
        now: Instant,
    ) -> PayerState {
        let state = Self {
            pair,
            receipt,
            stage: GossipStage::Asked,
            items: 0,
            bad: 0,
            deadline: now.after_ms(GOSSIP_MS_MAX),
        };
        let stated = &state.pair.request.body().lists_held;
        let Some(holding) = holding.filter(|holding| !holding.is_same_as(stated)) else {
            return state.end(desk);
        };
        if desk.say(&Message::Holding(Box::new(holding))).is_err() {
            return state.end(desk);
        }

        PayerState::ExpectPayeeGossip(state)
    }

    pub(super) fn handle_message(mut self, message: Message, desk: &mut Desk) -> PayerState {
        let item = match (message, self.stage) {
            (Message::Directory(directory), GossipStage::Asked) => GossipItem::Directory(directory),
            (Message::Piece(piece), GossipStage::Asked) => GossipItem::Piece(piece),
            (Message::Holding(held), GossipStage::Asked) => {
                self.stage = GossipStage::Looking;
                desk.effects.push_back(PayerEffect::GossipAsked { held });
                return PayerState::ExpectPayeeGossip(self);
            }
            // whatever it is, the payment is over
            (_, _) => return self.end(desk),
        };
        self.items = self.items.saturating_add(1);
        if self.items > GOSSIP_ITEMS_MAX {
            return self.end(desk);
        }
        desk.effects.push_back(PayerEffect::GossipHeard { item });

        PayerState::ExpectPayeeGossip(self)
    }

    pub(super) fn handle_answer(
        mut self,
        items: Vec<GossipItem>,
        desk: &mut Desk,
        now: Instant,
    ) -> PayerState {
        if self.stage != GossipStage::Looking {
            return PayerState::ExpectPayeeGossip(self);
        }
        if items.is_empty() {
            return self.end(desk);
        }
        let said = desk
            .say_items(items)
            .and_then(|()| desk.say(&Message::Enough));
        if said.is_err() {
            return self.end(desk);
        }
        self.stage = GossipStage::Answered;
        self.deadline = now.after_ms(GOSSIP_MS_MAX);

        PayerState::ExpectPayeeGossip(self)
    }

    pub(super) fn handle_refused(mut self, desk: &mut Desk) -> PayerState {
        self.bad = self.bad.saturating_add(1);
        if self.bad >= GOSSIP_BAD_MAX {
            return self.end(desk);
        }

        PayerState::ExpectPayeeGossip(self)
    }

    /// Hangs up without a word: there is nothing left to say.
    pub(super) fn end(self, desk: &mut Desk) -> PayerState {
        desk.leave(Outcome::Paid {
            pair: self.pair,
            receipt: self.receipt,
        })
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }
}
