//! Which payments are due to whom.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ops_proto::limits::BATCH_PAIRS_MAX;
use ops_proto::{Digest, PaymentPair, Time};

use super::find::EitherPayment;
use super::{KEY_FIRST, KEY_LAST};
use crate::book::Book;
use crate::book::index::{IndexPlace, PaymentRef, Sum};
use crate::book::payment::{Incoming, Outgoing, PaymentKey};

impl Book {
    /// Returns the payments that were approved and that the TA has neither signed nor refused.
    #[must_use]
    pub fn approved(&self) -> Vec<PaymentKey> {
        self.sent_at(IndexPlace::Approved(KEY_FIRST)..=IndexPlace::Approved(KEY_LAST))
    }

    /// Returns the payments by this device that are to be sent again when their payee is met.
    pub fn to_resume(&self) -> impl Iterator<Item = Arc<Outgoing>> {
        let keys = self.sent_at(IndexPlace::ToResume(KEY_FIRST)..=IndexPlace::ToResume(KEY_LAST));

        keys.into_iter().filter_map(|key| self.index.sent(&key))
    }

    /// Returns the payments to this device that are neither credited nor refused here.
    pub fn to_credit(&self) -> impl Iterator<Item = (Digest, Arc<Incoming>)> {
        let range = IndexPlace::ToCredit(HASH_FIRST)..=IndexPlace::ToCredit(HASH_LAST);

        self.received_at(range, usize::MAX)
    }

    /// Returns pairs to report, sent and received, at most one batch: first those that the server has not
    /// reported on in its current incarnation, then those that it said are waiting.
    #[must_use]
    pub fn reports_due(&self) -> Vec<PaymentPair> {
        let life = self.life();
        let unseen = IndexPlace::Reported(None, PaymentRef::FIRST)
            ..=IndexPlace::Reported(before(life), PaymentRef::LAST);
        let waiting = IndexPlace::Waiting(Some(life), PaymentRef::FIRST)
            ..=IndexPlace::Waiting(Some(u32::MAX), PaymentRef::LAST);
        let mut places = self.index.first(unseen, BATCH_PAIRS_MAX);
        let room = BATCH_PAIRS_MAX.saturating_sub(places.len());
        places.extend(self.index.first(waiting, room));

        places
            .into_iter()
            .filter_map(|place| match self.payment(place.payment()?)? {
                EitherPayment::Sent(payment) => payment.pair.clone(),
                EitherPayment::Received(_, payment) => Some(payment.pair.clone()),
            })
            .collect()
    }

    /// Tells whether the server has answered a report of this payment in its current incarnation.
    #[must_use]
    pub fn is_reported(&self, payment: &Digest) -> bool {
        let life = self.life();
        let incoming = self.incoming_by_hash(payment);
        let incoming = incoming.map(|held| held.report.is_some() && held.reported_in >= life);
        let outgoing = self.outgoing_by_hash(payment);
        let outgoing = outgoing.map(|held| held.report.is_some() && held.reported_in >= life);

        [incoming, outgoing].into_iter().flatten().all(|seen| seen)
    }

    /// Tells whether the server has answered a claim of this payment in its current incarnation.
    #[must_use]
    pub fn is_claimed(&self, payment: &Digest) -> bool {
        let life = self.life();

        self.incoming_by_hash(payment)
            .is_some_and(|held| held.claim.is_some() && held.claimed_in >= life)
    }

    /// Returns pairs to claim, at most one batch: those never claimed first, then those that wait, then those whose
    /// answer an earlier life of the server gave.
    #[must_use]
    pub fn claims_due(&self) -> Vec<PaymentPair> {
        let never = IndexPlace::Unclaimed(HASH_FIRST)..=IndexPlace::Unclaimed(HASH_LAST);
        let waiting = IndexPlace::ClaimWaiting(HASH_FIRST)..=IndexPlace::ClaimWaiting(HASH_LAST);
        let mut due: Vec<_> = self.received_at(never, BATCH_PAIRS_MAX).collect();
        let room = BATCH_PAIRS_MAX.saturating_sub(due.len());
        due.extend(self.received_at(waiting, room));
        if let Some(before) = before(self.life()) {
            let room = BATCH_PAIRS_MAX.saturating_sub(due.len());
            let lost = IndexPlace::Claimed(0, HASH_FIRST)..=IndexPlace::Claimed(before, HASH_LAST);
            let known: Vec<_> = due.iter().map(|(hash, _)| *hash).collect();
            let lost = self.received_at(lost, BATCH_PAIRS_MAX);
            due.extend(lost.filter(|(hash, _)| !known.contains(hash)).take(room));
        }

        due.into_iter()
            .map(|(_, payment)| payment.pair.clone())
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
        self.to_resume()
            .filter(|payment| now.ms_since(payment.at) >= answer_ms)
            .filter(|payment| payment.handed_in.is_none_or(|(told, _)| told < life))
            .filter_map(|payment| payment.pair.clone())
            .filter(|pair| Some(pair.payment.body().receiver.provider) == own)
            .take(BATCH_PAIRS_MAX)
            .collect()
    }

    /// Counts the payments whose money left and of which nobody has confirmed where it is.
    #[must_use]
    pub fn unacknowledged_count(&self) -> u64 {
        self.index.sum(Sum::Unacknowledged)
    }

    /// Counts the signed payments that no report has an answer for.
    #[must_use]
    pub fn unreported_count(&self) -> u64 {
        self.index.sum(Sum::Unreported)
    }

    /// Counts the payments whose money waits at the server, as the last report said.
    #[must_use]
    pub fn waiting_count(&self) -> u64 {
        self.index.sum(Sum::Waiting)
    }

    /// Counts the payments to claim, for the first time or again.
    #[must_use]
    pub fn claims_due_count(&self) -> u64 {
        self.index.sum(Sum::ClaimsDue)
    }

    /// Counts the payments to claim that never were claimed.
    #[must_use]
    pub fn unclaimed_count(&self) -> u64 {
        self.index.sum(Sum::Unclaimed)
    }

    pub(in crate::book) fn life(&self) -> u32 {
        self.lives.seen().unwrap_or(0)
    }

    pub(super) fn sent_key(&self, hash: &Digest) -> Option<PaymentKey> {
        let range = IndexPlace::SentHash(*hash, KEY_FIRST)..=IndexPlace::SentHash(*hash, KEY_LAST);

        self.sent_at(range).first().copied()
    }

    pub(super) fn sent_at(&self, range: RangeInclusive<IndexPlace>) -> Vec<PaymentKey> {
        let places = self.index.first(range, usize::MAX);

        places
            .into_iter()
            .filter_map(|place| match place.payment()? {
                PaymentRef::Sent(key) => Some(key),
                PaymentRef::Received(_) => None,
            })
            .collect()
    }

    fn received_at(
        &self,
        range: RangeInclusive<IndexPlace>,
        limit: usize,
    ) -> impl Iterator<Item = (Digest, Arc<Incoming>)> {
        let places = self.index.first(range, limit);

        places
            .into_iter()
            .filter_map(|place| match place.payment()? {
                PaymentRef::Received(hash) => Some((hash, self.index.received(&hash)?)),
                PaymentRef::Sent(_) => None,
            })
    }
}

const HASH_FIRST: Digest = Digest([0; 32]);
const HASH_LAST: Digest = Digest([u8::MAX; 32]);

/// The life before this one; `None` before the first.
const fn before(life: u32) -> Option<u32> {
    life.checked_sub(1)
}
