//! The mailbox: a payment that never reached its payee over the air reaches it through the server.

use std::time::Duration;

use serde_json::json;

use super::people::{self, People, Who};
use super::{Proved, books};
use crate::bench::Bench;
use crate::board::Network;
use crate::failure::{Outcome, expect_that};
use crate::flights;
use crate::process::wait_at_leisure;
use crate::progress::step;
use crate::scenario::cut::cut_after_debit;
use crate::wallet::{self, UNITS};

const AMOUNT: &str = "4.00";
const MINOR_UNITS: u64 = 400;
const HAND_IN_LIMIT: Duration = Duration::from_secs(300);
const DELIVERY_LIMIT: Duration = Duration::from_secs(600);

pub(super) fn run(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    let (ada, ben) = people.bring_online(bench, Who::Ada, Who::Ben)?;
    let before = wallet::balance(&mut bench.payee)?;
    let signed_before = wallet::status(&mut bench.payer)?.ta.j;
    people::both_offline(bench)?;
    let request = wallet::request(&mut bench.payee, AMOUNT)?;
    let unsure = cut_after_debit(bench, &ben.ta, MINOR_UNITS, signed_before)?;

    wallet::network(&mut bench.payer, Network::On)?;
    wait_at_leisure("the payer hands the payment in", HAND_IN_LIMIT, || {
        let payments = wallet::history(&mut bench.payer)?;
        let mut known = payments.iter().filter(|known| known.hash == unsure.hash);
        Ok(known.any(|known| known.reported).then_some(()))
    })?;
    // From here on the payer is far away.
    bench.payer.must(&format!("systemctl stop {UNITS}"))?;
    let mark = flights::mark(&bench.air.trace)?;

    step("boot the payee again on the same disk", || {
        bench.payee.boot()
    })?;
    wallet::network(&mut bench.payee, Network::On)?;
    wait_at_leisure("the mailbox delivers", DELIVERY_LIMIT, || {
        // The daemon may not listen yet.
        let payments = wallet::history(&mut bench.payee).unwrap_or_default();
        let mut known = payments.iter().filter(|known| {
            known.request_id.as_deref() == Some(&request.id) && known.direction == "in"
        });
        Ok(known.any(|known| known.hash == unsure.hash).then_some(()))
    })?;
    let owed = before.saturating_add(MINOR_UNITS);
    wait_at_leisure("the payee collects", DELIVERY_LIMIT, || {
        Ok((wallet::balance(&mut bench.payee)? == owed).then_some(()))
    })?;
    let met = flights::since(&bench.air.trace, mark)?;
    expect_that(
        met.iter().all(|crossing| crossing.event != "connected"),
        || "the boards met over the air after all".to_owned(),
    )?;
    books::settled(&mut bench.payee, &unsure)?;
    books::agree(bench, &ben, |bench| &mut bench.payee)?;

    bench
        .payer
        .must("systemctl start blepay-ta.socket blepayd")?;
    people::wait_until_ready(&mut bench.payer)?;
    books::settled(&mut bench.payer, &unsure)?;
    books::agree(bench, &ada, |bench| &mut bench.payer)?;

    Ok((
        "a payment that never reached its payee over the air was handed in by the payer and collected from the mailbox"
            .to_owned(),
        json!({ "hash": unsure.hash }),
    ))
}
