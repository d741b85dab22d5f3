//! Bluetooth goes away and comes back, between payments and in them; ours is never restarted.

use std::time::Duration;

use serde_json::json;

use super::{Found, PaidByPolicy, wallets};
use crate::bench::Bench;
use crate::board::{ADAPTER_IS_ON, Board};
use crate::failure::{Outcome, expect_that};
use crate::flights;
use crate::process::wait_until;
use crate::progress::say;
use crate::wallet;

const AMOUNT: PaidByPolicy = PaidByPolicy {
    text: "1.00",
    minor_units: 100,
};
const RADIO_LIMIT: Duration = Duration::from_secs(300);
const CONFORM_LIMIT: Duration = Duration::from_secs(900);
const SESSION_LIMIT: Duration = Duration::from_secs(600);
/// Flights after which both sides are in the middle of a session.
const FLIGHTS_UNTIL_SESSION: usize = 2;

/// A trouble with Bluetooth on one board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// bluetoothd ends and is started again.
    DaemonRestarts,
    /// The adapter is switched off and on.
    AdapterOffAndOn,
}

/// On which board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Payer,
    Payee,
}

pub(super) fn run(bench: &mut Bench) -> Outcome<Found> {
    let keys = wallets(bench)?;
    let device_before = wallet::balance(&mut bench.payer)?;
    let instances = [
        wallet::instances(&mut bench.payer)?,
        wallet::instances(&mut bench.payee)?,
    ];
    let mut paid = 0_u64;

    for trouble in [Trouble::DaemonRestarts, Trouble::AdapterOffAndOn] {
        say(&format!(
            "radio: {trouble:?} on both sides, between payments"
        ));
        befall(&mut bench.payer, trouble)?;
        befall(&mut bench.payee, trouble)?;
        pay_once(bench, &keys.payee)?;
        paid = paid.saturating_add(1);
    }
    for trouble in [Trouble::DaemonRestarts, Trouble::AdapterOffAndOn] {
        for side in [Side::Payer, Side::Payee] {
            say(&format!("radio: {trouble:?} at the {side:?}, in a payment"));
            pay_through(bench, &keys.payee, trouble, side)?;
            paid = paid.saturating_add(1);
        }
    }

    let device_after = wallet::balance(&mut bench.payer)?;
    let spent = paid.saturating_mul(AMOUNT.minor_units);
    expect_that(
        device_before.checked_sub(spent) == Some(device_after),
        || {
            format!(
                "{paid} payments of {} took {device_before} to {device_after}",
                AMOUNT.minor_units
            )
        },
    )?;
    let instances_after = [
        wallet::instances(&mut bench.payer)?,
        wallet::instances(&mut bench.payee)?,
    ];
    expect_that(instances == instances_after, || {
        format!("a service of ours was restarted: {instances:?}, then {instances_after:?}")
    })?;

    let kept = conform(bench)?;

    Ok(Found {
        lines: vec![
            format!("{paid} payments around and through 6 troubles, no restart of ours"),
            format!("BlueZ keeps {} promises of a radio", kept.len()),
        ],
        facts: json!({ "payments": paid, "promises": kept }),
    })
}

/// Tries over BlueZ what every radio promises, while our daemons are stopped; returns what was kept.
fn conform(bench: &mut Bench) -> Outcome<Vec<String>> {
    say("radio: what every radio promises, over BlueZ");
    let program = super::echo::program(bench)?;
    for board in [&mut bench.payer, &mut bench.payee] {
        board.must("systemctl stop blepayd")?;
    }
    // who comes by itself is told from whom a program here has dialled by not being known before
    let forget = format!("bluetoothctl remove {}", bench.payer.address());
    let _known_or_not = bench.payee.run(&forget, RADIO_LIMIT)?;
    let serving = bench.payee.start(&format!("{program} radio serve"))?;
    let visited = bench
        .payer
        .run(&format!("{program} radio visit"), CONFORM_LIMIT)?;
    expect_that(visited.code == 0, || {
        format!("BlueZ does not keep what a radio promises: {visited:?}")
    })?;
    let _served = bench.payee.must_end(&serving, CONFORM_LIMIT)?;
    for board in [&mut bench.payer, &mut bench.payee] {
        board.must_within("systemctl start blepayd", CONFORM_LIMIT)?;
    }

    Ok(visited.stdout.lines().map(str::to_owned).collect())
}

fn pay_once(bench: &mut Bench, payee: &str) -> Outcome<()> {
    wallet::request(&mut bench.payee, AMOUNT.text)?;
    let payment = wallet::pay(&mut bench.payer, payee, AMOUNT.text)?;

    expect_that(payment.receipt_verified, || {
        format!("no receipt: {payment:?}")
    })
}

/// Lets the trouble come in the middle of a session. Whatever becomes of that payment, the same
/// request is paid once in the end.
fn pay_through(bench: &mut Bench, payee: &str, trouble: Trouble, side: Side) -> Outcome<()> {
    let before = wallet::balance(&mut bench.payer)?;
    wallet::request(&mut bench.payee, AMOUNT.text)?;
    let mark = flights::mark(&bench.air.trace)?;
    let begun = wallet::begin(&mut bench.payer, payee)?;
    let trace = bench.air.trace.clone();
    wait_until("a session is under way", SESSION_LIMIT, || {
        let sessions = flights::sessions(&flights::since(&trace, mark)?);
        Ok(sessions
            .last()
            .is_some_and(|flights| flights.len() >= FLIGHTS_UNTIL_SESSION)
            .then_some(()))
    })?;
    match side {
        Side::Payer => befall(&mut bench.payer, trouble)?,
        Side::Payee => befall(&mut bench.payee, trouble)?,
    }
    wallet::wait_for_state(
        &mut bench.payer,
        &begun.id,
        &["failed", "declined"],
        SESSION_LIMIT,
    )?;
    let untouched = wallet::balance(&mut bench.payer)?;
    expect_that(untouched == before, || {
        format!("a payment that nobody approved took {before} to {untouched}")
    })?;

    let next = wallet::pay(&mut bench.payer, payee, AMOUNT.text)?;
    expect_that(next.receipt_verified, || {
        format!("no receipt after {trouble:?} at the {side:?}: {next:?}")
    })
}

fn befall(board: &mut Board, trouble: Trouble) -> Outcome<()> {
    match trouble {
        Trouble::DaemonRestarts => board.must("systemctl restart bluetooth")?,
        Trouble::AdapterOffAndOn => {
            board.must("bluetoothctl power off && sleep 1 && bluetoothctl power on")?
        }
    };

    board.wait_until("the adapter is on again", ADAPTER_IS_ON, RADIO_LIMIT)
}
