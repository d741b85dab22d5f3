//! C7: who was paid knows it: a P that a payer signed is in the payee's journal at rest.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use ops_proto::Digest;

use super::{Check, When};
use crate::fault::Fault;
use crate::person::Has;

pub(super) const CHECK: Check = Check {
    name: "C7",
    when: When::Rest,
    look: |town| {
        let mut known: BTreeSet<Digest> = BTreeSet::new();
        for device in town.people.iter().filter_map(|person| person.device()) {
            device.wallet.journal().view(|book| {
                known.extend(book.incoming().map(|(payment, _)| *payment));
            });
        }
        let mut faults = Vec::new();
        for person in &town.people {
            let Some(device) = person.device() else {
                continue;
            };
            device.wallet.journal().view(|book| {
                let signed = book
                    .outgoing()
                    .filter_map(|(_, it)| Some((it, it.pair.as_ref()?)));
                for (outgoing, pair) in signed.filter(|(_, pair)| !known.contains(&pair.hash())) {
                    let payee = outgoing.request.body().payee.body();
                    let to = town.people.iter().find(|it| it.name == payee.name.as_str());
                    let kind = match to.map(|to| to.has) {
                        Some(Has::NoTa) => "without a TA",
                        Some(Has::Ta) | None => "with a TA",
                    };
                    let text = format!("{} to {}, {}", person.name, payee.name, pair.hash());
                    let shape = format!("a payee {kind} does not know that it was paid");
                    faults.push(Fault::new("C7", shape, text));
                }
            });
        }

        async move { Ok(faults) }.boxed_local()
    },
};
