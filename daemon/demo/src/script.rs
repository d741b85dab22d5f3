//! The play, step by step.

use api_types::{Deposit, DepositOrder, DepositState, Payment};
use blepay::failure::Failure;
use ops_proto::enrolment::Enrolment;
use tokio::time::Instant;

use super::books::{self, Member, Outcome, Proven};
use super::device::{Device, DeviceKind, order, text};
use super::payment::{pay_with_cut, unexpected};
use super::processes::deadline;
use super::provider::Provider;
use super::stage::Stage;

/// What the basic play moves, in minor units.
const CREDIT: u64 = 10_000;
const DEPOSIT: u64 = 5_000;
const PRICE: u64 = 1_250;

/// Plays everything and returns where the money is in the end.
pub(super) async fn play(stage: &mut Stage<'_>) -> Result<Outcome, Failure> {
    stage.begin("A provider opens: its root, its keys, its empty books")?;
    let mut bank = Provider::open(stage, "Harbour Bank").await?;
    let enrolment = bank.enrolment()?;

    stage.begin("Alice, Kiosk and Ferry enrol; Kiosk has no trusted application (TA)")?;
    let alice = Device::start(stage, "Alice", DeviceKind::WithTa).await?;
    let kiosk = Device::start(stage, "Kiosk", DeviceKind::WithoutTa).await?;
    let ferry = Device::start(stage, "Ferry", DeviceKind::WithTa).await?;
    for device in [&alice, &kiosk, &ferry] {
        register(stage, device, &enrolment).await?;
    }

    stage.begin("Alice pays 100.00 in and moves 50.00 onto her device")?;
    deposit(stage, &bank, &alice, (CREDIT, DEPOSIT)).await?;

    stage.begin("The network goes: the server is stopped")?;
    bank.stop().await?;
    if alice.sync().await? != Some(false) {
        return Err(unexpected("the server still answers"));
    }
    stage.say("blepay sync: the server cannot be reached")?;

    let mut paid = Vec::new();
    for payee in [&kiosk, &ferry] {
        stage.begin(&format!(
            "Offline, Alice pays {} to {}; the link is cut after the debit, before P arrives",
            text(PRICE),
            payee.name
        ))?;
        paid.push(pay_with_cut(stage, &alice, payee, PRICE).await?);
    }

    stage.begin("The network is back: the server runs again, and everybody settles")?;
    bank.start(stage).await?;
    settle(stage, &[&kiosk, &ferry, &alice], &[&alice]).await?;
    let mut proven = Vec::new();
    for payment in &paid {
        proven.push(prove(stage, &alice, payment).await?);
    }

    stage.begin("Where all money is")?;
    let member = Member {
        bank: &bank,
        devices: vec![&alice, &ferry],
        convicted: Vec::new(),
    };
    let outcome = books::close(stage, &[member], proven).await?;
    bank.stop().await?;

    Ok(outcome)
}

/// Enrols a device and waits until its provider has certified it.
pub(super) async fn register(
    stage: &mut Stage<'_>,
    device: &Device,
    enrolment: &Enrolment,
) -> Result<(), Failure> {
    let status = device.enrol(enrolment).await?;
    let is_registered = status
        .identity
        .as_ref()
        .is_some_and(|identity| identity.registered);
    if !is_registered {
        let error = status.sync.parts.iter().find_map(|part| part.error.clone());
        let why = error.map_or_else(String::new, |error| error.message);
        return Err(unexpected(&format!(
            "{} is not registered: {why}",
            device.name
        )));
    }

    stage.catch_up()
}

/// Pays in, and moves some of it onto the device.
pub(super) async fn deposit(
    stage: &mut Stage<'_>,
    bank: &Provider,
    device: &Device,
    (credit, amount): (u64, u64),
) -> Result<(), Failure> {
    let credited = bank.credit(device.name, credit)?;
    stage.say(credited.trim())?;
    let order = DepositOrder {
        amount: order(amount),
    };
    let deposit: Deposit = device.client.post("/v1/deposits", &order).await?;
    if deposit.state != DepositState::Granted {
        let reason = deposit.reason.unwrap_or_default();
        return Err(unexpected(&format!(
            "the deposit was not granted: {reason}"
        )));
    }

    // The status and the token that follow belong to this step.
    let _reachable = device.sync().await?;

    stage.say(&format!(
        "{}'s TA holds {}",
        device.name,
        text(device.balance().await?)
    ))
}

/// Syncs everybody until all payers know where all their money went.
pub(super) async fn settle(
    stage: &mut Stage<'_>,
    devices: &[&Device],
    payers: &[&Device],
) -> Result<(), Failure> {
    let deadline = deadline();
    while Instant::now() < deadline {
        for device in devices {
            if device.sync().await? != Some(true) {
                return Err(unexpected("the server does not answer"));
            }
            stage.catch_up()?;
        }
        let mut has_settled = true;
        for payer in payers {
            let payments = payer.payments().await?;
            has_settled &= payments.iter().all(|payment| payment.settled);
        }
        if has_settled {
            return Ok(());
        }
    }

    Err(unexpected("not every payment has settled"))
}

/// Checks a payment's receipt as a third party would.
pub(super) async fn prove(
    stage: &mut Stage<'_>,
    alice: &Device,
    payment: &Payment,
) -> Result<Proven, Failure> {
    let proven = Proven {
        resumed: payment.resumed,
        ..books::prove(alice, payment).await?
    };
    if !proven.receipt_verified {
        return Err(unexpected("a third party could not verify the receipt"));
    }
    let settlement = proven.settlement.as_deref().unwrap_or("not settled");
    stage.say(&format!(
        "{} to {}: {settlement}; P, R and receipt verified from their bytes alone",
        text(proven.amount),
        proven.payee
    ))?;

    Ok(proven)
}
