//! C3: the j of a payer's TA stands for one payment: the same bytes wherever it is, one debit, and at most
//! one place where it is credited, the payee's TA or the online account.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use journal::book::TaEnd;
use ops_proto::PaymentPair;
use ops_proto::certificate::Kind;
use ops_proto::message::{ItemOutcome, SettlementState};
use ops_proto::signed::encode;

use super::seen::{self, Seen};
use super::{Check, When};
use crate::fault::Fault;
use crate::town::Town;

pub(super) const CHECK: Check = Check {
    name: "C3",
    when: When::Step,
    look: |town| {
        let mut faults = two_contents(&seen::on_devices(town));
        faults.extend(of_another_request(town));
        faults.extend(two_credits(town));

        async move { Ok(faults) }.boxed_local()
    },
};

/// The same at rest, over what the server was sent too.
pub(super) const AT_REST: Check = Check {
    name: "C3",
    when: When::Rest,
    look: |town| {
        let mut seen = seen::on_devices(town);
        seen.extend(seen::at_server(town));
        let mut faults = two_contents(&seen);
        faults.extend(two_credits(town));

        async move { Ok(faults) }.boxed_local()
    },
};

/// One j with two contents.
fn two_contents(seen: &[Seen]) -> Vec<Fault> {
    let mut first = BTreeMap::new();
    let mut faults = Vec::new();
    for Seen { place, pair } in seen {
        let key = (pair.sender_key(), pair.payment.body().position.j);
        let (before, bytes) = first
            .entry(key)
            .or_insert_with(|| (place, encode(&pair.payment)));
        if *bytes != encode(&pair.payment) {
            let text = format!("j = {} at {before} and at {place}", key.1);
            faults.push(Fault::new("C3", "one j for two payments", text));
        }
    }

    faults
}

/// A payment that a payer keeps for a request which it does not answer.
fn of_another_request(town: &Town) -> Vec<Fault> {
    let fits = |pair: &PaymentPair| {
        let (payment, request) = (pair.payment.body(), pair.request.body());
        payment.request_hash == pair.request.hash()
            && payment.request_id == request.request_id
            && payment.amount == request.amount
            && payment.receiver.key == request.payee.body().subject
    };
    let seen = seen::on_devices(town);
    let strange = seen.iter().filter(|it| !fits(&it.pair));

    strange
        .map(|it| {
            let text = format!("{}: {}", it.place, it.pair.hash());
            Fault::new("C3", "a payment of another request", text)
        })
        .collect()
}

/// A payment that the payee's TA collected, and the server says it credited online.
fn two_credits(town: &Town) -> Vec<Fault> {
    const CREDITED: Option<ItemOutcome> = Some(ItemOutcome::Held(SettlementState::Credited));
    let mut collected = BTreeMap::new();
    let mut credited = Vec::new();
    for person in &town.people {
        let Some(device) = person.device() else {
            continue;
        };
        device.wallet.journal().view(|book| {
            for (payment, it) in book.incoming() {
                let receiver = it.pair.payment.body().receiver;
                // what a dead TA had collected is paid out online
                let is_dead = book.ended().iter().any(|ended| {
                    ended.key == receiver.key && matches!(ended.end, TaEnd::Dead { .. })
                });
                let has_it = receiver.kind == Kind::Ta && !is_dead;
                if has_it && it.receipt.is_some() {
                    let _only = collected.insert(payment, person.name);
                }
                if it.report == CREDITED || it.claim == CREDITED {
                    credited.push(payment);
                }
            }
            for (_, it) in book.outgoing() {
                let handed_in = it.handed_in.map(|(_, outcome)| outcome);
                let is_credited = it.report == CREDITED || handed_in == CREDITED;
                credited.extend(
                    it.pair
                        .iter()
                        .filter(|_| is_credited)
                        .map(PaymentPair::hash),
                );
            }
        });
    }
    let twice = credited
        .iter()
        .filter_map(|payment| Some((payment, collected.get(payment)?)));

    twice
        .map(|(payment, payee)| {
            let text = format!("{payment}, by {payee}'s TA and online");
            Fault::new("C3", "one payment is credited twice", text)
        })
        .collect()
}
