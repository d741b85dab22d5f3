//! A trusted application with a TPM is rolled back: it refuses to start, and goes on when the newest state is
//! put back.

use std::time::Duration;

use serde_json::json;

use super::people::{self, DRAWER, People, Who};
use super::{Proved, books};
use crate::bench::Bench;
use crate::board::{Board, Network};
use crate::failure::{Outcome, expect_that};
use crate::wallet;

const AMOUNT: &str = "10.00";
/// What it says in its last line.
const SAYS: &str = "the state is not the one the TPM committed to; it was restored or copied";
const END_LIMIT: Duration = Duration::from_secs(300);
/// How long a unit that only a person can help is watched.
const WATCH_SECONDS: u64 = 4;
const TAKE_COPY: &str = "mkdir -p OLD && cp -a /var/lib/blepay-ta OLD/";
const PUT_BACK: &str =
    "mkdir -p NEW && mv /var/lib/blepay-ta NEW/ && cp -a OLD/blepay-ta /var/lib/";
const MAKE_GOOD: &str = "rm -rf /var/lib/blepay-ta && mv NEW/blepay-ta /var/lib/";

pub(super) fn run(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    wallet::network(&mut bench.payer, Network::On)?;
    let dora = people.bring(bench, Who::Dora)?;
    let folders = |script: &str| {
        script
            .replace("OLD", &format!("{DRAWER}/dora-old"))
            .replace("NEW", &format!("{DRAWER}/dora-new"))
    };
    bench
        .payer
        .must("test -c /dev/tpmrm0 && test -f /var/lib/blepay-ta/tpm-seed")?;
    people::while_stopped(&mut bench.payer, &folders(TAKE_COPY))?;
    people::wait_until_ready(&mut bench.payer)?;
    let old = wallet::balance(&mut bench.payer)?;
    wallet::told(
        &mut bench.payer,
        &format!("withdraw {AMOUNT} --wait --timeout 300s"),
    )?;
    let newest = wallet::balance(&mut bench.payer)?;

    people::while_stopped(&mut bench.payer, &folders(PUT_BACK))?;
    bench.payer.wait_until(
        "the trusted application refuses to start",
        &format!("journalctl --no-pager --boot --unit blepay-ta | grep -qF '{SAYS}'"),
        END_LIMIT,
    )?;
    bench.payer.wait_until(
        "it ends with the code for what only a person can help, and nothing starts it again",
        r#"test "$(systemctl show --property ExecMainStatus --value blepay-ta)" = 78 && ! systemctl is-active -q blepay-ta.socket"#,
        END_LIMIT,
    )?;
    let tries = refusals(&mut bench.payer)?;
    bench.payer.must(&format!("sleep {WATCH_SECONDS}"))?;
    let later = refusals(&mut bench.payer)?;
    expect_that(tries == later, || {
        format!("what only a person can help was started again: {tries} times, then {later}")
    })?;
    let state = wallet::status(&mut bench.payer)?.ta.state;
    expect_that(state != "ready", || {
        format!("the wallet says that a rolled back TA is {state}")
    })?;

    people::while_stopped(&mut bench.payer, &folders(MAKE_GOOD))?;
    people::wait_until_ready(&mut bench.payer)?;
    let good = wallet::balance(&mut bench.payer)?;
    expect_that(good == newest && newest < old, || {
        format!("it held {old}, then {newest}, and {good} after the newest state was put back")
    })?;
    books::agree(bench, &dora, |bench| &mut bench.payer)?;

    Ok((
        format!("an old copy of a TA with a TPM refused to start: {SAYS}; the newest one went on"),
        json!({ "refusals": later, "state": state }),
    ))
}

/// How often it has refused since the board has power.
fn refusals(board: &mut Board) -> Outcome<String> {
    let count = format!("journalctl --no-pager --boot --unit blepay-ta | grep -cF '{SAYS}'");

    Ok(board.must(&count)?.trim().to_owned())
}
