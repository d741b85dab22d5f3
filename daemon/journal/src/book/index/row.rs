//! A payment or request as a row: what facts changed of it, and the numbers of the facts that it is made of. What decides on
//! money is read from the facts themselves.

use ops_proto::contract::TaRefused;
use ops_proto::message::ItemOutcome;
use ops_proto::{Digest, Time};
use serde::{Deserialize, Serialize};

use crate::book::payment::{Incoming, Outgoing, PaymentKey, ReceivedFacts, SentFacts, ServerWord};
use crate::book::request::{Request, RequestFacts, RequestShown};
use crate::entry::{Recorded, Seq};
use crate::fact::{ApprovedBy, Fact};

/// Reads facts by number.
pub(super) trait Facts {
    /// Returns a fact; `None` when there is none that can be read.
    fn fact(&self, seq: Seq) -> Option<Recorded>;
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SentRow {
    facts: SentFacts,
    at: Time,
    approved_by: ApprovedBy,
    held: bool,
    abandoned: Option<Option<TaRefused>>,
    report: Option<ItemOutcome>,
    reported_in: u32,
    handed_in: Option<(u32, ItemOutcome)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReceivedRow {
    facts: ReceivedFacts,
    collect_refused: Option<TaRefused>,
    report: Option<ItemOutcome>,
    reported_in: u32,
    claim: Option<ItemOutcome>,
    claimed_in: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RequestRow {
    facts: RequestFacts,
    shown: RequestShown,
    payments: Vec<Digest>,
    is_closed: bool,
}

impl SentRow {
    pub(super) const fn of(payment: &Outgoing) -> Self {
        Self {
            facts: payment.facts,
            at: payment.at,
            approved_by: payment.approved_by,
            held: payment.held,
            abandoned: payment.abandoned,
            report: payment.report,
            reported_in: payment.reported_in,
            handed_in: payment.handed_in,
        }
    }

    /// Puts the payment together; `None` when a fact is not what the row says.
    pub(super) fn payment(self, key: &PaymentKey, facts: &impl Facts) -> Option<Outgoing> {
        let order = facts.fact(self.facts.order)?.fact;
        let mut payment = if let Fact::PayIntent(intent) = order {
            Outgoing {
                memo: intent.memo.as_str().to_owned(),
                found: Some(intent.found.clone()),
                ..Outgoing::unsigned(&intent.request, &intent.payee_provider, self.at, self.facts)
            }
        } else if let Fact::PaymentSigned {
            pair,
            payee_provider,
        } = order
        {
            Outgoing::unsigned(&pair.request, &payee_provider, self.at, self.facts)
        } else {
            return None;
        };
        if let Some(signed) = self.facts.signed {
            let Fact::PaymentSigned { pair, .. } = facts.fact(signed)?.fact else {
                return None;
            };
            payment.pair = Some(*pair).filter(|pair| pair.request == payment.request);
            payment.pair.as_ref()?;
        }
        if let Some(receipt) = self.facts.receipt {
            let recorded = facts.fact(receipt)?;
            let Fact::ReceiptReceived(receipt) = recorded.fact else {
                return None;
            };
            let hash = payment.pair.as_ref()?.hash();
            payment.receipt =
                Some((receipt, recorded.at)).filter(|(receipt, _)| receipt.body().payment == hash);
            payment.receipt.as_ref()?;
        }

        (PaymentKey::of(payment.request.body()) == *key).then_some(Outgoing {
            approved_by: self.approved_by,
            held: self.held,
            abandoned: self.abandoned,
            report: self.report,
            reported_in: self.reported_in,
            handed_in: self.handed_in,
            ..payment
        })
    }
}

impl ReceivedRow {
    pub(super) const fn of(payment: &Incoming) -> Self {
        Self {
            facts: payment.facts,
            collect_refused: payment.collect_refused,
            report: payment.report,
            reported_in: payment.reported_in,
            claim: payment.claim,
            claimed_in: payment.claimed_in,
        }
    }

    /// As [`SentRow::payment`].
    pub(super) fn payment(self, hash: &Digest, facts: &impl Facts) -> Option<Incoming> {
        let recorded = facts.fact(self.facts.received)?;
        let Fact::PaymentReceived {
            pair,
            sender_provider,
        } = recorded.fact
        else {
            return None;
        };
        let receipt = match self.facts.receipt {
            None => None,
            Some(seq) => {
                let Fact::Collected { payment, receipt } = facts.fact(seq)?.fact else {
                    return None;
                };
                Some(receipt).filter(|_| payment == *hash)?.into()
            }
        };

        (pair.hash() == *hash).then_some(Incoming {
            pair: *pair,
            sender_provider,
            at: recorded.at,
            receipt,
            collect_refused: self.collect_refused,
            report: self.report,
            reported_in: self.reported_in,
            claim: self.claim,
            claimed_in: self.claimed_in,
            facts: self.facts,
        })
    }
}

impl RequestRow {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            facts: request.facts,
            shown: request.shown,
            payments: request.payments.clone(),
            is_closed: request.is_closed,
        }
    }

    /// As [`SentRow::payment`].
    pub(super) fn request(self, facts: &impl Facts) -> Option<Request> {
        let recorded = facts.fact(self.facts.intent)?;
        let Fact::RequestIntent(intent) = recorded.fact else {
            return None;
        };
        let issued = match self.facts.issued {
            None => None,
            Some(seq) => {
                let Fact::RequestIssued { command, request } = facts.fact(seq)?.fact else {
                    return None;
                };
                Some(request).filter(|_| command == intent.command)?.into()
            }
        };

        Some(Request {
            intent: *intent,
            at: recorded.at,
            issued,
            shown: self.shown,
            payments: self.payments,
            is_closed: self.is_closed,
            facts: self.facts,
        })
    }
}

/// Reads the server's word from its fact; `None` when the fact is another.
pub(super) fn server_word(fact: Seq, facts: &impl Facts) -> Option<ServerWord> {
    let Fact::Settled(answer) = facts.fact(fact)?.fact else {
        return None;
    };

    Some(ServerWord {
        answer: *answer,
        fact,
    })
}
