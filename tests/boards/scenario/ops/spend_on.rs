//! Collect and spend on: what one device pays another offline, that one pays a third, offline too.

use serde_json::json;

use super::people::{self, People, Who};
use super::{Proved, books};
use crate::bench::Bench;
use crate::board::Network;
use crate::failure::{Outcome, expect_that};
use crate::wallet;

const FIRST: &str = "5.00";
const FIRST_MINOR_UNITS: u64 = 500;
const SECOND: &str = "2.00";
const SECOND_MINOR_UNITS: u64 = 200;

pub(super) fn run(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    let (cleo, _) = people.bring_online(bench, Who::Cleo, Who::Ben)?;
    let cleo_before = wallet::balance(&mut bench.payer)?;
    let (ada, ben) = people.bring_online(bench, Who::Ada, Who::Ben)?;
    people::trust(bench, Who::Ada, &ben)?;
    people::trust(bench, Who::Ben, &cleo)?;
    let ben_before = wallet::balance(&mut bench.payee)?;
    people::both_offline(bench)?;

    wallet::request(&mut bench.payee, FIRST)?;
    let first = wallet::pay(&mut bench.payer, &ben.ta, FIRST)?;
    let collected = wallet::balance(&mut bench.payee)?;
    expect_that(
        collected == ben_before.saturating_add(FIRST_MINOR_UNITS),
        || format!("Ben had {ben_before} and has {collected} after collecting {FIRST}"),
    )?;

    people.bring(bench, Who::Cleo)?;
    wallet::request(&mut bench.payer, SECOND)?;
    let second = wallet::pay(&mut bench.payee, &cleo.ta, SECOND)?;
    expect_that(
        second.receipt_verified && !second.settled && !first.settled,
        || format!("paid offline, and yet {first:?} and {second:?}"),
    )?;
    let spent = wallet::balance(&mut bench.payee)?;
    expect_that(
        spent.saturating_add(SECOND_MINOR_UNITS) == collected,
        || format!("Ben had {collected} and has {spent} after paying {SECOND}"),
    )?;
    let on_cleo = wallet::balance(&mut bench.payer)?;
    expect_that(
        on_cleo == cleo_before.saturating_add(SECOND_MINOR_UNITS),
        || format!("Cleo had {cleo_before} and has {on_cleo} after collecting {SECOND}"),
    )?;

    // The one in the middle first: what he spent was collected from a payment that nobody has reported.
    wallet::network(&mut bench.payee, Network::On)?;
    books::agree(bench, &ben, |bench| &mut bench.payee)?;
    wallet::network(&mut bench.payer, Network::On)?;
    books::agree(bench, &cleo, |bench| &mut bench.payer)?;
    books::settled(&mut bench.payee, &second)?;
    people.bring(bench, Who::Ada)?;
    books::settled(&mut bench.payer, &first)?;
    books::agree(bench, &ada, |bench| &mut bench.payer)?;
    books::agree(bench, &ben, |bench| &mut bench.payee)?;

    Ok((
        "Ada paid Ben 5.00, and Ben paid Cleo 2.00 of it, both offline; all three devices and the books agree"
            .to_owned(),
        json!({ "first": first.hash, "second": second.hash }),
    ))
}
