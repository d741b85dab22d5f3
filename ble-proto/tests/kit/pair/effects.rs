//! What the two machines want done: disks, applications and the person do it.

use ble_proto::durable::RecordNumber;
use ble_proto::payment::payee::{PayeeEffect, PayeeRecord};
use ble_proto::payment::payer::{Approval, Offered, Payer, PayerEffect, PayerRecord};
use ops_proto::message::{Payment, ReceivedPayment, RequestPayment};
use ops_proto::{Digest, Signed};

use super::{Direction, Event, Pair, Person};

impl Pair {
    pub(super) fn do_payee(&mut self, effect: PayeeEffect) {
        self.payee_log.push(effect.clone());
        match effect {
            PayeeEffect::Transmit { link, frame } if self.link == Some(link) => {
                self.fly(Direction::ToPayer, link, frame);
            }
            PayeeEffect::Disconnect { link } if self.link == Some(link) => {
                self.link = None;
                // what was notified before still arrives
                self.push(self.air.delay_ms + 1, Event::PayerHearsDown(link));
            }
            PayeeEffect::Append { number, record } => {
                if let PayeeRecord::PaymentReceived { pair } = &record {
                    assert!(
                        self.signed_pairs().any(|signed| signed == &**pair),
                        "a payment leaves only after its record is on disk"
                    );
                }
                self.payee_written.push((number, record));
                self.push(self.air.disk_ms, Event::PayeeSynced(number));
            }
            PayeeEffect::Credit { credit, pair } => {
                let payment = pair.hash();
                assert!(
                    self.is_on_payee_disk(|record| matches!(record, PayeeRecord::PaymentReceived { pair } if pair.hash() == payment)),
                    "a payment is credited only after its record is on disk"
                );
                let receipt = self.credit(payment);
                self.push(self.air.ta_ms, Event::Credited(credit, receipt));
            }
            PayeeEffect::ShowCode { code, .. } => self.payee_codes.push(code),
            PayeeEffect::GossipAsked { link, held } => {
                self.payee_asked.push(*held);
                let (items, own) = (self.payee_passes_on.clone(), self.payee_holding.clone());
                self.payee.handle_gossip_answer(link, items, own, self.now);
            }
            PayeeEffect::GossipHeard { link, item } => {
                self.payee_heard.push(item);
                if self.refuses_gossip {
                    self.payee.handle_gossip_refused(link);
                }
            }
            _ => {}
        }
    }

    pub(super) fn credit(&mut self, payment: Digest) -> Option<Signed<ReceivedPayment>> {
        if self.credit_refused || self.never_credit == Some(payment) {
            return None;
        }
        let receipt = self.world.receipt(payment);
        Some(self.credits.entry(payment).or_insert(receipt).clone())
    }

    pub(super) fn do_payer(&mut self, effect: PayerEffect) {
        match effect {
            PayerEffect::Transmit(frame) => {
                if let Some(link) = self.link {
                    self.fly(Direction::ToPayee, link, frame);
                }
            }
            PayerEffect::Offer(offer) => self.choose(*offer),
            PayerEffect::ShowCode(code) => self.payer_codes.push(code),
            PayerEffect::Locked(memo) => self.decide(memo.as_str()),
            PayerEffect::Append { number, record } => self.append_payer(number, record),
            PayerEffect::InvokePay { request, .. } => {
                let payment = self.debit(&request);
                self.push(self.air.ta_ms, Event::Paid(payment));
            }
            PayerEffect::ResumeNotSettled { payment } => self.not_settled.push(payment),
            PayerEffect::Disconnect => {
                if let Some(id) = self.link.take() {
                    self.push(self.air.delay_ms + 1, Event::PayeeHearsDown(id));
                }
            }
            PayerEffect::ReceiptHeld { .. } => {
                self.receipt_at = Some((self.now, self.frames.len()));
                self.air = self.air_after_receipt.unwrap_or(self.air);
            }
            PayerEffect::GossipAsked { .. } => {
                let (items, now) = (self.payer_passes_on.clone(), self.now);
                self.with_payer(|payer, _| payer.handle_gossip_answer(items, now));
            }
            PayerEffect::GossipHeard { item } => {
                self.payer_heard.push(item);
                if self.refuses_gossip {
                    self.with_payer(|payer, _| payer.handle_gossip_refused());
                }
            }
            PayerEffect::Done(outcome) => {
                self.ended_at = Some(self.now);
                self.outcomes.push(outcome);
            }
        }
    }

    pub(super) fn append_payer(&mut self, number: RecordNumber, record: PayerRecord) {
        if let PayerRecord::ReceiptReceived { payment, .. } = &record {
            assert!(
                self.is_on_payee_disk(|record| matches!(record, PayeeRecord::ReceiptSigned { payment: receipted, .. } if receipted == payment)),
                "a receipt leaves only after its record is on disk"
            );
            assert!(
                self.credits.contains_key(payment),
                "a receipt means credited"
            );
        }
        self.payer_written.push((number, record));
        self.push(self.air.disk_ms, Event::PayerSynced(number));
    }

    pub(super) fn is_on_payee_disk(&self, matches: impl Fn(&PayeeRecord) -> bool) -> bool {
        self.payee_disk.iter().any(matches)
    }

    pub(super) fn debit(&mut self, request: &Signed<RequestPayment>) -> Option<Signed<Payment>> {
        assert!(
            self.payer_disk.iter().any(|record| matches!(record, PayerRecord::Intent { request: intent, .. } if **intent == *request)),
            "the TA is asked only after the intent is on disk"
        );
        assert!(
            !self.debits.contains_key(&request.body().request_id),
            "a request is paid once"
        );
        if self.ta_refuses {
            return None;
        }
        let j = 1 + u64::try_from(self.debits.len()).expect("few");
        let payment = self
            .crooked_payment
            .clone()
            .unwrap_or_else(|| self.world.pay(request, &self.sender.leaf, j));
        self.debits
            .insert(request.body().request_id, payment.clone());
        Some(payment)
    }

    pub(super) fn choose(&mut self, offer: Offered) {
        let now = self.now;
        let approval = self.approval(&offer);
        let (person, is_paying) = (
            self.person,
            !self.payer.as_ref().is_none_or(Payer::is_ended),
        );
        self.offers.push(offer);
        if !is_paying {
            return;
        }
        self.with_payer(|payer, reveals| payer.handle_chosen(reveals, now));
        if let Person::Approves = person {
            self.push(self.air.delay_ms / 2, Event::Approve(approval));
        }
    }

    pub(super) fn decide(&mut self, memo: &str) {
        assert_eq!(memo, crate::kit::MEMO);
        let Some(offer) = self.offers.last() else {
            return;
        };
        let mut approval = self.approval(offer);
        match self.person {
            Person::ApprovesAfter(ms) => self.push(ms, Event::Approve(approval)),
            Person::Misreads(amount) => {
                approval.amount = amount;
                self.push(1, Event::Approve(approval));
            }
            Person::Declines => self.with_payer(|payer, _| payer.handle_declined()),
            Person::Approves | Person::Ponders => {}
        }
    }

    pub(super) fn approval(&self, offer: &Offered) -> Approval {
        Approval {
            payee: offer.payee,
            request: offer.request_id,
            amount: offer.amount,
            by: self.approver,
        }
    }
}
