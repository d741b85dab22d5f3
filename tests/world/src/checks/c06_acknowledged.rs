//! C6: acknowledged stays: whoever asks again, at rest, what the server granted or acknowledged gets a yes
//! again, and no money moves by it.

use std::collections::BTreeSet;

use futures::FutureExt as _;

use super::{Check, When};
use crate::fault::Fault;
use crate::town::Town;

/// What is asked again: messages whose answer is kept.
const PATHS: [&str; 4] = [
    "/v1/deposits",
    "/v1/withdrawals",
    "/v1/retirements",
    "/v1/claims",
];

pub(super) const CHECK: Check = Check {
    name: "C6",
    when: When::Rest,
    look: |town| {
        async move {
            let asked: BTreeSet<_> = town.world.net.answered(|answered| {
                let good = answered
                    .iter()
                    .filter(|it| it.status == 200 && it.has_arrived);
                let kept = good.filter(|it| PATHS.contains(&it.path.as_str()));
                kept.map(|it| (it.path.clone(), it.request.clone()))
                    .collect()
            });
            let before = totals(town).await?;
            let mut faults = Vec::new();
            for (path, request) in asked {
                let (status, answer) = town
                    .world
                    .net
                    .repeat(&town.world.executor, &path, request)
                    .await;
                if status != 200 {
                    let text = format!("{status}: {}", String::from_utf8_lossy(&answer));
                    faults.push(Fault::new("C6", format!("{path} is refused later"), text));
                }
            }
            let after = totals(town).await?;
            if before != after {
                let text = format!("{before} became {after}");
                faults.push(Fault::new(
                    "C6",
                    "what was acknowledged is booked only now",
                    text,
                ));
            }

            Ok(faults)
        }
        .boxed_local()
    },
};

async fn totals(town: &Town) -> anyhow::Result<String> {
    let ledger = town.bank.ledger(&town.world).await?;

    Ok(format!("{ledger:?}"))
}
