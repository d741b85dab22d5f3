//! How long a payment takes, beside a bare echo of the same size in the same run.
//!
//! The clock is the air's: one for both boards, from the first frame of flight ① to the last frame of
//! flight ⑥. Finding and connecting come before and are the same for both.

use serde_json::json;

use super::{Found, PaidByPolicy, wallets};
use crate::bench::Bench;
use crate::board::Board;
use crate::failure::{Failure, Outcome, expect_that};
use crate::flights::{self, Flight};
use crate::progress::say;
use crate::wallet;

const AMOUNT: PaidByPolicy = PaidByPolicy {
    text: "0.25",
    minor_units: 25,
};
const PAYMENTS: u32 = 20;
/// How many times as long as a bare echo a payment may take. The boards' processor is emulated, so
/// signatures weigh ten times what they should.
const RATIO_MAX: f64 = 2.0;
/// Three each way.
const FLIGHTS: usize = 6;
/// The flight in which P travels, the first one after the approval.
const FLIGHT_AFTER_APPROVAL: usize = 4;
/// The first byte of the first frame of a message; the later ones begin with 0x10.
const FIRST_FRAME: &str = "11";

/// One round, payment or echo.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// From the first byte of flight ① to flight ⑥.
    whole_us: u64,
    /// From the end of flight ④, with which the approval is due, to flight ⑥.
    approved_us: u64,
}

/// What a board has spent so far.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    daemon_us: u64,
    ta_us: u64,
    flushes: u64,
    flush_ms: u64,
}

pub(super) fn run(bench: &mut Bench) -> Outcome<Found> {
    let keys = wallets(bench)?;
    // The first payment warms caches and tells the sizes; it is not counted.
    let sizes = plan(&pay(bench, &keys.payee)?);
    echo(bench, &sizes)?;

    let before = [spent(&mut bench.payer)?, spent(&mut bench.payee)?];
    let mut payments = Vec::new();
    let mut echoes = Vec::new();
    for number in 1..=PAYMENTS {
        let flights = pay(bench, &keys.payee)?;
        let payment = measured(&flights)?;
        let bare = measured(&echo(bench, &sizes)?)?;
        say(&format!(
            "latency {number}/{PAYMENTS}: payment {} ms, echo {} ms",
            payment.whole_us.div_ceil(1000),
            bare.whole_us.div_ceil(1000)
        ));
        payments.push(payment);
        echoes.push(bare);
    }
    let after = [spent(&mut bench.payer)?, spent(&mut bench.payee)?];

    report(&sizes, &payments, &echoes, &[(before, after)])
}

fn report(
    sizes: &str,
    payments: &[Round],
    echoes: &[Round],
    spending: &[([Spent; 2], [Spent; 2])],
) -> Outcome<Found> {
    let whole = [
        median(payments, |round| round.whole_us),
        median(echoes, |round| round.whole_us),
    ];
    let approved = [
        median(payments, |round| round.approved_us),
        median(echoes, |round| round.approved_us),
    ];
    let [payment_ms, echo_ms] = whole;
    let [approved_ms, echo_approved_ms] = approved;
    let ratio = payment_ms / echo_ms;
    let mut lines = vec![
        format!("flights: {sizes}"),
        format!(
            "median of {}: payment {payment_ms:.0} ms, bare echo {echo_ms:.0} ms, ratio {ratio:.2}",
            payments.len()
        ),
        format!(
            "from approval to receipt alone: payment {approved_ms:.0} ms, bare echo {echo_approved_ms:.0} ms"
        ),
    ];
    let mut parts = Vec::new();
    for (before, after) in spending {
        for (name, before, after) in [
            ("payer", before.first(), after.first()),
            ("payee", before.last(), after.last()),
        ] {
            let (Some(before), Some(after)) = (before, after) else {
                continue;
            };
            let (line, part) = spending_of(name, before, after, payments.len());
            lines.push(line);
            parts.push(part);
        }
    }
    lines.push(format!(
        "where it goes: radio and BlueZ {echo_ms:.0} ms; signatures, fsync and the rest of ours {:.0} ms",
        payment_ms - echo_ms
    ));
    expect_that(ratio <= RATIO_MAX, || {
        format!(
            "a payment takes {ratio:.2} times as long as a bare echo, more than {RATIO_MAX:.1}\n{}",
            lines.join("\n")
        )
    })?;

    Ok(Found {
        facts: json!({
            "payment_ms": payment_ms,
            "echo_ms": echo_ms,
            "ratio": ratio,
            "approval_to_receipt_ms": approved_ms,
            "flights": sizes,
            "per_payment": parts,
        }),
        lines,
    })
}

/// Pays once by policy and returns the flights of that session, as the air saw them.
fn pay(bench: &mut Bench, payee: &str) -> Outcome<Vec<Flight>> {
    wallet::request(&mut bench.payee, AMOUNT.text)?;
    flights::wait_for_silence(&bench.air.trace)?;
    let mark = flights::mark(&bench.air.trace)?;
    let payment = wallet::pay(&mut bench.payer, payee, AMOUNT.text)?;
    let paid = payment.amount.as_ref().map(|amount| amount.minor_units);
    expect_that(
        payment.receipt_verified && paid == Some(AMOUNT.minor_units),
        || format!("no receipt over {}: {payment:?}", AMOUNT.minor_units),
    )?;

    let mut sessions = flights::sessions(&flights::since(&bench.air.trace, mark)?);
    let session = sessions.pop().unwrap_or_default();
    three_each_way(&session)?;

    Ok(session)
}

