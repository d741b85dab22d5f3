//! The play, step by step.

use std::fs;
use std::time::Duration;

use ops_proto::enrolment::Enrolment;
use serde_json::json;
use tokio::time::Instant;

use super::super::failure::Failure;
use super::books::{self, Outcome, Proven, text};
use super::device::{Device, Kind, order};
use super::processes::deadline;
use super::provider::Provider;
use super::stage::Stage;
use crate::api::client::Events;
use crate::api::types::{
    Deposit, DepositOrder, DepositState, Event, Payment, PaymentOrder, PaymentState, RadioOrder,
    RadioStatus, Request,
};
use crate::radio::sim::CUT_FILE;

const CREDIT: u64 = 10_000;
const DEPOSIT: u64 = 5_000;
const PRICE: u64 = 1_250;

/// Which of the payer's frames is the first of flight ⑤: after one for ① and one or more for ③.
const CUT_AT_FRAMES: [u32; 4] = [3, 4, 5, 6];

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Plays everything and returns where the money is in the end.
pub(super) async fn play(stage: &mut Stage<'_>) -> Result<Outcome, Failure> {
    stage.begin("A provider opens: its root, its keys, its empty books")?;
    let mut bank = Provider::open(stage, "Harbour Bank").await?;
    let enrolment = bank.enrolment()?;

    stage.begin("Alice, Kiosk and Ferry enrol; Kiosk has no trusted application (TA)")?;
    let alice = Device::start(stage, "Alice", Kind::WithTa).await?;
    let kiosk = Device::start(stage, "Kiosk", Kind::WithoutTa).await?;
    let ferry = Device::start(stage, "Ferry", Kind::WithTa).await?;
    for device in [&alice, &kiosk, &ferry] {
        register(stage, device, &enrolment).await?;
    }

    stage.begin("Alice pays 100.00 in and moves 50.00 onto her device")?;
    deposit(stage, &bank, &alice).await?;

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
        paid.push(pay(stage, &alice, payee).await?);
    }

    stage.begin("The network is back: the server runs again, and everybody settles")?;
    bank.start(stage).await?;
    settle(stage, &[&kiosk, &ferry, &alice], &alice).await?;
    let mut proven = Vec::new();
    for payment in &paid {
        proven.push(prove(stage, &alice, payment).await?);
    }

    stage.begin("Where all money is")?;
    let outcome = books::close(stage, &bank, &[&alice, &ferry], proven).await?;
    bank.stop().await?;

    Ok(outcome)
}

