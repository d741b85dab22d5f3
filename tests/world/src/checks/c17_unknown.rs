//! C17: after `outcome-unknown`, or no answer, repeating the request gives a definite answer, in the same bytes
//! each time; and a refusal changes no account.

use std::collections::BTreeSet;

use futures::FutureExt as _;

use super::{Check, When};
use crate::fault::Fault;
use crate::town::Town;

/// Messages that move money and whose answer is kept.
const PATHS: [&str; 3] = ["/v1/deposits", "/v1/withdrawals", "/v1/retirements"];

pub(super) const CHECK: Check = Check {
    name: "C17",
    when: When::Rest,
    look: |town| {
        async move {
            let asked: BTreeSet<_> = town.world.net.answered(|answered| {
                let money = answered
                    .iter()
                    .filter(|it| PATHS.contains(&it.path.as_str()));
                money
                    .map(|it| (it.path.clone(), it.request.clone()))
                    .collect()
            });
            let mut faults = Vec::new();
            for (path, request) in asked {
                let before = accounts(town).await?;
                let first = ask(town, &path, &request).await;
                let second = ask(town, &path, &request).await;
                let after = accounts(town).await?;
                let told = String::from_utf8_lossy(&first.1).into_owned();
                let mut found = |shape: &str| {
                    let text = format!("{path}: {}, {told}", first.0);
                    faults.push(Fault::new("C17", shape, text));
                };
                if first.0 >= 500 || first.0 == 0 {
                    found("asking again finds nothing out");
                } else if first != second {
                    found("asking again is answered otherwise");
                } else if first.0 != 200 && before != after {
                    found("what is refused changes an account");
                }
            }

            Ok(faults)
        }
        .boxed_local()
    },
};

async fn ask(town: &Town, path: &str, request: &[u8]) -> (u16, Vec<u8>) {
    let net = &town.world.net;

    net.repeat(&town.world.executor, path, request.to_vec())
        .await
}

async fn accounts(town: &Town) -> anyhow::Result<Vec<String>> {
    let accounts = town.bank.accounts(&town.world).await?;

    Ok(accounts
        .iter()
        .map(|account| format!("{account:?}"))
        .collect())
}
