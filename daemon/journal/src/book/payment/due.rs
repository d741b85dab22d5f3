//! What the book says of payments, and which of them are due to whom.

use ops_proto::limits::BATCH_PAIRS_MAX;
use ops_proto::message::{BatchAnswer, ItemOutcome, RequestPayment};
use ops_proto::{Digest, PaymentPair, Signed, Time};

use super::{Incoming, Outgoing, PaymentKey, is_due};
use crate::book::Book;

impl Book {
    /// Returns every payment by this device, by payee and request.
    pub fn outgoing(&self) -> impl Iterator<Item = (&PaymentKey, &Outgoing)> {
        self.outgoing.iter()
    }

    /// Returns one payment by this device.
    #[must_use]
    pub fn outgoing_of(&self, key: &PaymentKey) -> Option<&Outgoing> {
        self.outgoing.get(key)
    }

    /// Returns one payment by this device, by the hash of P.
    #[must_use]
    pub fn outgoing_by_hash(&self, payment: &Digest) -> Option<&Outgoing> {
        self.outgoing.get(self.outgoing_by_hash.get(payment)?)
    }

    /// Tells whether this payee asked for something else under the same number before.
    ///
    /// A number stands for one request, for ever; ask before a request is approved or paid.
    #[must_use]
    pub fn knows_otherwise(&self, request: &Signed<RequestPayment>) -> bool {
        self.outgoing_of(&PaymentKey::of(request.body()))
            .is_some_and(|held| held.request != *request)
    }

    /// Returns every payment to this device, by the hash of P.
    pub fn incoming(&self) -> impl Iterator<Item = (&Digest, &Incoming)> {
        self.incoming.iter()
    }

    /// Returns one payment to this device, by the hash of P.
    #[must_use]
    pub fn incoming_by_hash(&self, payment: &Digest) -> Option<&Incoming> {
        self.incoming.get(payment)
    }

    /// Returns the payments by this device that are to be sent again when their payee is met.
    pub fn to_resume(&self) -> impl Iterator<Item = &Outgoing> {
        self.outgoing
            .values()
            .filter(|payment| payment.is_to_resume())
    }

    /// Returns pairs to report, sent and received, at most one batch: first those that the server has not
    /// reported on in its current incarnation, then those that it said are waiting.
    #[must_use]
    pub fn reports_due(&self) -> Vec<PaymentPair> {
        let life = self.life();
        let both = || {
            let outgoing = self.outgoing.values().filter_map(|payment| {
                let pair = payment.pair.as_ref()?;
                Some((pair, payment.report, payment.reported_in))
            });
            let incoming = self
                .incoming
                .values()
                .map(|payment| (&payment.pair, payment.report, payment.reported_in));
            outgoing.chain(incoming)
        };
        let is_seen =
            |report: Option<ItemOutcome>, reported_in| report.is_some() && reported_in >= life;
        let unseen = both().filter(|(_, report, reported_in)| !is_seen(*report, *reported_in));
        let waiting = both()
            .filter(|(_, report, reported_in)| is_seen(*report, *reported_in) && is_due(*report));

        unseen
            .chain(waiting)
            .map(|(pair, _, _)| pair.clone())
            .take(BATCH_PAIRS_MAX)
            .collect()
    }

    /// Tells whether the server has answered a report of this payment in its current incarnation.
    #[must_use]
    pub fn is_reported(&self, payment: &Digest) -> bool {
        let life = self.life();
        let incoming = self.incoming.get(payment);
        let incoming = incoming.map(|held| held.report.is_some() && held.reported_in >= life);
        let outgoing = self.outgoing_by_hash(payment);
        let outgoing = outgoing.map(|held| held.report.is_some() && held.reported_in >= life);

        [incoming, outgoing].into_iter().flatten().all(|seen| seen)
    }

    /// Tells whether the server has answered a claim of this payment in its current incarnation.
    #[must_use]
    pub fn is_claimed(&self, payment: &Digest) -> bool {
        let life = self.life();

        self.incoming
            .get(payment)
            .is_some_and(|held| held.claim.is_some() && held.claimed_in >= life)
    }

    /// Returns pairs to claim, at most one batch: those never claimed first.
    #[must_use]
    pub fn claims_due(&self) -> Vec<PaymentPair> {
        let life = self.life();
        let due = || {
            self.incoming.values().filter(|payment| {
                let lost = payment.claim.is_some() && payment.claimed_in < life;

                payment.is_claim_due() || (payment.is_for_claim() && lost)
            })
        };
        let first = due().filter(|payment| payment.claim.is_none());
        let again = due().filter(|payment| payment.claim.is_some());

        first
            .chain(again)
            .map(|payment| payment.pair.clone())
            .take(BATCH_PAIRS_MAX)
            .collect()
    }

    /// Returns payments by this device to a payee of its own provider who has not answered for
    /// `answer_ms`, and that the server was not handed yet, at most one batch.
    #[must_use]
    pub fn undelivered(&self, now: Time, answer_ms: u64) -> Vec<PaymentPair> {
        let life = self.life();
        let own = self
            .enrolled
            .as_ref()
            .map(|enrolled| enrolled.provider.body().provider);
        self.outgoing
            .values()
            .filter(|payment| payment.is_to_resume() && now.ms_since(payment.at) >= answer_ms)
            .filter(|payment| payment.handed_in.is_none_or(|(told, _)| told < life))
            .filter_map(|payment| payment.pair.clone())
            .filter(|pair| Some(pair.payment.body().receiver.provider) == own)
            .take(BATCH_PAIRS_MAX)
            .collect()
    }

    /// Returns the server's signed word that holds the last state of a payment: anyone can verify it
    /// with the provider's answer key.
    #[must_use]
    pub fn settlement_of(&self, payment: &Digest) -> Option<&Signed<BatchAnswer>> {
        self.settlements.get(payment).map(|answer| &**answer)
    }

    pub(super) fn life(&self) -> u32 {
        self.lives.seen().unwrap_or(0)
    }
}
