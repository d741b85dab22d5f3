//! C4: a payer pays a request once, and a request that is paid is not shown as open.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt as _;
use journal::book::RequestShown;

use super::seen;
use super::{Check, When};
use crate::fault::Fault;
use crate::person::{Device, Person};
use crate::town::Town;

pub(super) const CHECK: Check = Check {
    name: "C4",
    when: When::Step,
    look: |town| {
        let mut faults = paid_twice(town);
        for person in &town.people {
            if let Some(device) = person.device() {
                faults.extend(paid_and_open(person, &device));
            }
        }

        async move { Ok(faults) }.boxed_local()
    },
};

/// Two payments of one payer for one request.
fn paid_twice(town: &Town) -> Vec<Fault> {
    let mut payments: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for it in seen::on_devices(town) {
        let payment = it.pair.payment.body();
        let request = (
            it.pair.sender_key(),
            payment.receiver.key,
            payment.request_id,
        );
        let _new = payments.entry(request).or_default().insert(it.pair.hash());
    }
    let twice = payments.iter().filter(|(_, payments)| payments.len() > 1);

    twice
        .map(|((_, _, id), payments)| {
            let text = format!("request {id:?}: {payments:?}");
            Fault::new("C4", "one payer paid one request twice", text)
        })
        .collect()
}

/// A request for which a payment came and that is shown as open all the same.
fn paid_and_open(person: &Person, device: &Device) -> Vec<Fault> {
    device.wallet.journal().view(|book| {
        let paid: BTreeSet<_> = book
            .incoming()
            .map(|(_, it)| {
                let payment = it.pair.payment.body();
                (payment.receiver.key, payment.request_id)
            })
            .collect();
        let open = book
            .requests()
            .filter(|it| it.shown == RequestShown::Open)
            .filter_map(|it| it.key());

        open.filter(|key| paid.contains(key))
            .map(|(_, id)| {
                let text = format!("{}: request {id:?}", person.name);
                Fault::new("C4", "a paid request is open", text)
            })
            .collect()
    })
}
