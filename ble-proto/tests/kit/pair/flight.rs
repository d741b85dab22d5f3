//! How frames fly, and what happens when something arrives.

use ble_proto::durable::RecordNumber;
use ble_proto::payment::payee::{LinkId, NotCredited, PayeeRecord};
use ble_proto::payment::payer::{self, PayerRecord};

use super::{Direction, Event, Pair};

impl Pair {
    pub(super) fn fly(&mut self, direction: Direction, link: LinkId, mut frame: Vec<u8>) {
        assert!(frame.len() <= self.air.chunk, "a frame fits the link");
        if self
            .air
            .cut_after
            .is_some_and(|count| self.frames.len() >= count)
        {
            return self.cut();
        }
        if let Some((which, at, bit)) = self.flip
            && which == self.frames.len()
        {
            let at = at % frame.len();
            frame[at] ^= 1 << bit;
        }
        self.frames.push((direction, frame.len()));
        if self.dice.permille(self.air.loss_permille) {
            return;
        }
        let copies = if self.dice.permille(self.air.repeat_permille) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let event = match direction {
                Direction::ToPayee => Event::ToPayee(link, frame.clone()),
                Direction::ToPayer => Event::ToPayer(link, frame.clone()),
            };
            self.push(self.air.delay_ms, event);
        }
    }

    pub(super) fn pop_due(&mut self) -> Option<Event> {
        let (index, _) = self
            .events
            .iter()
            .enumerate()
            .filter(|(_, (at, _, _))| *at <= self.now)
            .min_by_key(|(_, (at, order, _))| (*at, *order))?;
        Some(self.events.remove(index).2)
    }

    pub(super) fn push(&mut self, after_ms: u64, event: Event) {
        self.order += 1;
        self.events
            .push((self.now.after_ms(after_ms), self.order, event));
    }

    pub(super) fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::ToPayee(id, frame) => self.payee.handle_frame(id, &frame, now),
            Event::PayeeHearsDown(id) => self.payee.handle_link_down(id, now),
            Event::Credited(id, receipt) => {
                self.payee
                    .handle_credited(id, receipt.ok_or(NotCredited), now);
            }
            Event::PayeeSynced(number) => {
                let (synced, rest) = std::mem::take(&mut self.payee_written)
                    .into_iter()
                    .partition(|(written, _)| *written <= number);
                self.payee_written = rest;
                let synced: Vec<(RecordNumber, PayeeRecord)> = synced;
                self.payee_disk
                    .extend(synced.into_iter().map(|(_, record)| record));
                self.payee.handle_synced(number, now);
            }
            Event::ToPayer(id, frame) if self.payer_link == Some(id) => {
                self.with_payer(|payer, _| payer.handle_frame(&frame, now));
            }
            Event::PayerHearsDown(id) if self.payer_link == Some(id) => {
                self.with_payer(|payer, _| payer.handle_link_down());
            }
            Event::PayerSynced(number) => {
                let (synced, rest) = std::mem::take(&mut self.payer_written)
                    .into_iter()
                    .partition(|(written, _)| *written <= number);
                self.payer_written = rest;
                let synced: Vec<(RecordNumber, PayerRecord)> = synced;
                self.payer_disk
                    .extend(synced.into_iter().map(|(_, record)| record));
                self.with_payer(|payer, _| payer.handle_synced(number, now));
            }
            Event::Paid(payment) => {
                let answer = payment.ok_or(payer::PayRefused);
                self.with_payer(|payer, _| payer.handle_paid(answer));
            }
            Event::Approve(approval) => {
                self.approved_at_frame = Some(self.frames.len());
                self.with_payer(|payer, _| payer.handle_approved(&approval, now));
            }
            Event::ToPayer(..) | Event::PayerHearsDown(_) => {}
        }
    }
}
