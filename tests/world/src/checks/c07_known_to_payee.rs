//! C7: who was paid knows it: a P that a payer signed is in the payee's journal at rest.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use ops_proto::Digest;
use ops_proto::certificate::Kind;

use super::{Check, When};
use crate::fault::Fault;

pub(super) const CHECK: Check = Check {
    name: "C7",
    when: When::Rest,
    look: |town| {
        let mut known: BTreeSet<Digest> = BTreeSet::new();
        for device in town.people.iter().filter_map(|person| person.device()) {
            device.wallet.journal().view(|book| {
                known.extend(book.incoming().map(|(payment, _)| payment));
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
                    .filter_map(|(_, it)| Some((it.pair.clone()?, it)));
                for (pair, outgoing) in signed.filter(|(pair, _)| !known.contains(&pair.hash())) {
                    let payee = outgoing.request.body().payee.body();
                    // somebody whose TA has ended is paid as one without
                    let kind = match pair.payment.body().receiver.kind {
                        Kind::Ta => "with a TA",
                        Kind::Client | Kind::Provider => "without a TA",
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
