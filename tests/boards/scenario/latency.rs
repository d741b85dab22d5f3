//! How long a payment takes, beside a bare echo of the same size in the same run.
//!
//! The clock is the air's: one for both boards, from the first frame of flight ① to the last frame of
//! flight ⑥. Finding and connecting come before and are the same for both.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Depth, Found, PaidByPolicy, wallets};
use crate::bench::Bench;
use crate::board::Network;
use crate::failure::{Failure, Outcome, expect_that};
use crate::flights::{self, Flight};
use crate::process::wait_until;
use crate::progress::say;
use crate::wallet;

const AMOUNT: PaidByPolicy = PaidByPolicy {
    text: "0.25",
    minor_units: 25,
};
/// Enough for a median, when times are asked for.
const PAYMENTS_MEASURED: u32 = 20;
/// Enough for the shape of a payment, which is the same each time.
const PAYMENTS_CHECKED: u32 = 1;
/// Three each way.
const FLIGHTS: usize = 6;
/// The flight in which P travels, the first one after the approval.
const FLIGHT_AFTER_APPROVAL: usize = 4;
/// The first byte of the first frame of a message; the later ones begin with 0x10.
const FIRST_FRAME: &str = "11";
const PAY_LIMIT: Duration = Duration::from_secs(600);
/// Twenty times what a payment takes on an idle machine.
const CROSS_LIMIT: Duration = Duration::from_secs(100);
const ATTEMPTS_MAX: u32 = 10;

/// What is done between two flights, besides BlueZ's part.
const TURNS: [&str; FLIGHTS - 1] = [
    "① to ②, payee: handshake, signed request",
    "② to ③, payer: request and certificates verified",
    "③ to ④, payee: request locked",
    "④ to ⑤, payer: approval, debit and P signed, all on disk",
    "⑤ to ⑥, payee: P verified, on disk, receipt signed",
];

/// One round, payment or echo, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// From the first byte of flight ① to flight ⑥.
    whole: u64,
    /// From the end of flight ④, with which the approval is due, to flight ⑥.
    approved: u64,
    /// From the end of each flight to the beginning of the next one.
    turns: [u64; FLIGHTS - 1],
}

pub(super) fn run(bench: &mut Bench, depth: Depth) -> Outcome<Found> {
    let keys = wallets(bench)?;
    bench.networks(Network::Off)?;
    let rounds = match depth {
        Depth::Check => PAYMENTS_CHECKED,
        Depth::Measure => PAYMENTS_MEASURED,
    };
    // The first payment warms caches and tells the sizes; it is not counted.
    let sizes = plan(&pay(bench, &keys.payee)?);
    if depth == Depth::Measure {
        echo(bench, &sizes)?;
    }

    let mut payments = Vec::new();
    let mut echoes = Vec::new();
    for number in 1..=rounds {
        let payment = measured(&pay(bench, &keys.payee)?)?;
        let bare = measured(&echo(bench, &sizes)?)?;
        say(&format!(
            "latency {number}/{rounds}: payment {} ms, echo {} ms",
            payment.whole.div_ceil(1000),
            bare.whole.div_ceil(1000)
        ));
        payments.push(payment);
        echoes.push(bare);
    }
    let cost = cost(bench)?;
    super::ledgers_agree(bench)?;

    Ok(report(&sizes, &payments, &echoes, &cost))
}

/// Tells how long it took. Nothing of it is a promise: the boards' processor is emulated and shared.
fn report(sizes: &str, payments: &[Round], echoes: &[Round], cost: &Value) -> Found {
    let both = |of: &dyn Fn(&Round) -> u64| (median(payments, of), median(echoes, of));
    let (payment_ms, echo_ms) = both(&|round| round.whole);
    let (approved_ms, echo_approved_ms) = both(&|round| round.approved);
    let ratio = payment_ms / echo_ms;
    let unit = |name: &str| cost.get(name).and_then(Value::as_u64).unwrap_or_default();
    let mut lines = vec![
        format!("each payment: three flights each way, one after the approval: {sizes}"),
        format!(
            "median of {}: payment {payment_ms:.0} ms, bare echo {echo_ms:.0} ms, ratio {ratio:.2}",
            payments.len()
        ),
        format!(
            "from approval to receipt alone: payment {approved_ms:.0} ms, bare echo {echo_approved_ms:.0} ms"
        ),
        format!(
            "where it goes: radio and BlueZ {echo_ms:.0} ms; signatures, fsync and the rest of ours {:.0} ms, of which",
            payment_ms - echo_ms
        ),
    ];
    let mut turns = Vec::new();
    for (at, turn) in TURNS.iter().enumerate() {
        let (payment, bare) = both(&|round| round.turns.get(at).copied().unwrap_or_default());
        lines.push(format!("  {:.0} ms  {turn}", payment - bare));
        turns.push(json!({ "turn": turn, "payment_ms": payment, "echo_ms": bare }));
    }
    lines.push(format!(
        "on this emulated processor a signature takes {} µs, verifying one {} µs, an fsync {} µs",
        unit("sign_us"),
        unit("verify_us"),
        unit("fsync_us")
    ));

    Found {
        facts: json!({
            "payment_ms": payment_ms,
            "echo_ms": echo_ms,
            "ratio": ratio,
            "approval_to_receipt_ms": approved_ms,
            "echo_approval_to_receipt_ms": echo_approved_ms,
            "flights": sizes,
            "turns": turns,
            "cost": cost,
        }),
        lines,
    }
}

