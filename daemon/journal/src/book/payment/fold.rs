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
        if let Some(held) = self.outgoing.get_mut(&key) {
            // approved again after the TA refused, or again before it answered: the same request only
            if held.request != intent.request {
                return None;
            }
            if held.pair.is_none() {
                held.abandoned = None;
                held.approved_by = intent.approved_by;
                held.memo = intent.memo.as_str().to_owned();
                held.found = Some(intent.found.clone());
                held.at = at;
            }
            return Some(());
        }
        self.remember_provider(&intent.payee_provider);
        let _none = self.outgoing.insert(
            key,
            Outgoing {
                memo: intent.memo.as_str().to_owned(),
                approved_by: intent.approved_by,
                found: Some(intent.found.clone()),
                ..Outgoing::unsigned(&intent.request, &intent.payee_provider, at)
            },
        );

        Some(())
    }

    pub(in crate::book) fn fold_pay_abandoned(
        &mut self,
        key: PaymentKey,
        refused: Option<TaRefused>,
    ) -> Option<()> {
        let payment = self.outgoing.get_mut(&key)?;
        if payment.pair.is_some() {
            return None;
        }
        payment.abandoned = Some(refused);

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
        let payment = self
            .outgoing
            .entry(key)
            .or_insert_with(|| Outgoing::unsigned(&pair.request, payee_provider, at));
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
        let _none = self.outgoing_by_hash.insert(pair.hash(), key);
        self.status.stated(Statement::Payment(pair.clone()));

        Some(())
    }

    pub(in crate::book) fn fold_receipt_received(
        &mut self,
        receipt: &Signed<ReceivedPayment>,
        at: Time,
    ) -> Option<()> {
        let payment = self.outgoing_mut(receipt.body().payment)?;
        if payment.receipt.is_none() {
            payment.receipt = Some((receipt.clone(), at));
        }

        Some(())
    }

    pub(in crate::book) fn fold_held(&mut self, payment: Digest) -> Option<()> {
        self.outgoing_mut(payment)?.held = true;

        Some(())
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
        let _held = self.incoming.entry(hash).or_insert_with(|| Incoming {
            pair: pair.clone(),
            sender_provider: sender_provider.clone(),
            at,
            receipt: None,
            collect_refused: None,
            report: None,
            reported_in: 0,
            claim: None,
            claimed_in: 0,
        });
        self.request_paid(&payee, request_id, hash);
    }

    pub(in crate::book) fn fold_collected(
        &mut self,
        payment: Digest,
        receipt: &Signed<ReceivedPayment>,
    ) -> Option<()> {
        let incoming = self.incoming.get_mut(&payment)?;
        if let Some(held) = &incoming.receipt {
            return (held == receipt).then_some(());
        }
        incoming.receipt = Some(receipt.clone());

        Some(())
    }

    pub(in crate::book) fn fold_collect_refused(
        &mut self,
        payment: Digest,
        refused: TaRefused,
    ) -> Option<()> {
        self.incoming.get_mut(&payment)?.collect_refused = Some(refused);

        Some(())
    }

    /// A device may be both ends of a payment (client and TA of one owner): the answer is both's.
    pub(in crate::book) fn fold_reported(
        &mut self,
        payment: Digest,
        outcome: ItemOutcome,
    ) -> Option<()> {
        let life = self.life();
        let mut known = None;
        if let Some(incoming) = self.incoming.get_mut(&payment) {
            incoming.report = Some(outcome);
            incoming.reported_in = life;
            known = Some(());
        }
        if let Some(outgoing) = self.outgoing_mut(payment) {
            outgoing.report = Some(outcome);
            outgoing.reported_in = life;
            known = Some(());
        }

        known
    }

    pub(in crate::book) fn fold_claimed(
        &mut self,
        payment: Digest,
        outcome: ItemOutcome,
    ) -> Option<()> {
        let life = self.life();
        let incoming = self.incoming.get_mut(&payment)?;
        incoming.claim = Some(outcome);
        incoming.claimed_in = life;

        Some(())
    }

    pub(in crate::book) fn fold_handed_in(
        &mut self,
        payment: Digest,
        outcome: ItemOutcome,
    ) -> Option<()> {
        let life = self.life();
        self.outgoing_mut(payment)?.handed_in = Some((life, outcome));

        Some(())
    }

    pub(in crate::book) fn fold_settled(&mut self, answer: &Signed<BatchAnswer>) {
        self.stamped(answer.body().stamp);
        let shared = Arc::new(answer.clone());
        for (payment, _) in answer.body().items.iter() {
            let _before = self.settlements.insert(*payment, Arc::clone(&shared));
        }
    }

    fn outgoing_mut(&mut self, payment: Digest) -> Option<&mut Outgoing> {
        let key = self.outgoing_by_hash.get(&payment)?;

        self.outgoing.get_mut(key)
    }
}
