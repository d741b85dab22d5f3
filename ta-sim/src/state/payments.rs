//! What the TA has paid since the last token.

use std::collections::BTreeMap;

use ops_proto::id::RequestId;
use ops_proto::key::PublicKey;
use ops_proto::message::Status;
use ops_proto::pay_verify::PaymentPair;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payments {
    /// By payee key and request id: whoever asks again gets the same P.
    pairs: BTreeMap<(PublicKey, RequestId), PaymentPair>,
    pub(crate) count: u64,
    pub(crate) total: u64,
}

impl Payments {
    pub(crate) const fn new() -> Self {
        Self {
            pairs: BTreeMap::new(),
            count: 0,
            total: 0,
        }
    }

    pub(crate) fn record(&mut self, pair: PaymentPair) {
        let amount = pair.payment.body().amount.minor_units();
        self.count = self.count.saturating_add(1);
        self.total = self.total.saturating_add(amount);
        let payment = pair.payment.body();
        let key = (payment.receiver.key, payment.request_id);
        self.pairs.insert(key, pair);
    }

    /// Forgets what a token covers.
    pub(crate) fn settle(&mut self, status: &Status) {
        self.count = self.count.saturating_sub(status.paid_count);
        self.total = self.total.saturating_sub(status.paid_total);
        let j = status.position.j;
        self.pairs
            .retain(|_, pair| pair.payment.body().position.j > j);
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn get(&self, payee: PublicKey, request_id: RequestId) -> Option<&PaymentPair> {
        self.pairs.get(&(payee, request_id))
    }

    /// Returns whether a request of `payee` that replaces `request_id` was paid.
    pub(crate) fn has_replacement(&self, payee: PublicKey, request_id: RequestId) -> bool {
        self.pairs
            .range((payee, RequestId(0))..=(payee, RequestId(u64::MAX)))
            .any(|(_, pair)| pair.request.body().replaces == Some(request_id))
    }
}
