//! Payments on their way: journal, credit, journal, receipt. The link may go; they go on.

use std::collections::BTreeMap;

use ops_proto::certificate::Certificate;
use ops_proto::message::ReceivedPayment;
use ops_proto::{Digest, PaymentPair, Signed};

use super::effect::{CreditAnswer, CreditId, LinkId, PayeeEffect, PayeeRecord};
use crate::durable::{Durable, Pending, RecordNumber, Sequence};
use crate::limits::{COLLECTIONS_MAX, LINKS_MAX};
use crate::message::Message;

/// All payments under way, each once however often it comes.
#[derive(Debug)]
pub(super) struct Collections {
    open: BTreeMap<CreditId, Collection>,
    last: u64,
}

/// A payment that was answered: what to say, and to whom.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) links: Vec<LinkId>,
    pub(super) message: Message,
    pub(super) request: Digest,
    pub(super) payment: Digest,
}

#[derive(Debug)]
struct Collection {
    payment: Digest,
    sender_provider: Signed<Certificate>,
    request: Digest,
    links: Vec<LinkId>,
    state: CollectionState,
}

#[derive(Debug)]
enum CollectionState {
    ExpectPaymentDurable(Pending<PaymentPair>),
    ExpectCredit(PaymentPair),
    ExpectReceiptDurable(Pending<Signed<ReceivedPayment>>),
    Answered,
}

/// There are as many payments under way as may be; the payer comes again.
#[derive(Debug)]
pub(super) struct Full;

impl Collections {
    pub(super) const fn new() -> Self {
        Self {
            open: BTreeMap::new(),
            last: 0,
        }
    }

    /// Takes a payment that `PayVerify` accepted; the answer will go to this link.
    pub(super) fn begin(
        &mut self,
        (pair, sender_provider): (PaymentPair, &Signed<Certificate>),
        link: LinkId,
        sequence: &mut Sequence,
        effects: &mut impl Extend<PayeeEffect>,
    ) -> Result<(), Full> {
        let payment = pair.hash();
        if let Some(same) = self.open.values_mut().find(|open| open.payment == payment) {
            if same.links.len() >= LINKS_MAX {
                return Err(Full);
            }
            same.links.push(link);
            return Ok(());
        }
        if self.open.len() >= COLLECTIONS_MAX {
            return Err(Full);
        }
        self.last = self.last.saturating_add(1);
        let record = PayeeRecord::PaymentReceived {
            pair: Box::new(pair.clone()),
        };
        let request = pair.request.hash();
        let (number, pending) = sequence.append(pair);
        effects.extend([PayeeEffect::Append { number, record }]);
        let collection = Collection {
            payment,
            sender_provider: sender_provider.clone(),
            request,
            links: vec![link],
            state: CollectionState::ExpectPaymentDurable(pending),
        };
        self.open.insert(CreditId(self.last), collection);

        Ok(())
    }

    /// Asks for the credit of what is on disk, and returns what can be answered.
    pub(super) fn handle_synced(
        &mut self,
        synced_up_to: RecordNumber,
        effects: &mut impl Extend<PayeeEffect>,
    ) -> Vec<Answered> {
        let mut answered = Vec::new();
        for (credit, collection) in &mut self.open {
            let state = std::mem::replace(&mut collection.state, CollectionState::Answered);
            collection.state = match state {
                CollectionState::ExpectPaymentDurable(pending) => {
                    match pending.synced(synced_up_to) {
                        Ok(durable) => {
                            let (effect, pair) = credit_effect(*credit, durable);
                            effects.extend([effect]);
                            CollectionState::ExpectCredit(pair)
                        }
                        Err(pending) => CollectionState::ExpectPaymentDurable(pending),
                    }
                }
                CollectionState::ExpectReceiptDurable(pending) => {
                    match pending.synced(synced_up_to) {
                        Ok(durable) => {
                            answered.push(collection.answer(flight_six(durable)));
                            CollectionState::Answered
                        }
                        Err(pending) => CollectionState::ExpectReceiptDurable(pending),
                    }
                }
                CollectionState::ExpectCredit(pair) => CollectionState::ExpectCredit(pair),
                CollectionState::Answered => CollectionState::Answered,
            };
        }
        self.open
            .retain(|_, collection| !matches!(collection.state, CollectionState::Answered));

        answered
    }

    /// Takes the credit's answer; `Held` can be said at once.
    pub(super) fn handle_credited(
        &mut self,
        credit: CreditId,
        answer: CreditAnswer,
        sequence: &mut Sequence,
        effects: &mut impl Extend<PayeeEffect>,
    ) -> Option<Answered> {
        let collection = self.open.get_mut(&credit)?;
        let CollectionState::ExpectCredit(pair) = &collection.state else {
            return None;
        };
        let verified = answer.ok().filter(|receipt| {
            // a receipt that a third party would refuse does not count
            ops_proto::message::receipt::verify_receipt(receipt, &pair.payment).is_ok()
        });
        let Some(receipt) = verified else {
            let answered = collection.answer(Message::Held);
            self.open.remove(&credit);
            return Some(answered);
        };
        let record = PayeeRecord::ReceiptSigned {
            payment: collection.payment,
            receipt: Box::new(receipt.clone()),
        };
        let (number, pending) = sequence.append(receipt);
        effects.extend([PayeeEffect::Append { number, record }]);
        collection.state = CollectionState::ExpectReceiptDurable(pending);

        None
    }

    /// Returns the certificate under which a payment under way was verified.
    pub(super) fn sender_provider(&self, payment: &Digest) -> Option<&Signed<Certificate>> {
        self.open
            .values()
            .find(|open| open.payment == *payment)
            .map(|open| &open.sender_provider)
    }

    /// Returns the hashes of the requests whose payments are under way.
    pub(super) fn requests(&self) -> impl Iterator<Item = Digest> {
        self.open.values().map(|collection| collection.request)
    }

    /// Forgets who waits; the payment goes on without.
    pub(super) fn handle_link_down(&mut self, link: LinkId) {
        for collection in self.open.values_mut() {
            collection.links.retain(|waiting| *waiting != link);
        }
    }
}

impl Collection {
    fn answer(&self, message: Message) -> Answered {
        Answered {
            links: self.links.clone(),
            message,
            request: self.request,
            payment: self.payment,
        }
    }
}

/// The one place that asks for a credit: only for a payment that is on disk.
fn credit_effect(credit: CreditId, durable: Durable<PaymentPair>) -> (PayeeEffect, PaymentPair) {
    let pair = durable.into_inner();
    let effect = PayeeEffect::Credit {
        credit,
        pair: Box::new(pair.clone()),
    };

    (effect, pair)
}

/// Flight ⑥: only a receipt that is on disk leaves.
fn flight_six(durable: Durable<Signed<ReceivedPayment>>) -> Message {
    Message::Received(Box::new(durable.into_inner()))
}
