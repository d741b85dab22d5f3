//! Act five: money goes back online, a server is restored from an old backup, one TA retires, and one
//! is lost.

use std::fs;

use api_types::{EndState, Recovery, Retirement, Withdrawal, WithdrawalOrder, WithdrawalState};
use blepay::failure::Failure;
use serde_json::{Value, json};

use super::super::device::text;
use super::super::device::{Part, order};
use super::super::payment::unexpected;
use super::super::script;
use super::super::stage::Stage;
use super::Cast;

const WITHDRAWN: u64 = 500;

pub(super) async fn play(stage: &mut Stage<'_>, cast: &mut Cast) -> Result<(), Failure> {
    stage.begin("Everybody syncs, and Harbour Bank makes a backup of its books")?;
    let devices = [&cast.kiosk, &cast.ferry, &cast.alice];
    script::settle(stage, &devices, &[&cast.alice]).await?;
    let backup = cast.harbour.file("backup");
    let _saved = cast.harbour.command(&["backup"], &["--out", &backup])?;

    stage.begin("Alice withdraws 5.00: her TA debits first, then her account has it")?;
    withdraw(stage, cast).await?;

    stage.begin(
        "Harbour Bank loses its disk and restores the backup, which knows nothing of that",
    )?;
    restore(stage, cast, &backup).await?;

    stage.begin("Alice retires her device")?;
    retire(stage, cast).await?;

    stage.begin("Ferry's TA is lost at sea: it is reported dead, and its money waits")?;
    lose(stage, cast).await
}

async fn withdraw(stage: &mut Stage<'_>, cast: &Cast) -> Result<(), Failure> {
    let order = WithdrawalOrder {
        amount: Some(order(WITHDRAWN)),
        all: false,
    };
    let withdrawal: Withdrawal = cast.alice.client.post("/v1/withdrawals", &order).await?;
    if withdrawal.state != WithdrawalState::Booked {
        let why = withdrawal.reason.unwrap_or_default();
        return Err(unexpected(&format!("the withdrawal is not booked: {why}")));
    }
    stage.say(&format!(
        "Booked; Alice's TA holds {}",
        text(cast.alice.balance().await?)
    ))
}

async fn restore(stage: &mut Stage<'_>, cast: &mut Cast, backup: &str) -> Result<(), Failure> {
    let before = cast.harbour.ledger()?;
    cast.harbour.stop().await?;
    let _restored = cast
        .harbour
        .command(&["restore"], &["--from", backup, "--force"])?;
    cast.harbour.start(stage).await?;
    for _run in 0..2 {
        for device in [&cast.kiosk, &cast.alice] {
            if device.sync().await? != Some(true) {
                return Err(unexpected("the restored server does not answer"));
            }
        }
        stage.catch_up()?;
    }
    let after = cast.harbour.ledger()?;
    if (after.online, after.shadow, after.balanced) != (before.online, before.shadow, true) {
        return Err(unexpected(&format!(
            "the restored books differ: {after:?} after {before:?}"
        )));
    }

    stage
        .say("The devices handed in what they had kept; the books are what they were, cent by cent")
}

async fn retire(stage: &mut Stage<'_>, cast: &Cast) -> Result<(), Failure> {
    let held = cast.alice.balance().await?;
    let retired: Retirement = cast.alice.client.post("/v1/retirement", &json!({})).await?;
    let paid = retired.paid.as_ref().map(|paid| paid.minor_units);
    if retired.state != EndState::Booked || paid != Some(held) {
        let why = retired.reason.unwrap_or_default();
        return Err(unexpected(&format!(
            "what the TA held was not paid at once: {why}"
        )));
    }

    stage.say(&format!(
        "Its last statement says {}; the online account has it at once",
        text(held)
    ))
}

async fn lose(stage: &mut Stage<'_>, cast: &mut Cast) -> Result<(), Failure> {
    let held = cast.ferry.balance().await?;
    let status = cast.ferry.status().await?;
    let ta = status.ta.key.unwrap_or_default();
    cast.ferry.switch_off().await?;
    fs::remove_dir_all(cast.ferry.part(Part::Ta))?;
    cast.ferry.switch_on(stage).await?;
    let recovery: Recovery = cast
        .ferry
        .client
        .post("/v1/recovery", &json!({ "ta": ta }))
        .await?;
    let waiting = recovery
        .waiting
        .as_ref()
        .map(|waiting| waiting.held.minor_units);
    if recovery.state != EndState::Booked || waiting != Some(held) {
        return Err(unexpected(&format!(
            "{held} should wait for Ferry's owner: {recovery:?}"
        )));
    }
    let now: Value = cast.ferry.client.get("/v1/status").await?;
    let certified = now.pointer("/ta/state").and_then(Value::as_str);

    stage.say(&format!(
        "{} waits until every payment of the lost TA must have turned up; the new TA is {}",
        text(held),
        certified.unwrap_or("unknown")
    ))
}
