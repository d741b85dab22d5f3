//! The payee's board loses power after the debit and before P arrives.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{Found, PaidByPolicy, wallets};
use crate::bench::Bench;
use crate::board::Network;
use crate::failure::{Outcome, expect_that};
use crate::flights;
use crate::process::{wait_at_leisure, wait_until};
use crate::progress::{say, step};
use crate::wallet::{self, ASK_STATUS, Payment};

const AMOUNT: PaidByPolicy = PaidByPolicy {
    text: "5.00",
    minor_units: 500,
};
const LOCK_LIMIT: Duration = Duration::from_secs(600);
const DEBIT_LIMIT: Duration = Duration::from_secs(300);
const NOTICE_LIMIT: Duration = Duration::from_secs(300);
const RESUME_LIMIT: Duration = Duration::from_secs(600);
const SETTLE_LIMIT: Duration = Duration::from_secs(300);
/// Flights after which the payee has answered Locked, and only the approval is missing.
const FLIGHTS_UNTIL_LOCKED: usize = 4;

pub(super) fn run(bench: &mut Bench) -> Outcome<Found> {
    let keys = wallets(bench)?;
    let device_before = wallet::balance(&mut bench.payer)?;
    let online_before = bench.serve()?.online(&keys.payee)?;
    let signed_before = wallet::status(&mut bench.payer)?.ta.j;
    bench.networks(Network::Off)?;

    let request = wallet::request(&mut bench.payee, AMOUNT.text)?;
    let unsure = cut_after_debit(bench, &keys.payee, AMOUNT.minor_units, signed_before)?;
    let signed = signed_before.saturating_add(1);
    let device_after = wallet::balance(&mut bench.payer)?;
    expect_that(
        device_before.checked_sub(AMOUNT.minor_units) == Some(device_after),
        || {
            format!(
                "the payer had {device_before} and has {device_after} after one debit of {}",
                AMOUNT.minor_units
            )
        },
    )?;

    step("boot the payee again on the same disk", || {
        bench.payee.boot()
    })?;
    let resumed = wait_for_receipt(bench, &unsure)?;
    expect_that(
        resumed.hash == unsure.hash && resumed.hash.is_some(),
        || {
            format!(
                "the payer resumed with another P: {:?}, then {:?}",
                unsure.hash, resumed.hash
            )
        },
    )?;
    expect_that(resumed.resumed, || {
        format!("the payment does not say that it was resumed: {resumed:?}")
    })?;
    once_on_each_side(bench, &resumed, &request.id, signed)?;
    let device_last = wallet::balance(&mut bench.payer)?;
    expect_that(device_last == device_after, || {
        format!("a second debit: {device_after}, then {device_last}")
    })?;

    bench.networks(Network::On)?;
    let owed = online_before.saturating_add(AMOUNT.minor_units);
    let server = bench.serve()?;
    wait_at_leisure("the claim settles", SETTLE_LIMIT, || {
        Ok((server.online(&keys.payee)? >= owed).then_some(()))
    })?;
    super::settled_on_both_sides(bench, resumed.hash.as_deref().unwrap_or_default())?;
    let online_last = bench.serve()?.online(&keys.payee)?;
    expect_that(online_last == owed, || {
        format!("the payee is owed {owed} online and has {online_last}")
    })?;
    super::ledgers_agree(bench)?;

    Ok(Found {
        lines: vec![
            "power cut after the debit: one debit, the same P again, one credit, receipt verified"
                .to_owned(),
        ],
        facts: json!({ "hash": resumed.hash }),
    })
}

/// Begins a payment, lets the payer's trusted application debit, and takes the payee's power before P is there.
pub(super) fn cut_after_debit(
    bench: &mut Bench,
    payee: &str,
    minor_units: u64,
    signed_before: u64,
) -> Outcome<Payment> {
    let begun = freeze_after_locked(bench, payee, minor_units)?;
    wallet::approve(&mut bench.payer, &begun.id)?;
    let signed = signed_before.saturating_add(1);
    let debited = format!("{ASK_STATUS} | grep -q '\"j\":{signed}[,}}]'");
    bench.payer.wait_until(
        "the payer's trusted application debits",
        &debited,
        DEBIT_LIMIT,
    )?;
    bench.payee.cut_power()?;
    say("cut: the payee has no power, the payer is debited");

    wait_for_unconfirmed(bench)
}

/// Begins a payment and stops the payee's processor when its Locked is on the air. A session that broke
/// before, on a slow machine, is begun again.
fn freeze_after_locked(bench: &mut Bench, payee: &str, minor_units: u64) -> Outcome<Payment> {
    let trace = bench.air.trace.clone();
    wait_until("the payee answers Locked", LOCK_LIMIT, || {
        let mark = flights::mark(&trace)?;
        let begun = wallet::begin(&mut bench.payer, payee)?;
        let shown = wallet::wait_for_state(
            &mut bench.payer,
            &begun.id,
            &["awaits_approval", "failed", "declined"],
            LOCK_LIMIT,
        )?;
        if shown.state != "awaits_approval" {
            say(&format!("the payer begins again: {shown:?}"));
            return Ok(None);
        }
        expect_that(shown.is_over(minor_units), || {
            format!("the payer is shown another request: {shown:?}")
        })?;
        wait_for_locked(&trace, mark)?;
        bench.payee.freeze()?;
        Ok(Some(shown))
    })
}

fn wait_for_locked(trace: &Path, mark: flights::Mark) -> Outcome<()> {
    wait_until("Locked is on the air", LOCK_LIMIT, || {
        let sessions = flights::sessions(&flights::since(trace, mark)?);
        let is_locked = sessions
            .last()
            .is_some_and(|flights| flights.len() == FLIGHTS_UNTIL_LOCKED);
        Ok(is_locked.then_some(()))
    })
}

fn wait_for_unconfirmed(bench: &mut Bench) -> Outcome<Payment> {
    wait_at_leisure(
        "the payer notices that the payee is gone",
        NOTICE_LIMIT,
        || {
            let newest = wallet::history(&mut bench.payer)?.into_iter().next();
            Ok(newest.filter(|payment| payment.state == "unconfirmed" && payment.hash.is_some()))
        },
    )
}

fn wait_for_receipt(bench: &mut Bench, unsure: &Payment) -> Outcome<Payment> {
    wait_at_leisure(
        "the payer resumes by itself when the payee advertises again",
        RESUME_LIMIT,
        || {
            let payments = wallet::history(&mut bench.payer)?;
            Ok(payments.into_iter().find(|payment| {
                payment.hash == unsure.hash
                    && payment.receipt_verified
                    && payment.state == "received"
            }))
        },
    )
}

fn once_on_each_side(
    bench: &mut Bench,
    payment: &Payment,
    request: &str,
    signed: u64,
) -> Outcome<()> {
    let j = wallet::status(&mut bench.payer)?.ta.j;
    expect_that(j == signed, || {
        format!("the trusted application signed {j} payments instead of {signed}")
    })?;
    let debits = wallet::history(&mut bench.payer)?;
    let debits = debits
        .iter()
        .filter(|other| other.j == payment.j && other.direction == "out")
        .count();
    let credits = wallet::history(&mut bench.payee)?;
    let credits = credits
        .iter()
        .filter(|other| other.request_id.as_deref() == Some(request) && other.direction == "in")
        .count();

    expect_that(debits == 1 && credits == 1, || {
        format!("{debits} debits and {credits} credits instead of one each")
    })
}
