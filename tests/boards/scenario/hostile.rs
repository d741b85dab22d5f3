//! Strangers on the air: twelve hosts that hold the payee's links, or copy its tag, while it is paid by code and by URI.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::{Found, PaidByPolicy, wallets};
use crate::bench::Bench;
use crate::board::Board;
use crate::failure::{Failure, Outcome, expect_that};
use crate::process::wait_at_leisure;
use crate::progress::say;
use crate::strangers::{Met, Strangers, Way};
use crate::wallet::{self, Payment};

const AMOUNT: PaidByPolicy = PaidByPolicy {
    text: "2.00",
    minor_units: 200,
};
/// Of a link that says nothing the payee takes leave after 5 s twice, and BlueZ takes 2 s more; boards are emulated.
const LET_GO_S: f64 = 60.0;
/// How long until a stranger of each way had its turn: they are in each other's way too.
const TURN_LIMIT: Duration = Duration::from_secs(1800);
/// How long a payer looks for the payee among the strangers, and what follows takes.
const PAY_LIMIT: Duration = Duration::from_secs(900);
/// How often a person pays again who was told that nothing has moved.
const ATTEMPTS_MAX: u32 = 10;

pub(super) fn run(bench: &mut Bench) -> Outcome<Found> {
    let keys = wallets(bench)?;
    let device_before = wallet::balance(&mut bench.payer)?;
    let instances = both_instances(bench)?;
    let heard = wallet::request(&mut bench.payee, AMOUNT.text)?;
    let mut strangers = bench.let_strangers_in()?;
    wait_for_turns(&mut strangers, &[Way::Silent])?;

    say("hostile: paid by code, among twelve strangers");
    let order = json!({ "payee_key": keys.payee });
    let by_code = pay(bench, &order, &heard.id)?;
    say("hostile: paid by URI, among twelve strangers");
    let shown = wallet::request_by_uri(&mut bench.payee, AMOUNT.text)?;
    let uri = shown.uri.as_deref().unwrap_or_default();
    let by_uri = pay(bench, &json!({ "uri": uri }), &shown.id)?;
    // whether the payer took a copier for the payee is up to the air
    let others = [Way::Reader, Way::Half, Way::Gap];
    let met = wait_for_turns(&mut strangers, &others)?;
    drop(strangers);

    for (way, met) in &met {
        expect_that(met.longest_s < LET_GO_S, || {
            format!(
                "a stranger was connected for {:.1} s: {way:?}",
                met.longest_s
            )
        })?;
    }
    for payment in [&by_code, &by_uri] {
        expect_that(payment.receipt_verified, || {
            format!("no receipt: {payment:?}")
        })?;
    }
    for request in [&heard.id, &shown.id] {
        let state = wallet::request_state(&mut bench.payee, request)?.state;
        expect_that(state == "paid", || {
            format!("the payee's request {request} is {state}")
        })?;
    }
    let device_after = wallet::balance(&mut bench.payer)?;
    let spent = AMOUNT.minor_units.saturating_mul(2);
    expect_that(
        device_before.checked_sub(spent) == Some(device_after),
        || format!("two payments took {device_before} to {device_after}"),
    )?;
    let memory = memory_of_daemons(bench)?;
    let instances_after = both_instances(bench)?;
    expect_that(instances == instances_after, || {
        format!("a service of ours was restarted: {instances:?}, then {instances_after:?}")
    })?;
    super::ledgers_agree(bench)?;

    Ok(found(&met, &memory))
}

fn both_instances(bench: &mut Bench) -> Outcome<[String; 2]> {
    Ok([
        wallet::instances(&mut bench.payer)?,
        wallet::instances(&mut bench.payee)?,
    ])
}

/// Waits until strangers of these ways have done what they do, and returns what all have met with.
fn wait_for_turns(strangers: &mut Strangers, ways: &[Way]) -> Outcome<BTreeMap<Way, Met>> {
    wait_at_leisure("each kind of stranger had its turn", TURN_LIMIT, || {
        let met = strangers.met()?;
        let had = |way: &Way| met.get(way).is_some_and(|met| met.times > 0);
        Ok(ways.iter().all(had).then_some(met))
    })
}

