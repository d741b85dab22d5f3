//! The requests of this TA: open ones, which reserve room, and those collected since the last token.

use std::collections::BTreeMap;

use ops_proto::id::{CommandId, Digest, RequestId};
use ops_proto::message::{ReceivedPayment, RequestPayment, Status};
use ops_proto::signed::Signed;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Requests {
    next: RequestId,
    open: BTreeMap<RequestId, OpenRequest>,
    collected: BTreeMap<RequestId, Collected>,
    pub(crate) collected_count: u64,
    pub(crate) collected_total: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpenRequest {
    pub(crate) command: CommandId,
    pub(crate) request: Signed<RequestPayment>,
    /// The hash of the provider's certificate under which the request was signed.
    pub(crate) provider: Digest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Collected {
    pub(crate) payment: Digest,
    pub(crate) receipt: Signed<ReceivedPayment>,
}

impl Requests {
    pub(crate) const fn new() -> Self {
        Self {
            next: RequestId(1),
            open: BTreeMap::new(),
            collected: BTreeMap::new(),
            collected_count: 0,
            collected_total: 0,
        }
    }

    /// Opens the request with the number [`Self::next`].
    pub(crate) fn open(&mut self, request: OpenRequest) {
        self.open.insert(self.next, request);
        self.next = RequestId(self.next.0.saturating_add(1));
    }

    /// Moves an open request to those collected.
    pub(crate) fn collect(&mut self, id: RequestId, collected: Collected) {
        let Some(open) = self.open.remove(&id) else {
            return;
        };
        let amount = open.request.body().amount.minor_units();
        self.collected_count = self.collected_count.saturating_add(1);
        self.collected_total = self.collected_total.saturating_add(amount);
        self.collected.insert(id, collected);
    }

    /// Closes what is open of `ids`; the others are closed or collected already.
    pub(crate) fn close(&mut self, ids: &[RequestId]) {
        for id in ids {
            self.open.remove(id);
        }
    }

    /// Closes every request.
    pub(crate) fn close_all(&mut self) {
        self.open.clear();
    }

    /// Forgets what a token covers.
    pub(crate) fn settle(&mut self, status: &Status) {
        self.collected_count = self.collected_count.saturating_sub(status.collected_count);
        self.collected_total = self.collected_total.saturating_sub(status.collected_total);
        for (id, _) in status.collected.iter() {
            self.collected.remove(id);
        }
    }

    /// Returns the number of the next request; all below it were issued.
    pub(crate) const fn next(&self) -> RequestId {
        self.next
    }

    pub(crate) fn get_open(&self, id: RequestId) -> Option<&OpenRequest> {
        self.open.get(&id)
    }

    pub(crate) fn get_collected(&self, id: RequestId) -> Option<&Collected> {
        self.collected.get(&id)
    }

    pub(crate) fn by_command(&self, command: CommandId) -> Option<&OpenRequest> {
        self.open
            .values()
            .find(|request| request.command == command)
    }

    pub(crate) fn open_ids(&self) -> impl Iterator<Item = RequestId> {
        self.open.keys().copied()
    }

    pub(crate) fn collected(&self) -> impl Iterator<Item = (RequestId, Digest)> {
        self.collected
            .iter()
            .map(|(id, collected)| (*id, collected.payment))
    }

    pub(crate) fn open_len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn collected_len(&self) -> usize {
        self.collected.len()
    }

    pub(crate) fn open_count(&self) -> u64 {
        u64::try_from(self.open.len()).unwrap_or(u64::MAX)
    }

    /// Returns the room that open requests reserve, in minor units.
    pub(crate) fn reserved(&self) -> u64 {
        self.open.values().fold(0, |sum, open| {
            sum.saturating_add(open.request.body().amount.minor_units())
        })
    }

    pub(crate) fn uses_provider(&self, provider: &Digest) -> bool {
        self.open.values().any(|open| open.provider == *provider)
    }
}
