//! A payment of the demo, as two people and their screens go through it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use api_types::client::Events;
use api_types::protection::ApproveOrder;
use api_types::{Event, Payment, PaymentOrder, PaymentState, RadioOrder, RadioStatus, Request};
use blepay::failure::Failure;
use ops_proto::contract::Pin;
use radio::sockets::CUT_FILE;
use serde_json::json;
use tokio::time::Instant;

use super::device::{Device, order, text};
use super::processes::deadline;
use super::stage::Stage;

/// Which of the payer's frames is the first of flight ⑤: after one for ① and one or more for ③.
const CUT_AT_FRAMES: [u32; 4] = [3, 4, 5, 6];

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A payment that left its payer without reaching the payee, and what the payer's TA holds now.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) payment: Payment,
    pub(super) debited: u64,
}

/// Pays with the link cut at the worst moment, and returns the payment once its receipt is there.
pub(super) async fn pay_with_cut(
    stage: &mut Stage<'_>,
    payer: &Device,
    payee: &Device,
    amount: u64,
) -> Result<Payment, Failure> {
    let broken = break_off(stage, payer, payee, amount).await?;
    mend_air(stage)?;
    stage.say("The radio is back: the same P goes again, byte for byte")?;
    let received = received(payer, &broken.payment).await?;
    if payer.balance().await? != broken.debited || received.hash != broken.payment.hash {
        return Err(unexpected("the payment was made a second time"));
    }
    stage.say(&format!(
        "Receipt verified; one debit: {}'s TA still holds {}",
        payer.name,
        text(broken.debited)
    ))?;

    Ok(Payment {
        resumed: true,
        ..received
    })
}

/// Pays with the link cut after the debit and before P arrives; the air stays cut.
pub(super) async fn break_off(
    stage: &mut Stage<'_>,
    payer: &Device,
    payee: &Device,
    amount: u64,
) -> Result<Broken, Failure> {
    let before = payer.balance().await?;
    let request = payee.request(amount).await?;
    let heard = payer.hear(payee.name, amount).await?;
    stage.say(&format!(
        "{} hears: {} of {} asks for {}",
        payer.name, heard.payee, heard.provider, heard.amount
    ))?;
    for frame in CUT_AT_FRAMES {
        let cut = RadioOrder {
            cut_at_frame: frame,
        };
        let _radio: RadioStatus = payer.client.post("/v1/radio", &cut).await?;
        let screens = Screens {
            payer,
            payee,
            request: &request,
            pin: None,
        };
        let payment = screens.pay(stage, &heard.tag, amount).await?;
        if matches!(
            payment.state,
            PaymentState::Resuming | PaymentState::Unconfirmed
        ) {
            fs::write(air(stage).join(CUT_FILE), "")?;
            let debited = check_cut(stage, payer, payee, &payment, (before, amount)).await?;
            return Ok(Broken { payment, debited });
        }
        if payment.state != PaymentState::Failed {
            return Err(unexpected(
                "the payment went through before the link was cut",
            ));
        }
    }

    Err(unexpected("the link was never cut after the debit"))
}

/// Gives the radio back to everybody.
pub(super) fn mend_air(stage: &Stage<'_>) -> Result<(), Failure> {
    Ok(fs::remove_file(air(stage).join(CUT_FILE))?)
}

/// Pays, and returns the payment once it has come to an end, whichever.
pub(super) async fn pay(
    stage: &mut Stage<'_>,
    payer: &Device,
    payee: &Device,
    amount: u64,
    pin: Option<&str>,
) -> Result<Payment, Failure> {
    let request = payee.request(amount).await?;

    pay_request(stage, payer, payee, &request, pin).await
}

/// Pays a request that is open, and returns the payment once it has come to an end, whichever.
pub(super) async fn pay_request(
    stage: &mut Stage<'_>,
    payer: &Device,
    payee: &Device,
    request: &Request,
    pin: Option<&str>,
) -> Result<Payment, Failure> {
    let amount = request.amount.minor_units;
    let heard = payer.hear(payee.name, amount).await?;
    let screens = Screens {
        payer,
        payee,
        request,
        pin,
    };

    screens.pay(stage, &heard.tag, amount).await
}

