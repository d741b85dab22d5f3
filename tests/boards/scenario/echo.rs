//! A bare echo: if this fails, the bench is broken, not the product.

use std::time::Duration;

use serde_json::{Value, json};

use super::Found;
use crate::bench::{Bench, needed};
use crate::board::{ADAPTER_IS_ON, RUN_DISK};
use crate::failure::{Failure, Outcome, expect_that};
use crate::flights::{self, Flight};
use crate::progress::say;

/// Three flights each way, about as large as a payment's.
const FLIGHTS: &str = "c:100 s:512+288 c:510+50 s:120 c:510 s:200";
const ROUNDS: u32 = 5;
/// Ten times what it takes, on boards that are emulated.
const LIMIT: Duration = Duration::from_secs(120);
/// Longer than that: both programs end by themselves.
const WAIT: Duration = Duration::from_secs(240);
/// A link may break where the processors have much else to do, and a bare echo has nothing that resumes.
const TRIES: u32 = 3;

pub(super) fn run(bench: &mut Bench) -> Outcome<Found> {
    let (told, sessions) = fly(bench, FLIGHTS, ROUNDS)?;

    let rounds = told
        .get("rounds")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let flown = sessions.last().map_or(0, Vec::len);
    expect_that(rounds == 5 && flown == 30, || {
        format!(
            "5 rounds of 6 flights were asked for, {rounds} told of and {flown} flights seen on the air"
        )
    })?;

    Ok(Found {
        lines: vec![format!("{told}")],
        facts: json!({ "echo": told }),
    })
}

/// Flies an echo from the payer to the payee and returns what the payer told and the air saw.
pub(super) fn fly(
    bench: &mut Bench,
    flights: &str,
    rounds: u32,
) -> Outcome<(Value, Vec<Vec<Flight>>)> {
    let plan = format!(
        "--limit-s {} --rounds {rounds} --flights {flights}",
        LIMIT.as_secs()
    );
    for left in (0..TRIES).rev() {
        match fly_once(bench, &plan) {
            Err(failure) if left > 0 => {
                say(&format!("the echo is flown again: {failure}"));
                hang_up(bench)?;
            }
            flown => return flown,
        }
    }

    Err(Failure::Unexpected("the echo was never flown".to_owned()))
}

/// Ends what two programs that gave up left open: BlueZ keeps a link that nobody uses any more.
fn hang_up(bench: &mut Bench) -> Outcome<()> {
    for board in [&mut bench.payer, &mut bench.payee] {
        board.must("bluetoothctl power off && sleep 1 && bluetoothctl power on")?;
        board.wait_until("the adapter is on again", ADAPTER_IS_ON, WAIT)?;
    }

    Ok(())
}

fn fly_once(bench: &mut Bench, plan: &str) -> Outcome<(Value, Vec<Vec<Flight>>)> {
    let program = program(bench)?;
    flights::wait_for_silence(&bench.air.trace)?;
    let mark = flights::mark(&bench.air.trace)?;

    let serving = bench.payee.start(&format!("{program} serve {plan}"))?;
    let address = bench.payee.address().to_owned();
    let run = format!("{program} run --address {address} {plan}");
    let told = bench.payer.run(&run, WAIT)?;
    let served = bench.payee.wait(&serving, WAIT)?;
    expect_that(told.code == 0 && served.code == 0, || {
        format!("the bare echo failed: central: {told:?}, peripheral: {served:?}")
    })?;

    let told = told.stdout;
    let told = serde_json::from_str(told.trim()).map_err(|error| {
        Failure::Unexpected(format!("the echo printed no JSON ({error}): {told}"))
    })?;
    let crossings = flights::since(&bench.air.trace, mark)?;

    Ok((told, flights::sessions(&crossings)))
}

/// Returns the path of the echo's program on the boards.
pub(super) fn program(bench: &Bench) -> Outcome<String> {
    let echo = needed(bench.parts.echo.as_deref(), "--echo PATH")?;
    let name = echo.file_name().unwrap_or_default().to_string_lossy();

    Ok(format!("{RUN_DISK}/{name}"))
}