/// Pays by policy and returns the flights of that session, as the air saw them. On a slow machine a link breaks
/// before the payment is through: that one says nothing, and another one is made.
fn pay(bench: &mut Bench, payee: &str) -> Outcome<Vec<Flight>> {
    for _ in 0..ATTEMPTS_MAX {
        if let Some(session) = pay_once(bench, payee)? {
            three_each_way(&session)?;
            return Ok(session);
        }
        say("latency: a link broke, so another payment is made");
    }

    Err(Failure::Unexpected(format!(
        "{ATTEMPTS_MAX} payments, and none in one session"
    )))
}

fn pay_once(bench: &mut Bench, payee: &str) -> Outcome<Option<Vec<Flight>>> {
    wallet::request(&mut bench.payee, AMOUNT.text)?;
    flights::wait_for_silence(&bench.air.trace)?;
    let mark = flights::mark(&bench.air.trace)?;
    let begun = wallet::begin_by_policy(&mut bench.payer, payee)?;
    // Waiting is done on the air: a question to the payer would cost it time that is measured.
    let trace = bench.air.trace.clone();
    let crossed = wait_until("the payment crosses the air", CROSS_LIMIT, || {
        let sessions = flights::sessions(&flights::since(&trace, mark)?);
        let is_done = sessions
            .last()
            .is_some_and(|session| session.len() >= FLIGHTS);
        Ok(is_done.then_some(()))
    });
    // One that has not crossed by now measures nothing any more: the payer may be asked.
    drop(crossed);
    let ended = ["received", "failed", "held", "unconfirmed"];
    let payment = wallet::wait_for_state(&mut bench.payer, &begun.id, &ended, PAY_LIMIT)?;
    if payment.state == "unconfirmed" {
        wallet::wait_until_resumed(&mut bench.payer)?;
        return Ok(None);
    }
    if payment.resumed || payment.moved_nothing() {
        return Ok(None);
    }
    expect_that(
        payment.receipt_verified && payment.is_over(AMOUNT.minor_units),
        || format!("no receipt over {}: {payment:?}", AMOUNT.minor_units),
    )?;

    Ok(flights::sessions(&flights::since(&trace, mark)?).pop())
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
        let is_first = |head: &&String| head.starts_with(FIRST_FRAME);
        let messages = flight.heads.iter().filter(is_first).count();
        expect_that(messages == 1, || {
            format!("a flight carries {messages} messages: {:?}", flight.heads)
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

fn cost(bench: &mut Bench) -> Outcome<Value> {
    let program = super::echo::program(bench)?;
    let told = bench.payer.must(&format!("{program} cost /var/lib"))?;

    serde_json::from_str(told.trim())
        .map_err(|error| Failure::Unexpected(format!("the cost is no JSON ({error}): {told}")))
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
    let approval = FLIGHT_AFTER_APPROVAL.saturating_sub(1);
    let approval = session.get(approval).ok_or_else(few)?.last_us;
    let last = session.last().ok_or_else(few)?.last_us;
    let mut turns = [0; FLIGHTS - 1];
    let pairs = session.iter().zip(session.iter().skip(1));
    for (turn, (flight, next)) in turns.iter_mut().zip(pairs) {
        *turn = next.first_us.saturating_sub(flight.last_us);
    }

    Ok(Round {
        whole: last.saturating_sub(first),
        approved: last.saturating_sub(approval),
        turns,
    })
}

/// Returns the median in milliseconds.
fn median(rounds: &[Round], of: &dyn Fn(&Round) -> u64) -> f64 {
    let mut all: Vec<u64> = rounds.iter().map(of).collect();
    all.sort_unstable();
    let at = |index: usize| all.get(index).copied().unwrap_or_default();
    let upper = at(all.len().div_euclid(2));
    let lower = at(all.len().saturating_sub(1).div_euclid(2));
    let twice = u32::try_from(upper.saturating_add(lower)).unwrap_or(u32::MAX);

    f64::from(twice) / 2000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_of_three_flights_each_way_passes() {
        assert!(three_each_way(&session(FLIGHTS)).is_ok());
    }

    #[test]
    fn a_flight_more_or_less_or_a_second_message_in_one_is_refused() {
        let mut two_in_one = session(FLIGHTS);
        two_in_one[4].heads.push("1103".to_owned());

        for wrong in [session(FLIGHTS - 1), session(FLIGHTS + 1), two_in_one] {
            assert!(three_each_way(&wrong).is_err());
        }
    }

    #[test]
    fn the_clock_runs_from_the_first_frame_to_the_receipt_and_stops_at_each_turn() {
        let round = measured(&session(FLIGHTS)).expect("six flights");

        assert_eq!(round.whole, 503);
        assert_eq!(round.approved, 200);
        assert_eq!(round.turns, [97; 5]);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let round = |whole| Round {
            whole,
            approved: 0,
            turns: [0; FLIGHTS - 1],
        };
        let rounds = [round(9000), round(1000), round(2000), round(4000)];

        assert!((median(&rounds, &|round| round.whole) - 3.0).abs() < f64::EPSILON);
    }

    /// Flights of two frames, 100 µs apart and 3 µs long.
    fn session(flights: usize) -> Vec<Flight> {
        (0..flights)
            .zip((0_u64..).step_by(100))
            .map(|(number, at_us)| Flight {
                from: if number % 2 == 0 { "payer" } else { "payee" }.to_owned(),
                first_us: at_us,
                last_us: at_us.saturating_add(3),
                frames: vec![512, 40],
                heads: vec!["1101".to_owned(), "1002".to_owned()],
            })
            .collect()
    }
}