async fn register(
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

async fn deposit(stage: &mut Stage<'_>, bank: &Provider, alice: &Device) -> Result<(), Failure> {
    let credited = bank.credit(alice.name, CREDIT)?;
    stage.say(credited.trim())?;
    let order = DepositOrder {
        amount: order(DEPOSIT),
    };
    let deposit: Deposit = alice.client.post("/v1/deposits", &order).await?;
    if deposit.state != DepositState::Granted {
        let reason = deposit.reason.unwrap_or_default();
        return Err(unexpected(&format!(
            "the deposit was not granted: {reason}"
        )));
    }

    // The status and the token that follow belong to this step.
    let _reachable = alice.sync().await?;

    stage.say(&format!(
        "Alice's TA holds {}",
        text(alice.balance().await?)
    ))
}

/// Pays with the link cut at the worst moment, and returns the payment once its receipt is there.
async fn pay(stage: &mut Stage<'_>, alice: &Device, payee: &Device) -> Result<Payment, Failure> {
    let before = alice.balance().await?;
    let request = payee.request(PRICE).await?;
    let heard = alice.hear(payee.name).await?;
    stage.say(&format!(
        "Alice hears: {} asks for {}",
        heard.payee, heard.amount
    ))?;
    let mut broken = None;
    for frame in CUT_AT_FRAMES {
        broken = attempt(stage, alice, payee, &request, &heard.tag, frame).await?;
        if broken.is_some() {
            break;
        }
    }
    let broken = broken.ok_or_else(|| unexpected("the link was never cut after the debit"))?;
    let debited = check_cut(stage, alice, payee, &broken, before).await?;
    fs::remove_file(air(stage).join(CUT_FILE))?;
    stage.say("The radio is back: the same P goes again, byte for byte")?;
    let received = received(alice, &broken).await?;
    if alice.balance().await? != debited || received.hash != broken.hash {
        return Err(unexpected("the payment was made a second time"));
    }
    stage.say(&format!(
        "Receipt verified; one debit: Alice's TA still holds {}",
        text(debited)
    ))?;

    Ok(Payment {
        resumed: true,
        ..received
    })
}

/// Pays once; returns the payment if the link broke after the debit, nothing if it broke before.
async fn attempt(
    stage: &mut Stage<'_>,
    alice: &Device,
    payee: &Device,
    request: &Request,
    tag: &str,
    frame: u32,
) -> Result<Option<Payment>, Failure> {
    let cut = RadioOrder {
        cut_at_frame: frame,
    };
    let _radio: RadioStatus = alice.client.post("/v1/radio", &cut).await?;
    let order = PaymentOrder {
        tag: Some(tag.to_owned()),
        amount: Some(order(PRICE)),
        ..PaymentOrder::default()
    };
    let started: Payment = alice.client.post("/v1/payments", &order).await?;
    let path = format!("/v1/payments/{}", started.id);
    let mut events = alice.client.events(&format!("{path}/events")).await?;
    let mut is_approved = false;
    while let Some(payment) = next(&mut events).await? {
        match payment.state {
            PaymentState::AwaitsApproval if !is_approved => {
                is_approved = true;
                compare_codes(stage, payee, request, &payment).await?;
                let _approved: Payment = alice
                    .client
                    .post(&format!("{path}/approve"), &json!({}))
                    .await?;
            }
            PaymentState::Searching | PaymentState::AwaitsApproval | PaymentState::Paying => {}
            PaymentState::Resuming | PaymentState::Unconfirmed => {
                fs::write(air(stage).join(CUT_FILE), "")?;
                return Ok(Some(payment));
            }
            PaymentState::Failed => return Ok(None),
            PaymentState::Received | PaymentState::Held | PaymentState::Declined => {
                return Err(unexpected(
                    "the payment went through before the link was cut",
                ));
            }
        }
    }

    Err(unexpected("the payment has no end"))
}

async fn next(events: &mut Events) -> Result<Option<Payment>, Failure> {
    loop {
        let event = tokio::time::timeout_at(deadline(), events.next())
            .await
            .map_err(|_elapsed| unexpected("the payment does not go on"))?;
        match event? {
            Some(Event::Payment { payment }) => return Ok(Some(payment)),
            Some(
                Event::Request { .. } | Event::Sync { .. } | Event::Radio { .. } | Event::Lost,
            ) => {}
            None => return Ok(None),
        }
    }
}

/// What the two people do: read both screens.
async fn compare_codes(
    stage: &mut Stage<'_>,
    payee: &Device,
    request: &Request,
    payment: &Payment,
) -> Result<(), Failure> {
    let shown = payee.request_of(&request.id).await?.code;
    let code = payment.code.clone();
    if code.is_none() || code != shown {
        return Err(unexpected(&format!(
            "the codes differ: {code:?} and {shown:?}"
        )));
    }
    let code = code.unwrap_or_default();

    stage.say(&format!("Both screens show {code}; Alice says yes"))
}

/// The worst moment: the payer's TA has debited, the payee knows nothing.
async fn check_cut(
    stage: &mut Stage<'_>,
    alice: &Device,
    payee: &Device,
    broken: &Payment,
    before: u64,
) -> Result<u64, Failure> {
    let debited = alice.balance().await?;
    if before.checked_sub(PRICE) != Some(debited) {
        return Err(unexpected("the TA has not debited exactly the price"));
    }
    let has_it = payee
        .payments()
        .await?
        .iter()
        .any(|payment| payment.hash == broken.hash);
    if has_it {
        return Err(unexpected("the payee has the payment already"));
    }
    stage.say(&format!(
        "CUT: Alice's TA holds {}, {} has nothing",
        text(debited),
        payee.name
    ))?;

    Ok(debited)
}

/// Waits until the payer holds the receipt.
async fn received(alice: &Device, broken: &Payment) -> Result<Payment, Failure> {
    let deadline = deadline();
    while Instant::now() < deadline {
        let payment = alice.payment(&broken.id).await?;
        if payment.state == PaymentState::Received && payment.receipt_verified {
            return Ok(payment);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }

    Err(unexpected("the payment was not resumed"))
}

/// Syncs everybody until the payer knows where all its money went.
async fn settle(stage: &mut Stage<'_>, devices: &[&Device], alice: &Device) -> Result<(), Failure> {
    let deadline = deadline();
    while Instant::now() < deadline {
        for device in devices {
            if device.sync().await? != Some(true) {
                return Err(unexpected("the server does not answer"));
            }
            stage.catch_up()?;
        }
        let payments = alice.payments().await?;
        if payments.iter().all(|payment| payment.settled) {
            return Ok(());
        }
    }

    Err(unexpected("not every payment has settled"))
}

async fn prove(
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

fn air(stage: &Stage<'_>) -> std::path::PathBuf {
    stage.folder().join("air")
}

fn unexpected(what: &str) -> Failure {
    Failure::refused("demo", what, "the logs tell more")
}
