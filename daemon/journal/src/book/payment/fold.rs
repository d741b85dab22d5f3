//! What facts change of payments.

use std::sync::Arc;

use ops_proto::certificate::Certificate;
use ops_proto::contract::TaRefused;
use ops_proto::message::{BatchAnswer, ItemOutcome, ReceivedPayment};
use ops_proto::statement::Statement;
use ops_proto::{Digest, PaymentPair, Signed, Time};

use super::{Incoming, Outgoing, PaymentKey};
use crate::book::Book;
use crate::fact::PayIntent;

impl Book {
    pub(in crate::book) fn fold_pay_intent(&mut self, intent: &PayIntent, at: Time) -> Option<()> {
        let key = PaymentKey::of(intent.request.body());
        let Some(held) = self.shelf.sent(&key) else {
            self.remember_provider(&intent.payee_provider);
            let payment = Outgoing {
                memo: intent.memo.as_str().to_owned(),
                approved_by: intent.approved_by,
                found: Some(intent.found.clone()),
                ..Outgoing::unsigned(&intent.request, &intent.payee_provider, at)
            };
            self.shelf.put_sent(key, payment);
            return Some(());
        };
        // approved again after the TA refused, or again before it answered: the same request only
        if held.request != intent.request {
            return None;
        }
        if held.pair.is_none() {
            let mut payment = Arc::unwrap_or_clone(held);
            payment.abandoned = None;
            payment.approved_by = intent.approved_by;
            intent.memo.as_str().clone_into(&mut payment.memo);
            payment.found = Some(intent.found.clone());
            payment.at = at;
            self.shelf.put_sent(key, payment);
        }

        Some(())
    }

    pub(in crate::book) fn fold_pay_abandoned(
        &mut self,
        key: PaymentKey,
        refused: Option<TaRefused>,
    ) -> Option<()> {
        let mut payment = Arc::unwrap_or_clone(self.shelf.sent(&key)?);
        if payment.pair.is_some() {
            return None;
        }
        payment.abandoned = Some(refused);
        self.shelf.put_sent(key, payment);

        Some(())
    }

    pub(in crate::book) fn fold_payment_signed(
        &mut self,
        pair: &PaymentPair,
        payee_provider: &Signed<Certificate>,
        at: Time,
    ) -> Option<()> {
        self.remember_provider(payee_provider);
        let key = PaymentKey::of(pair.request.body());
        let mut payment = self.shelf.sent(&key).map_or_else(
            || Outgoing::unsigned(&pair.request, payee_provider, at),
            Arc::unwrap_or_clone,
        );
        if let Some(held) = &payment.pair {
            return (held == pair).then_some(());
        }
        if payment.request != pair.request {
            // what the TA signed is what was paid, whatever was intended
            payment.request = pair.request.clone();
            payment.payee_provider = payee_provider.clone();
            payment.memo = String::new();
            payment.found = None;
        }
        payment.pair = Some(pair.clone());
        self.shelf.put_sent(key, payment);
        self.status.stated(Statement::Payment(pair.clone()));

        Some(())
    }

    pub(in crate::book) fn fold_receipt_received(
        &mut self,
        receipt: &Signed<ReceivedPayment>,
        at: Time,
    ) -> Option<()> {
        self.change_sent(receipt.body().payment, |payment| {
            if payment.receipt.is_none() {
                payment.receipt = Some((receipt.clone(), at));
            }
        })
    }

    pub(in crate::book) fn fold_held(&mut self, payment: Digest) -> Option<()> {
        self.change_sent(payment, |payment| payment.held = true)
    }

    pub(in crate::book) fn fold_payment_received(
        &mut self,
        pair: &PaymentPair,
        sender_provider: &Signed<Certificate>,
        at: Time,
    ) {
        self.remember_provider(sender_provider);
        let hash = pair.hash();
        let body = pair.payment.body();
        let (payee, request_id) = (body.receiver.key, body.request_id);
        if self.shelf.received(&hash).is_none() {
            let payment = Incoming {
                pair: pair.clone(),
                sender_provider: sender_provider.clone(),
                at,
                receipt: None,
                collect_refused: None,
                report: None,
                reported_in: 0,
                claim: None,
                claimed_in: 0,
            };
            self.shelf.put_received(hash, payment);
        }
        self.request_paid(&payee, request_id, hash);
    }

    pub(in crate::book) fn fold_collected(
        &mut self,
        hash: Digest,
        receipt: &Signed<ReceivedPayment>,
    ) -> Option<()> {
        let mut payment = Arc::unwrap_or_clone(self.shelf.received(&hash)?);
        if let Some(held) = &payment.receipt {
            return (held == receipt).then_some(());
        }
        payment.receipt = Some(receipt.clone());
        self.shelf.put_received(hash, payment);

        Some(())
    }

    pub(in crate::book) fn fold_collect_refused(
        &mut self,
        payment: Digest,
        refused: TaRefused,
    ) -> Option<()> {
        self.change_received(payment, |payment| payment.collect_refused = Some(refused))
    }

    /// A device may be both ends of a payment (client and TA of one owner): the answer is both's.
    pub(in crate::book) fn fold_reported(
        &mut self,
        payment: Digest,
        outcome: ItemOutcome,
    ) -> Option<()> {
        let life = self.life();
        let came = self.change_received(payment, |payment| {
            payment.report = Some(outcome);
            payment.reported_in = life;
        });
        let left = self.change_sent(payment, |payment| {
            payment.report = Some(outcome);
            payment.reported_in = life;
        });

        came.or(left)
    }

    pub(in crate::book) fn fold_claimed(
        &mut self,
        payment: Digest,
        outcome: ItemOutcome,
    ) -> Option<()> {
        let life = self.life();
        self.change_received(payment, |payment| {
            payment.claim = Some(outcome);
            payment.claimed_in = life;
        })
    }

    pub(in crate::book) fn fold_handed_in(
        &mut self,
        payment: Digest,
        outcome: ItemOutcome,
    ) -> Option<()> {
        let life = self.life();
        self.change_sent(payment, |payment| payment.handed_in = Some((life, outcome)))
    }

    pub(in crate::book) fn fold_settled(&mut self, answer: &Signed<BatchAnswer>) {
        self.stamped(answer.body().stamp);
        let shared = Arc::new(answer.clone());
        for (payment, _) in answer.body().items.iter() {
            self.shelf.put_settlement(*payment, Arc::clone(&shared));
        }
    }

    fn change_sent(&mut self, hash: Digest, change: impl FnOnce(&mut Outgoing)) -> Option<()> {
        let key = self.sent_key(&hash)?;
        let mut payment = Arc::unwrap_or_clone(self.shelf.sent(&key)?);
        change(&mut payment);
        self.shelf.put_sent(key, payment);

        Some(())
    }

    fn change_received(&mut self, hash: Digest, change: impl FnOnce(&mut Incoming)) -> Option<()> {
        let mut payment = Arc::unwrap_or_clone(self.shelf.received(&hash)?);
        change(&mut payment);
        self.shelf.put_received(hash, payment);

        Some(())
    }
}
