//! C5: nothing is on the air before it is on the disk. Whoever got P or a receipt got it from somebody whose
//! journal has it, and a device that starts again finds on its disk all that its journal had answered.

use futures::FutureExt as _;
use ops_proto::Digest;

use super::{Check, When};
use crate::fault::Fault;
use crate::town::Town;

pub(super) const CHECK: Check = Check {
    name: "C5",
    when: When::Step,
    look: |town| {
        let mut faults = Vec::new();
        for person in &town.people {
            faults.extend(person.lost().into_iter().map(|lost| {
                let (what, _) = lost.split_once(':').unwrap_or((&lost, ""));
                let shape = format!("a journal forgot {what}");
                Fault::new("C5", shape, format!("{}: {lost}", person.name))
            }));
        }
        faults.extend(unknown_to_payer(town));
        faults.extend(unknown_to_payee(town));

        async move { Ok(faults) }.boxed_local()
    },
};

/// A payment that a payee got, and that its payer does not know.
fn unknown_to_payer(town: &Town) -> Vec<Fault> {
    let mut faults = Vec::new();
    for payee in &town.people {
        let Some(device) = payee.device() else {
            continue;
        };
        let came: Vec<_> = device.wallet.journal().view(|book| {
            let came = book.incoming();
            came.map(|(payment, it)| (payment, it.pair.payment.body().sender.body().name.clone()))
                .collect()
        });
        for (payment, from) in came {
            let payer = town.device(from.as_str());
            let is_known = payer.is_none_or(|(_, device)| {
                let journal = device.wallet.journal();
                journal.view(|book| book.outgoing_by_hash(&payment).is_some())
            });
            if !is_known {
                let text = format!("{from} to {}: {payment}", payee.name);
                faults.push(Fault::new("C5", "a payer does not know what it sent", text));
            }
        }
    }

    faults
}

/// A receipt that a payer got, and whose payee does not know that it was paid, or that it gave it.
fn unknown_to_payee(town: &Town) -> Vec<Fault> {
    let mut faults = Vec::new();
    for payer in &town.people {
        let Some(device) = payer.device() else {
            continue;
        };
        let given: Vec<_> = device.wallet.journal().view(|book| {
            let with_receipt = book.outgoing().filter(|(_, it)| it.receipt.is_some());
            with_receipt
                .filter_map(|(_, it)| {
                    let payee = it.request.body().payee.body().name.clone();
                    Some((it.pair.as_ref()?.hash(), payee))
                })
                .collect()
        });
        for (payment, payee) in given {
            if !gave_receipt(town, payee.as_str(), &payment) {
                let text = format!("{} from {payee}: {payment}", payer.name);
                let shape = "a payee does not know the receipt that it gave";
                faults.push(Fault::new("C5", shape, text));
            }
        }
    }

    faults
}

/// Whether a payee knows that it gave a receipt; who is off cannot be asked.
fn gave_receipt(town: &Town, payee: &str, payment: &Digest) -> bool {
    town.device(payee).is_none_or(|(_, device)| {
        let journal = device.wallet.journal();
        journal.view(|book| {
            let came = book.incoming_by_hash(payment);
            came.is_some_and(|it| it.receipt.is_some())
        })
    })
}
