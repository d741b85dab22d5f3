//! Act three: the network is back. Claims, forwards between the providers, the mailbox, settlement.

use std::time::Duration;

use blepay::failure::Failure;
use serde_json::Value;
use tokio::time::Instant;

use super::super::books::Proven;
use super::super::device::text;
use super::super::payment::unexpected;
use super::super::processes::deadline;
use super::super::provider::Provider;
use super::super::script;
use super::super::stage::Stage;
use super::{Cast, Paid, Who};

pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(200);

pub(super) async fn play(
    stage: &mut Stage<'_>,
    cast: &mut Cast,
    paid: Vec<Paid>,
) -> Result<Vec<Proven>, Failure> {
    stage.begin("The network is back: Alice hands in what Ferry never got")?;
    cast.go_online(stage).await?;
    let before = cast.ferry_is_owed(&paid)?;
    if cast.alice.sync().await? != Some(true) {
        return Err(unexpected("Alice's server does not answer"));
    }

    stage.begin("Ferry is back too: the payment waits in its mailbox, and its TA collects it")?;
    cast.ferry.switch_on(stage).await?;
    read_mailbox(stage, cast, &before).await?;

    stage.begin("Everybody settles; each provider presents every single P to the other")?;
    let devices = [&cast.kiosk, &cast.ferry, &cast.alice];
    script::settle(stage, &devices, &[&cast.alice, &cast.ferry]).await?;
    let mut proven = Vec::new();
    for paid in paid.iter().filter(|paid| paid.payment.receipt_verified) {
        let payer = match paid.payer {
            Who::Alice => &cast.alice,
            Who::Ferry => &cast.ferry,
        };
        proven.push(script::prove(stage, payer, &paid.payment).await?);
    }

    stage.begin("What the providers owe each other is paid by other means, and booked once")?;
    settle_books(stage, cast).await?;

    Ok(proven)
}

impl Cast {
    /// Returns the hash of the payment that never reached Ferry.
    fn ferry_is_owed(&self, paid: &[Paid]) -> Result<String, Failure> {
        paid.iter()
            .find(|paid| !paid.payment.receipt_verified)
            .and_then(|paid| paid.payment.hash.clone())
            .ok_or_else(|| unexpected("every payment has a receipt"))
    }
}

async fn read_mailbox(stage: &mut Stage<'_>, cast: &Cast, hash: &str) -> Result<(), Failure> {
    let deadline = deadline();
    while Instant::now() < deadline {
        if cast.ferry.sync().await? != Some(true) {
            return Err(unexpected("Ferry's server does not answer"));
        }
        stage.catch_up()?;
        let payments = cast.ferry.payments().await?;
        let found = payments
            .iter()
            .find(|payment| payment.hash.as_deref() == Some(hash));
        if let Some(payment) = found {
            let amount = payment
                .amount
                .as_ref()
                .map_or(0, |amount| amount.minor_units);
            return stage.say(&format!(
                "{} came by way of the servers; the two devices never met again",
                text(amount)
            ));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }

    Err(unexpected("the payment never came out of the mailbox"))
}

/// Pays what is owed, until neither provider owes the other.
async fn settle_books(stage: &mut Stage<'_>, cast: &Cast) -> Result<(), Failure> {
    let mut settled = 0_u32;
    for (debtor, creditor) in [(&cast.harbour, &cast.island), (&cast.island, &cast.harbour)] {
        let owed = owed(debtor)?;
        if owed == 0 {
            continue;
        }
        settled = settled.saturating_add(1);
        let amount = text(owed);
        for _again in 0..2 {
            let _booked = debtor.command(
                &["positions", "settle", creditor.name],
                &[
                    "--amount",
                    &amount,
                    "--reference",
                    "transfer of 22 November",
                ],
            )?;
        }
        stage.say(&format!(
            "{} pays {amount} to {}",
            debtor.name, creditor.name
        ))?;
        receive(creditor, debtor, &amount).await?;
    }
    if settled == 0 {
        return Err(unexpected("neither provider owes the other anything"));
    }
    let deadline = deadline();
    while Instant::now() < deadline {
        if cast.harbour.ledger()?.position == 0 && cast.island.ledger()?.position == 0 {
            return stage.say("Said twice, booked once; both positions are zero");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }

    Err(unexpected("the settlement does not arrive"))
}

/// Confirms at the creditor that the transfer came, once the debtor's server has announced it.
async fn receive(creditor: &Provider, debtor: &Provider, amount: &str) -> Result<(), Failure> {
    let deadline = deadline();
    loop {
        let options = ["--amount", amount, "--reference", "transfer of 22 November"];
        match creditor.command(&["positions", "receive", debtor.name], &options) {
            Ok(_) => return Ok(()),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

/// Returns what a provider owes the other, by its own books.
fn owed(provider: &Provider) -> Result<u64, Failure> {
    let positions: Vec<Value> = provider.ask(&["positions"], &["--json"])?;
    let owed = |position: &Value| position.get("owed_by_us").and_then(Value::as_u64);

    Ok(positions
        .iter()
        .filter_map(owed)
        .fold(0, u64::saturating_add))
}