/// Pays as a person does, who compares the codes where there is one, and pays again where nothing has moved.
fn pay(bench: &mut Bench, order: &serde_json::Value, request: &str) -> Outcome<Payment> {
    for _ in 0..ATTEMPTS_MAX {
        let begun = wallet::begin_order(&mut bench.payer, order)?;
        let shows = ["awaits_approval", "failed", "declined"];
        let shown = wallet::wait_for_state(&mut bench.payer, &begun.id, &shows, PAY_LIMIT)?;
        if shown.state != "awaits_approval" {
            say(&format!("the payer pays again: {shown:?}"));
            continue;
        }
        if !is_the_same_code(&mut bench.payee, &shown, request)? {
            say(&format!("the payee shows no code any more: {shown:?}"));
            let over = ["failed", "declined"];
            wallet::wait_for_state(&mut bench.payer, &begun.id, &over, PAY_LIMIT)?;
            continue;
        }
        wallet::approve(&mut bench.payer, &begun.id)?;
        let ends = ["received", "held", "unconfirmed", "declined", "failed"];
        let payment = wallet::wait_for_state(&mut bench.payer, &begun.id, &ends, PAY_LIMIT)?;
        match payment.state.as_str() {
            "received" => return Ok(payment),
            "unconfirmed" => return wallet::wait_until_resumed(&mut bench.payer),
            _ if payment.moved_nothing() => say(&format!("the payer pays again: {payment:?}")),
            _ => {
                return Err(Failure::Unexpected(format!(
                    "nothing was paid: {payment:?}"
                )));
            }
        }
    }

    Err(Failure::Unexpected(format!(
        "nothing was paid in {ATTEMPTS_MAX} tries"
    )))
}

/// Compares what both screens show, if it is paid by code; `false` when the payee's lock has ended meanwhile.
fn is_the_same_code(payee: &mut Board, shown: &Payment, request: &str) -> Outcome<bool> {
    let Some(code) = &shown.code else {
        return Ok(true);
    };
    let Some(asked) = wallet::request_state(payee, request)?.code else {
        return Ok(false);
    };
    expect_that(asked == *code, || {
        format!("the screens show two codes: {code} and {asked}")
    })?;

    Ok(true)
}

/// Bytes that a daemon has used at most, and what its unit allows.
#[derive(Clone, Copy, Debug)]
struct Memory {
    used: u64,
    allowed: u64,
}

fn memory_of_daemons(bench: &mut Bench) -> Outcome<[Memory; 2]> {
    Ok([memory(&mut bench.payer)?, memory(&mut bench.payee)?])
}

fn memory(board: &mut Board) -> Outcome<Memory> {
    let told = board.must(
        "cd /sys/fs/cgroup/$(systemctl show -p ControlGroup --value blepayd) && \
         { cat memory.peak 2>/dev/null || cat memory.current; } && cat memory.max",
    )?;
    let numbers: Vec<u64> = told
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect();
    let &[used, allowed] = numbers.as_slice() else {
        return Err(Failure::Unexpected(format!(
            "not the memory of a unit with a limit: {told}"
        )));
    };
    expect_that(used < allowed, || {
        format!("the daemon has used {used} bytes, and {allowed} are allowed")
    })?;

    Ok(Memory { used, allowed })
}

fn found(met: &BTreeMap<Way, Met>, memory: &[Memory; 2]) -> Found {
    let lines = met.iter().map(|(way, met)| {
        format!(
            "{way:?}: {} times, never longer than {:.1} s",
            met.times, met.longest_s
        )
    });
    let facts = met.iter().map(|(way, met)| {
        json!({ "way": format!("{way:?}"), "times": met.times, "longest_s": met.longest_s })
    });
    let [payer, payee] = memory;
    let used = format!(
        "paid by code and by URI; the daemons used at most {} and {} MiB of {} MiB",
        payer.used.div_ceil(MIB),
        payee.used.div_ceil(MIB),
        payee.allowed.div_ceil(MIB)
    );

    Found {
        facts: json!({
            "strangers": facts.collect::<Vec<_>>(),
            "memory_bytes": [payer.used, payee.used],
        }),
        lines: std::iter::once(used).chain(lines).collect(),
    }
}

const MIB: u64 = 1024 * 1024;
