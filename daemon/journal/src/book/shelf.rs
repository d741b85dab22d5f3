//! Payments and requests, and where they are found. What this holds grows with the years, so it is read by place and never
//! as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use ops_proto::id::CommandId;
use ops_proto::message::BatchAnswer;
use ops_proto::{Digest, Signed};

use super::payment::{Incoming, Outgoing, PaymentKey};
use super::place::{Marks, Place, Sum};
use super::request::Request;

/// Payments and requests in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shelf {
    sent: BTreeMap<PaymentKey, Arc<Outgoing>>,
    received: BTreeMap<Digest, Arc<Incoming>>,
    requests: BTreeMap<CommandId, Arc<Request>>,
    settlements: BTreeMap<Digest, Arc<Signed<BatchAnswer>>>,
    places: BTreeSet<Place>,
    sums: BTreeMap<Sum, u64>,
}

impl Shelf {
    pub(super) fn sent(&self, key: &PaymentKey) -> Option<Arc<Outgoing>> {
        self.sent.get(key).map(Arc::clone)
    }

    pub(super) fn received(&self, hash: &Digest) -> Option<Arc<Incoming>> {
        self.received.get(hash).map(Arc::clone)
    }

    pub(super) fn request(&self, command: CommandId) -> Option<Arc<Request>> {
        self.requests.get(&command).map(Arc::clone)
    }

    pub(super) fn settlement(&self, payment: &Digest) -> Option<Arc<Signed<BatchAnswer>>> {
        self.settlements.get(payment).map(Arc::clone)
    }

    pub(super) fn put_sent(&mut self, key: PaymentKey, payment: Outgoing) {
        let after = Marks::of_sent(key, &payment);
        let before = self.sent.insert(key, Arc::new(payment));
        self.move_marks(before.map(|held| Marks::of_sent(key, &held)), after);
    }

    pub(super) fn put_received(&mut self, hash: Digest, payment: Incoming) {
        let after = Marks::of_received(hash, &payment);
        let before = self.received.insert(hash, Arc::new(payment));
        self.move_marks(before.map(|held| Marks::of_received(hash, &held)), after);
    }

    pub(super) fn put_request(&mut self, command: CommandId, request: Request) {
        let after = Marks::of_request(command, &request);
        let before = self.requests.insert(command, Arc::new(request));
        self.move_marks(before.map(|held| Marks::of_request(command, &held)), after);
    }

    pub(super) fn put_settlement(&mut self, payment: Digest, answer: Arc<Signed<BatchAnswer>>) {
        let _before = self.settlements.insert(payment, answer);
    }

    /// Returns places of a range, the first ones first.
    pub(super) fn first(&self, range: RangeInclusive<Place>, limit: usize) -> Vec<Place> {
        self.places.range(range).take(limit).copied().collect()
    }

    /// Returns places of a range, the last ones first.
    pub(super) fn last(&self, range: RangeInclusive<Place>, limit: usize) -> Vec<Place> {
        self.places.range(range).rev().take(limit).copied().collect()
    }

    pub(super) fn sum(&self, sum: Sum) -> u64 {
        self.sums.get(&sum).copied().unwrap_or(0)
    }

    fn move_marks(&mut self, before: Option<Marks>, after: Marks) {
        let before = before.unwrap_or_default();
        for place in &before.places {
            if !after.places.contains(place) {
                self.places.remove(place);
            }
        }
        self.places.extend(after.places);
        for (sum, weight) in after.sums {
            let held = self.sums.entry(sum).or_default();
            *held = held.saturating_add(weight);
        }
        for (sum, weight) in before.sums {
            let left = self.sum(sum).saturating_sub(weight);
            if left == 0 {
                self.sums.remove(&sum);
            } else {
                self.sums.insert(sum, left);
            }
        }
    }
}
