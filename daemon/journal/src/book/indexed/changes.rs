//! What facts change of payments.

use ops_proto::certificate::Certificate;
use ops_proto::contract::TaRefused;
use ops_proto::message::{BatchAnswer, ItemOutcome, ReceivedPayment};
use ops_proto::statement::Statement;
use ops_proto::{Digest, PaymentPair, Signed, Time};

use crate::book::Book;
use crate::book::payment::{Incoming, Outgoing, PaymentKey, ReceivedFacts, SentFacts, ServerWord};
use crate::entry::Seq;
use crate::fact::PayIntent;

impl Book {
    pub(in crate::book) fn fold_pay_intent(
        &mut self,
        intent: &PayIntent,
        (at, fact): (Time, Seq),
    ) -> Option<()> {
        self.remember_provider(&intent.payee_provider);
        let key = PaymentKey::of(intent.request.body());
        let Some(held) = self.index.sent(&key) else {
            let payment = Outgoing {
                memo: intent.memo.as_str().to_owned(),
                approved_by: intent.approved_by,
                found: Some(intent.found.clone()),
                ..Outgoing::unsigned(
                    &intent.request,
                    &intent.payee_provider,
                    at,
                    SentFacts::ordered(fact),
                )
            };
            self.index.put_sent(key, None, payment);
            return Some(());
        };
        // approved again after the TA refused, or again before it answered: the same request only
        if held.request != intent.request {
            return None;
        }
        if held.pair.is_none() {
            let payment = Outgoing {
                payee_provider: intent.payee_provider.clone(),
                abandoned: None,
                approved_by: intent.approved_by,
                memo: intent.memo.as_str().to_owned(),
                found: Some(intent.found.clone()),
                at,
                facts: SentFacts::ordered(fact),
                ..(*held).clone()
            };
            self.index.put_sent(key, Some(&held), payment);
        }

        Some(())
    }

    pub(in crate::book) fn fold_pay_abandoned(
        &mut self,
        key: PaymentKey,
        refused: Option<TaRefused>,
    ) -> Option<()> {
        let held = self.index.sent(&key)?;
        if held.pair.is_some() {
            return None;
        }
        let payment = Outgoing {
            abandoned: Some(refused),
            ..(*held).clone()
        };
        self.index.put_sent(key, Some(&held), payment);

        Some(())
    }

    pub(in crate::book) fn fold_payment_signed(
        &mut self,
        pair: &PaymentPair,
        payee_provider: &Signed<Certificate>,
        (at, fact): (Time, Seq),
    ) -> Option<()> {
        self.remember_provider(payee_provider);
        let key = PaymentKey::of(pair.request.body());
        let held = self.index.sent(&key);
        let unsigned =
            || Outgoing::unsigned(&pair.request, payee_provider, at, SentFacts::ordered(fact));
        let mut payment = held.as_deref().map_or_else(unsigned, Clone::clone);
        if let Some(held) = &payment.pair {
            // a index that is ahead has it since this very fact
            if payment.facts.signed == Some(fact) {
                self.status.stated(Statement::Payment(pair.clone()));
            }
            return (held == pair).then_some(());
        }
        if payment.request != pair.request {
            // what the TA signed is what was paid, whatever was intended
            payment.request = pair.request.clone();
            payment.payee_provider = payee_provider.clone();
            payment.memo = String::new();
            payment.found = None;
            payment.facts.order = fact;
        }
        payment.pair = Some(pair.clone());
        payment.facts.signed = Some(fact);
        self.index.put_sent(key, held.as_deref(), payment);
        self.status.stated(Statement::Payment(pair.clone()));

        Some(())
    }

    pub(in crate::book) fn fold_receipt_received(
        &mut self,
        receipt: &Signed<ReceivedPayment>,
        (at, fact): (Time, Seq),
    ) -> Option<()> {
        self.change_sent(receipt.body().payment, |payment| {
            if payment.receipt.is_none() {
                payment.receipt = Some((receipt.clone(), at));
                payment.facts.receipt = Some(fact);
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
        (at, fact): (Time, Seq),
    ) {
        self.remember_provider(sender_provider);
        let hash = pair.hash();
        let body = pair.payment.body();
        let (payee, request_id) = (body.receiver.key, body.request_id);
        if self.index.received(&hash).is_none() {
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
                facts: ReceivedFacts {
                    received: fact,
                    receipt: None,
                },
            };
            self.index.put_received(hash, None, payment);
        }
        self.request_paid(&payee, request_id, hash);
    }

    pub(in crate::book) fn fold_collected(
        &mut self,
        hash: Digest,
        receipt: &Signed<ReceivedPayment>,
        fact: Seq,
    ) -> Option<()> {
        let held = self.index.received(&hash)?;
        if let Some(held) = &held.receipt {
            return (held == receipt).then_some(());
        }
        self.change_received(hash, |payment| {
            payment.receipt = Some(receipt.clone());
            payment.facts.receipt = Some(fact);
        })
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

    pub(in crate::book) fn fold_settled(&mut self, answer: &Signed<BatchAnswer>, fact: Seq) {
        self.stamped(answer.body().stamp);
        let settlement = ServerWord {
            answer: answer.clone(),
            fact,
        };
        for (payment, _) in answer.body().items.iter() {
            self.index.put_server_word(*payment, &settlement);
        }
    }

    fn change_sent(&mut self, hash: Digest, change: impl FnOnce(&mut Outgoing)) -> Option<()> {
        let key = self.sent_key(&hash)?;
        let held = self.index.sent(&key)?;
        let mut payment = (*held).clone();
        change(&mut payment);
        self.index.put_sent(key, Some(&held), payment);

        Some(())
    }

    fn change_received(&mut self, hash: Digest, change: impl FnOnce(&mut Incoming)) -> Option<()> {
        let held = self.index.received(&hash)?;
        let mut payment = (*held).clone();
        change(&mut payment);
        self.index.put_received(hash, Some(&held), payment);

        Some(())
    }
}

impl SentFacts {
    /// Of a payment that began with a fact.
    const fn ordered(order: Seq) -> Self {
        Self {
            order,
            signed: None,
            receipt: None,
        }
    }
}
