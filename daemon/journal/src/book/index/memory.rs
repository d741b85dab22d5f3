//! The index in memory: what tests and the check compare the one on disk with.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use ops_proto::Digest;
use ops_proto::id::CommandId;

use super::Moved;
use super::place::{IndexPlace, Sum};
use crate::book::payment::{Incoming, Outgoing, PaymentKey, ServerWord};
use crate::book::request::Request;

/// Payments and requests, and where they are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::book) struct MemoryIndex {
    sent: BTreeMap<PaymentKey, Arc<Outgoing>>,
    received: BTreeMap<Digest, Arc<Incoming>>,
    requests: BTreeMap<CommandId, Arc<Request>>,
    server_words: BTreeMap<Digest, ServerWord>,
    places: BTreeSet<IndexPlace>,
    sums: BTreeMap<Sum, u64>,
}

impl MemoryIndex {
    pub(super) fn sent(&self, key: &PaymentKey) -> Option<Arc<Outgoing>> {
        self.sent.get(key).map(Arc::clone)
    }

    pub(super) fn received(&self, hash: &Digest) -> Option<Arc<Incoming>> {
        self.received.get(hash).map(Arc::clone)
    }

    pub(super) fn request(&self, command: CommandId) -> Option<Arc<Request>> {
        self.requests.get(&command).map(Arc::clone)
    }

    pub(super) fn server_word(&self, payment: &Digest) -> Option<ServerWord> {
        self.server_words.get(payment).cloned()
    }

    pub(super) fn put_sent(&mut self, key: PaymentKey, payment: Outgoing, moved: &Moved) {
        let _before = self.sent.insert(key, Arc::new(payment));
        self.put_marks(moved);
    }

    pub(super) fn put_received(&mut self, hash: Digest, payment: Incoming, moved: &Moved) {
        let _before = self.received.insert(hash, Arc::new(payment));
        self.put_marks(moved);
    }

    pub(super) fn put_request(&mut self, command: CommandId, request: Request, moved: &Moved) {
        let _before = self.requests.insert(command, Arc::new(request));
        self.put_marks(moved);
    }

    pub(super) fn put_server_word(&mut self, payment: Digest, server_word: ServerWord) {
        let _before = self.server_words.insert(payment, server_word);
    }

    /// Returns places of a range, the first ones first.
    pub(super) fn first(&self, range: RangeInclusive<IndexPlace>, limit: usize) -> Vec<IndexPlace> {
        self.places.range(range).take(limit).copied().collect()
    }

    /// Returns places of a range, the last ones first.
    pub(super) fn last(&self, range: RangeInclusive<IndexPlace>, limit: usize) -> Vec<IndexPlace> {
        self.places
            .range(range)
            .rev()
            .take(limit)
            .copied()
            .collect()
    }

    pub(super) fn sum(&self, sum: Sum) -> u64 {
        self.sums.get(&sum).copied().unwrap_or(0)
    }

    fn put_marks(&mut self, moved: &Moved) {
        for place in &moved.left {
            self.places.remove(place);
        }
        self.places.extend(&moved.come);
        for (sum, change) in &moved.sums {
            let now = self.sum(*sum).saturating_add_signed(*change);
            if now == 0 {
                self.sums.remove(sum);
            } else {
                self.sums.insert(*sum, now);
            }
        }
    }
}
