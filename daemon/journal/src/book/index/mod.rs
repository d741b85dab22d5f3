//! Payments and requests, and where they are found. What is on the index grows with the years, so it is read by place and
//! never as a whole.
//!
//! The daemon's index is on disk beside the facts and changes in their transaction ([`disk`]); a check and the tests fold
//! facts onto one in memory ([`memory`]).

mod bytes;
mod disk;
mod kept;
mod memory;
mod place;
mod row;

use std::ops::RangeInclusive;
use std::sync::Arc;

use ops_proto::Digest;
use ops_proto::id::CommandId;

pub(crate) use disk::{DiskIndex, TABLE_NAMES, TABLES};
pub(super) use memory::MemoryIndex;
use place::Marks;
pub use place::PaymentRef;
pub(super) use place::{IndexPlace, Sum, day};

use super::payment::{Incoming, Outgoing, PaymentKey, ServerWord};
use super::request::Request;

/// Where payments and requests are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum BookIndex {
    Memory(MemoryIndex),
    Disk(DiskIndex),
}

impl Default for BookIndex {
    fn default() -> Self {
        Self::Memory(MemoryIndex::default())
    }
}

impl BookIndex {
    pub(super) fn sent(&self, key: &PaymentKey) -> Option<Arc<Outgoing>> {
        match self {
            Self::Memory(index) => index.sent(key),
            Self::Disk(index) => index.sent(key),
        }
    }

    pub(super) fn received(&self, hash: &Digest) -> Option<Arc<Incoming>> {
        match self {
            Self::Memory(index) => index.received(hash),
            Self::Disk(index) => index.received(hash),
        }
    }

    pub(super) fn request(&self, command: CommandId) -> Option<Arc<Request>> {
        match self {
            Self::Memory(index) => index.request(command),
            Self::Disk(index) => index.request(command),
        }
    }

    pub(super) fn server_word(&self, payment: &Digest) -> Option<ServerWord> {
        match self {
            Self::Memory(index) => index.server_word(payment),
            Self::Disk(index) => index.server_word(payment),
        }
    }

    /// Puts a payment in the place of `before`, which is the one that the index holds.
    pub(super) fn put_sent(&mut self, key: PaymentKey, before: Option<&Outgoing>, after: Outgoing) {
        let moved = Moved::new(before.map(|held| Marks::of_sent(key, held)), || {
            Marks::of_sent(key, &after)
        });
        match self {
            Self::Memory(index) => index.put_sent(key, after, &moved),
            Self::Disk(index) => index.put_sent(key, &after, &moved),
        }
    }

    /// As [`Self::put_sent`], for a payment to this device.
    pub(super) fn put_received(
        &mut self,
        hash: Digest,
        before: Option<&Incoming>,
        after: Incoming,
    ) {
        let moved = Moved::new(before.map(|held| Marks::of_received(hash, held)), || {
            Marks::of_received(hash, &after)
        });
        match self {
            Self::Memory(index) => index.put_received(hash, after, &moved),
            Self::Disk(index) => index.put_received(hash, &after, &moved),
        }
    }

    /// As [`Self::put_sent`], for a request.
    pub(super) fn put_request(&mut self, before: Option<&Request>, after: Request) {
        let command = after.intent.command;
        let moved = Moved::new(before.map(|held| Marks::of_request(command, held)), || {
            Marks::of_request(command, &after)
        });
        match self {
            Self::Memory(index) => index.put_request(command, after, &moved),
            Self::Disk(index) => index.put_request(command, &after, &moved),
        }
    }

    pub(super) fn put_server_word(&mut self, payment: Digest, server_word: &ServerWord) {
        match self {
            Self::Memory(index) => index.put_server_word(payment, server_word.clone()),
            Self::Disk(index) => index.put_server_word(payment, server_word),
        }
    }

    /// Notes a fact that does not fit those before it.
    pub(super) fn put_contradiction(&mut self, fact: u64) {
        match self {
            Self::Memory(_) => {} // the book notes them
            Self::Disk(index) => index.put_contradiction(fact),
        }
    }

    /// Whether the index has taken the facts that are folded now, so that what they put changes nothing.
    pub(super) const fn is_frozen(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Disk(index) => index.is_frozen(),
        }
    }

    /// Returns places of a range, the first ones first.
    pub(super) fn first(&self, range: RangeInclusive<IndexPlace>, limit: usize) -> Vec<IndexPlace> {
        match self {
            Self::Memory(index) => index.first(range, limit),
            Self::Disk(index) => index.first(&range, limit),
        }
    }

    /// Returns places of a range, the last ones first.
    pub(super) fn last(&self, range: RangeInclusive<IndexPlace>, limit: usize) -> Vec<IndexPlace> {
        match self {
            Self::Memory(index) => index.last(range, limit),
            Self::Disk(index) => index.last(&range, limit),
        }
    }

    pub(super) fn sum(&self, sum: Sum) -> u64 {
        match self {
            Self::Memory(index) => index.sum(sum),
            Self::Disk(index) => index.sum(sum),
        }
    }
}

/// How the marks of one payment or request changed.
#[derive(Debug)]
struct Moved {
    left: Vec<IndexPlace>,
    come: Vec<IndexPlace>,
    sums: Vec<(Sum, i64)>,
}

impl Moved {
    fn new(before: Option<Marks>, after: impl FnOnce() -> Marks) -> Self {
        let (before, after) = (before.unwrap_or_default(), after());
        let mut sums: Vec<(Sum, i64)> = Vec::new();
        let lost = before
            .sums
            .into_iter()
            .map(|(sum, weight)| (sum, weight, -1));
        let won = after.sums.into_iter().map(|(sum, weight)| (sum, weight, 1));
        for (sum, weight, sign) in lost.chain(won) {
            let weight = i64::try_from(weight).unwrap_or(i64::MAX);
            let change = weight.saturating_mul(sign);
            match sums.iter_mut().find(|(held, _)| *held == sum) {
                Some((_, held)) => *held = held.saturating_add(change),
                None => sums.push((sum, change)),
            }
        }
        sums.retain(|(_, change)| *change != 0);
        let is_gone = |place: &IndexPlace| !after.places.contains(place);
        let is_new = |place: &IndexPlace| !before.places.contains(place);

        Self {
            left: before.places.iter().copied().filter(is_gone).collect(),
            come: after.places.iter().copied().filter(is_new).collect(),
            sums,
        }
    }
}
