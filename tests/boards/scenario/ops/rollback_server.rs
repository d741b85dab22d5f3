//! A trusted application in files is rolled back together with the journal and pays again: the server
//! convicts it, with evidence that anybody can check, and the payee is paid all the same.

use std::time::Duration;

use serde_json::json;

use super::people::{self, DRAWER, People, Who};
use super::{Proved, books};
use crate::bench::Bench;
use crate::board::Network;
use crate::failure::{Failure, Outcome, expect_that};
use crate::process::wait_at_leisure;
use crate::wallet;

const AMOUNT: &str = "3.00";
/// Another one, since a paid request stays on the air for a while.
const OTHER_AMOUNT: &str = "2.50";
const CONVICT_LIMIT: Duration = Duration::from_secs(600);
const TAKE_COPY: &str = "mkdir -p OLD && cp -a /var/lib/blepay /var/lib/blepay-ta OLD/";
const PUT_BACK: &str =
    "rm -rf /var/lib/blepay /var/lib/blepay-ta && cp -a OLD/blepay OLD/blepay-ta /var/lib/";

pub(super) fn run(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    let (ada, eve) = people.bring_online(bench, Who::Ada, Who::Eve)?;
    people::trust(bench, Who::Eve, &ada)?;
    people::both_offline(bench)?;
    let held = wallet::balance(&mut bench.payee)?;
    let old = format!("{DRAWER}/eve-old");
    people::while_stopped(&mut bench.payee, &TAKE_COPY.replace("OLD", &old))?;
    people::wait_until_ready(&mut bench.payee)?;
    wallet::request(&mut bench.payer, AMOUNT)?;
    let first = wallet::pay(&mut bench.payee, &ada.ta, AMOUNT)?;

    people::while_stopped(&mut bench.payee, &PUT_BACK.replace("OLD", &old))?;
    people::wait_until_ready(&mut bench.payee)?;
    let again = wallet::balance(&mut bench.payee)?;
    expect_that(again == held, || {
        format!("the old copy held {held}, and the device holds {again}")
    })?;
    wallet::request(&mut bench.payer, OTHER_AMOUNT)?;
    let second = wallet::pay(&mut bench.payee, &ada.ta, OTHER_AMOUNT)?;
    expect_that(second.hash != first.hash, || {
        format!("no double spending: {first:?}, then {second:?}")
    })?;

    wallet::network(&mut bench.payer, Network::On)?;
    let finding = wait_at_leisure("the server convicts", CONVICT_LIMIT, || {
        Ok(bench.office()?.evidence_against(&eve.ta)?.first().copied())
    })?;
    let standing = bench.office()?.ta(&eve.client, &eve.ta)?.standing;
    expect_that(standing == "suspended", || {
        format!("the convicted TA is {standing}")
    })?;
    let verdict = bench
        .office()?
        .prove(finding, &bench.file("eve.evidence"))?;
    let convicted = verdict.get("ta").and_then(serde_json::Value::as_str);
    if convicted != Some(&eve.ta) {
        return Err(Failure::Unexpected(format!(
            "the evidence convicts somebody else: {verdict}"
        )));
    }
    let paid = books::agree(bench, &ada, |bench| &mut bench.payer)?;

    Ok((
        "a TA rolled back with its journal paid twice; the server suspended it, `evidence verify` convicts it, and the payee was paid"
            .to_owned(),
        json!({ "verdict": verdict, "payee_holds": paid }),
    ))
}