/// Asserts from the frames that a session is three flights each way, one message in each, the last
/// two being what follows the approval.
fn three_each_way(session: &[Flight]) -> Outcome<()> {
    let shape: Vec<&str> = session.iter().map(|flight| flight.from.as_str()).collect();
    let expected = ["payer", "payee", "payer", "payee", "payer", "payee"];
    expect_that(shape == expected, || {
        format!("a payment is not three flights each way, but {shape:?}")
    })?;
    for flight in session {
        let firsts = flight
            .heads
            .iter()
            .filter(|head| head.starts_with(FIRST_FRAME))
            .count();
        expect_that(firsts == 1, || {
            format!("a flight carries {firsts} messages: {:?}", flight.heads)
        })?;
    }
    let after_approval = session.get(FLIGHT_AFTER_APPROVAL..).unwrap_or_default();
    let from_payer = after_approval
        .iter()
        .filter(|flight| flight.from == "payer")
        .count();

    expect_that(from_payer == 1, || {
        format!("{from_payer} flights after the approval instead of one")
    })
}

fn echo(bench: &mut Bench, sizes: &str) -> Outcome<Vec<Flight>> {
    let (_, mut sessions) = super::echo::fly(bench, sizes, 1)?;
    let session = sessions.pop().unwrap_or_default();
    expect_that(session.len() == FLIGHTS, || {
        format!("an echo of {} flights instead of {FLIGHTS}", session.len())
    })?;

    Ok(session)
}

/// Writes flights as the echo's arguments: the same writes, notifications and turns.
fn plan(session: &[Flight]) -> String {
    let words: Vec<String> = session
        .iter()
        .map(|flight| {
            let side = if flight.from == "payer" { "c" } else { "s" };
            let frames: Vec<String> = flight.frames.iter().map(u64::to_string).collect();
            format!("{side}:{}", frames.join("+"))
        })
        .collect();

    words.join(" ")
}

fn measured(session: &[Flight]) -> Outcome<Round> {
    let few = || Failure::Unexpected("a round with too few flights".to_owned());
    let first = session.first().ok_or_else(few)?.first_us;
    let approval = session
        .get(FLIGHT_AFTER_APPROVAL.saturating_sub(1))
        .ok_or_else(few)?
        .last_us;
    let last = session.last().ok_or_else(few)?.last_us;

    Ok(Round {
        whole_us: last.saturating_sub(first),
        approved_us: last.saturating_sub(approval),
    })
}

/// Returns the median in milliseconds.
fn median(rounds: &[Round], of: impl Fn(&Round) -> u64) -> f64 {
    let mut all: Vec<u64> = rounds.iter().map(of).collect();
    all.sort_unstable();
    let upper = all
        .get(all.len().div_euclid(2))
        .copied()
        .unwrap_or_default();
    let lower = all
        .get(all.len().saturating_sub(1).div_euclid(2))
        .copied()
        .unwrap_or_default();
    let twice = u32::try_from(upper.saturating_add(lower)).unwrap_or(u32::MAX);

    f64::from(twice) / 2000.0
}

/// Reads the processor time of our services and the flushes of the disk.
fn spent(board: &mut Board) -> Outcome<Spent> {
    let text = board.must(
        "for unit in blepayd blepay-ta; do \
         sed -n 's/^usage_usec //p' /sys/fs/cgroup/system.slice/$unit.service/cpu.stat 2>/dev/null || echo 0; done; \
         tr -s ' ' '\\n' </sys/block/vda/stat | grep . | tail -n 2",
    )?;
    let numbers: Vec<u64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let mut from_end = numbers.iter().rev().copied();
    let flush_ms = from_end.next().unwrap_or_default();
    let flushes = from_end.next().unwrap_or_default();
    let mut from_start = numbers.iter().copied();
    let daemon_us = from_start.next().unwrap_or_default();
    let has_ta = numbers.len() > 3;

    Ok(Spent {
        daemon_us,
        ta_us: if has_ta {
            from_start.next().unwrap_or_default()
        } else {
            0
        },
        flushes,
        flush_ms,
    })
}

fn spending_of(
    name: &str,
    before: &Spent,
    after: &Spent,
    payments: usize,
) -> (String, serde_json::Value) {
    let each = |before: u64, after: u64, unit: f64| {
        let spent = u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
        f64::from(spent) / f64::from(u32::try_from(payments).unwrap_or(u32::MAX)) / unit
    };
    let daemon_ms = each(before.daemon_us, after.daemon_us, 1000.0);
    let ta_ms = each(before.ta_us, after.ta_us, 1000.0);
    let flushes = each(before.flushes, after.flushes, 1.0);
    let flush_ms = each(before.flush_ms, after.flush_ms, 1.0);
    let line = format!(
        "{name}, a payment with its request and search: processor {daemon_ms:.0} ms in blepayd and {ta_ms:.0} ms in \
         blepay-ta; {flushes:.1} fsyncs, {flush_ms:.1} ms"
    );
    let part = json!({
        "board": name,
        "daemon_ms": daemon_ms,
        "ta_ms": ta_ms,
        "fsyncs": flushes,
        "fsync_ms": flush_ms,
    });

    (line, part)
}
