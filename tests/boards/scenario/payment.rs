//! The main job: pay offline, and the claim settles by itself when the network is back.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Found, PaidByPolicy, wallets};
use crate::bench::Bench;
use crate::board::Network;
use crate::failure::{Outcome, expect_that};
use crate::process::wait_at_leisure;
use crate::wallet;

const AMOUNT: PaidByPolicy = PaidByPolicy {
    text: "12.50",
    minor_units: 1250,
};
/// How long after the network is back the claim may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(300);

pub(super) fn run(bench: &mut Bench) -> Outcome<Found> {
    let keys = wallets(bench)?;
    let device_before = wallet::balance(&mut bench.payer)?;
    let online_before = bench.serve()?.online(&keys.payee)?;

    bench.networks(Network::Off)?;
    let request = wallet::request(&mut bench.payee, AMOUNT.text)?;
    let payment = wallet::pay_by_command(&mut bench.payer, &keys.payee, AMOUNT.text)?;
    expect_that(
        payment.state == "received" && payment.receipt_verified,
        || format!("the payer has no receipt: {payment:?}"),
    )?;
    let device_after = wallet::balance(&mut bench.payer)?;
    expect_that(
        device_before.checked_sub(AMOUNT.minor_units) == Some(device_after),
        || {
            format!(
                "the payer had {device_before} and has {device_after} after paying {}",
                AMOUNT.minor_units
            )
        },
    )?;
    expect_that(!payment.settled, || {
        "a payment made offline says that it is settled".to_owned()
    })?;
    let state = wallet::request_state(&mut bench.payee, &request.id)?.state;
    expect_that(state == "paid", || {
        format!("the payee's request is {state}")
    })?;

    let returned = Instant::now();
    bench.networks(Network::On)?;
    let owed = online_before.saturating_add(AMOUNT.minor_units);
    let server = bench.serve()?;
    wait_at_leisure(
        "the claim settles by itself after the network is back",
        SETTLE_LIMIT,
        || Ok((server.online(&keys.payee)? == owed).then_some(())),
    )?;
    let settled_s = returned.elapsed().as_secs_f64();
    super::settled_on_both_sides(bench, payment.hash.as_deref().unwrap_or_default())?;
    super::ledgers_agree(bench)?;

    Ok(Found {
        lines: vec![
            format!(
                "12.50 paid offline with a receipt; settled {settled_s:.1} s after the network was back"
            ),
            "the server's books and the trusted application agree".to_owned(),
        ],
        facts: json!({ "settled_s": settled_s }),
    })
}