/// Says that a payment went through, or why it did not.
pub(super) fn must_be_received(payment: Payment) -> Result<Payment, Failure> {
    if payment.state == PaymentState::Received && payment.receipt_verified {
        return Ok(payment);
    }
    let why = payment.reason.unwrap_or_default();

    Err(unexpected(&format!(
        "the payment is {:?} instead of received: {why}",
        payment.state
    )))
}

/// Two screens and the people in front of them.
#[derive(Debug)]
struct Screens<'a> {
    payer: &'a Device,
    payee: &'a Device,
    request: &'a Request,
    pin: Option<&'a str>,
}

impl Screens<'_> {
    /// Pays once; returns the payment when it has come to an end, or its link is broken.
    async fn pay(&self, stage: &mut Stage<'_>, tag: &str, amount: u64) -> Result<Payment, Failure> {
        let order = PaymentOrder {
            tag: Some(tag.to_owned()),
            amount: Some(order(amount)),
            ..PaymentOrder::default()
        };
        let client = &self.payer.client;
        let started: Payment = client.post("/v1/payments", &order).await?;
        let path = format!("/v1/payments/{}", started.id);
        let mut events = client.events(&format!("{path}/events")).await?;
        let mut is_approved = false;
        while let Some(payment) = next(&mut events).await? {
            if payment.state == PaymentState::Resuming || payment.state.is_final() {
                return Ok(payment);
            }
            if payment.state == PaymentState::AwaitsApproval && !is_approved {
                is_approved = true;
                self.compare_codes(stage, &payment).await?;
                let order = ApproveOrder {
                    pin: self.pin.map(|pin| Pin::new(pin.to_owned())),
                };
                let approved = client
                    .post::<Payment>(&format!("{path}/approve"), &order)
                    .await;
                if let Err(refused) = approved {
                    stage.say(&format!("{}'s screen: {}", self.payer.name, refused))?;
                    let _declined: Payment =
                        client.post(&format!("{path}/decline"), &json!({})).await?;
                }
            }
        }

        Err(unexpected("the payment has no end"))
    }

    /// What the two people do: read both screens.
    async fn compare_codes(&self, stage: &mut Stage<'_>, payment: &Payment) -> Result<(), Failure> {
        let shown = self.payee.request_of(&self.request.id).await?.code;
        let code = payment.code.clone();
        if code.is_none() || code != shown {
            return Err(unexpected(&format!(
                "the codes differ: {code:?} and {shown:?}"
            )));
        }
        let code = code.unwrap_or_default();

        stage.say(&format!(
            "Both screens show {code}; {} says yes",
            self.payer.name
        ))
    }
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

/// The worst moment: the payer's TA has debited, the payee knows nothing.
async fn check_cut(
    stage: &mut Stage<'_>,
    payer: &Device,
    payee: &Device,
    broken: &Payment,
    (before, amount): (u64, u64),
) -> Result<u64, Failure> {
    let debited = payer.balance().await?;
    if before.checked_sub(amount) != Some(debited) {
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
        "CUT: {}'s TA holds {}, {} has nothing",
        payer.name,
        text(debited),
        payee.name
    ))?;

    Ok(debited)
}

/// Waits until the payer holds the receipt.
async fn received(payer: &Device, broken: &Payment) -> Result<Payment, Failure> {
    let deadline = deadline();
    while Instant::now() < deadline {
        let payment = payer.payment(&broken.id).await?;
        if payment.state == PaymentState::Received && payment.receipt_verified {
            return Ok(payment);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }

    Err(unexpected("the payment was not resumed"))
}

fn air(stage: &Stage<'_>) -> PathBuf {
    stage.folder().join("air")
}

/// Says what the demo did not expect.
pub(super) fn unexpected(what: &str) -> Failure {
    Failure::refused("demo", what, "the logs tell more")
}
