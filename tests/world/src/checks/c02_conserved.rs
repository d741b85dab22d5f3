//! C2: at rest, what was paid in is on trusted applications, online or held; the provider lost nothing.

use std::cmp::Ordering;
use std::time::Duration;

use futures::FutureExt as _;

use super::{Check, When};
use crate::fault::Fault;
use crate::money::Money;
use crate::town::Town;

/// What is missing may come back within this time, in which every device states what it holds.
const DAY: Duration = Duration::from_secs(26 * 3600);

pub(super) const CHECK: Check = Check {
    name: "C2",
    when: When::Rest,
    look: |town| {
        async move {
            let Some((wrong, text)) = look(town).await? else {
                return Ok(Vec::new());
            };
            // who is off meanwhile costs no time here
            for person in &town.people {
                person.kill(&town.world);
            }
            town.wait(DAY).await;
            town.start_all().await?;
            for person in &town.people {
                let _settled_or_not = town.sync(person).await;
            }
            let until = match look(town).await? {
                Some((still, _)) if still == wrong => "for good",
                Some(_) => "and then it changes",
                None => "for a day",
            };

            Ok(vec![Fault::new("C2", format!("{wrong} {until}"), text)])
        }
        .boxed_local()
    },
};

async fn look(town: &Town) -> anyhow::Result<Option<(&'static str, String)>> {
    let mut on_tas = 0_u64;
    for person in &town.people {
        on_tas = on_tas.saturating_add(town.balance(person).await);
    }
    let ledger = town.bank.ledger(&town.world).await?;
    let counted = [ledger.online, ledger.held, i64::try_from(on_tas)?];
    let there = counted
        .iter()
        .fold(0_i64, |sum, part| sum.saturating_add(*part));
    let paid_in = Money(town.paid_in());
    let text = format!(
        "on devices {}, paid in {paid_in}, {ledger:?}",
        Money(on_tas)
    );

    Ok(match there.cmp(&i64::try_from(paid_in.0)?) {
        Ordering::Less => Some(("money is missing", text)),
        Ordering::Greater => Some(("money came from nowhere", text)),
        Ordering::Equal if ledger.loss != 0 => Some(("the provider stands in", text)),
        Ordering::Equal => None,
    })
}
