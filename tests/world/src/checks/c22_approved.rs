//! C22: nobody pays what nobody approved: what a device paid to a named payee, and to URIs, without asking
//! stays within the sum of a day. Counted anew from what was signed.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use journal::ApprovedBy;

use super::{Check, When};
use crate::fault::Fault;
use crate::person::{Person, SCAN_DAILY_MAX};
use crate::steps::pay::DAILY_MAX;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) const CHECK: Check = Check {
    name: "C22",
    when: When::Step,
    look: |town| {
        let faults: Vec<_> = town.people.iter().flat_map(of_person).collect();

        async move { Ok(faults) }.boxed_local()
    },
};

fn of_person(person: &Person) -> Vec<Fault> {
    let Some(device) = person.device() else {
        return Vec::new();
    };
    let mut by_policy = BTreeMap::<_, u64>::new();
    let mut by_scan = BTreeMap::<_, u64>::new();
    device.wallet.journal().view(|book| {
        for (_, it) in book.outgoing().filter(|(_, it)| it.pair.is_some()) {
            let day = it.at.as_ms().div_euclid(DAY_MS);
            let sum = match it.approved_by {
                ApprovedBy::Policy => by_policy.entry((day, it.payee())).or_default(),
                ApprovedBy::Scan => by_scan.entry(day).or_default(),
                ApprovedBy::Person => continue,
            };
            *sum = sum.saturating_add(it.amount().minor_units());
        }
    });
    let mut faults = Vec::new();
    for sum in by_policy.into_values().filter(|sum| *sum > DAILY_MAX.0) {
        let text = format!("{}: {sum}", person.name);
        faults.push(Fault::new(
            "C22",
            "more for a named payee than a day allows",
            text,
        ));
    }
    for sum in by_scan.into_values().filter(|sum| *sum > SCAN_DAILY_MAX.0) {
        let text = format!("{}: {sum}", person.name);
        faults.push(Fault::new(
            "C22",
            "more for scanned URIs than a day allows",
            text,
        ));
    }

    faults
}
