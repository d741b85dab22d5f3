//! Act two, without a network: a cut link, a PIN, money that is spent on, a refund, and a payee who
//! goes away before P arrives.

use api_types::{Payment, PaymentState, Request};
use blepay::failure::Failure;
use serde_json::json;

use super::super::device::order;
use super::super::device::text;
use super::super::payment::{
    self, break_off, must_be_received, pay_request, pay_with_cut, unexpected,
};
use super::super::stage::Stage;
use super::{Cast, Paid, Who};

const FARE: u64 = 1_250;
const LUNCH: u64 = 1_500;
const SPENT_ON: u64 = 500;
const REFUND: u64 = 250;
const LATE: u64 = 300;
pub(super) const PIN: &str = "4711";
const WRONG_PIN: &str = "0815";
/// What Alice's device pays without asking for her PIN.
const FLOOR: u64 = 2_000;

pub(super) async fn play(stage: &mut Stage<'_>, cast: &mut Cast) -> Result<Vec<Paid>, Failure> {
    stage.begin("Alice sets a PIN: more than 20.00 since the last one takes it again")?;
    set_pin(stage, cast).await?;

    stage.begin("The network goes: both servers are stopped")?;
    cast.go_offline().await?;
    stage.say("blepay sync: the server cannot be reached")?;

    stage.begin(
        "Alice (Harbour Bank) pays 12.50 to Ferry (Island Bank); the link is cut after the debit",
    )?;
    let fare = pay_with_cut(stage, &cast.alice, &cast.ferry, FARE).await?;

    stage
        .begin("Alice pays 15.00 to Kiosk: now her TA asks for the PIN, and takes no wrong one")?;
    let lunch = pay_with_pin(stage, cast).await?;

    stage.begin("Ferry spends on what it collected a moment ago: 5.00 to Kiosk, still offline")?;
    let spent = payment::pay(stage, &cast.ferry, &cast.kiosk, SPENT_ON, None).await?;
    let spent = must_be_received(spent)?;

    stage.begin("Alice asks Ferry for 2.50 of her fare back")?;
    let refund = refund(stage, cast, &fare).await?;

    stage.begin("Alice pays 3.00 to Ferry; the link is cut, and Ferry sails before P arrives")?;
    let late = break_off(stage, &cast.alice, &cast.ferry, LATE).await?;
    cast.ferry.switch_off().await?;
    payment::mend_air(stage)?;
    stage.say("Ferry is out of reach; Alice's device keeps P, which nobody can cancel")?;

    let alice = |payment| Paid {
        payer: Who::Alice,
        payment,
    };
    let ferry = |payment| Paid {
        payer: Who::Ferry,
        payment,
    };

    Ok(vec![
        alice(fare),
        alice(lunch),
        ferry(spent),
        ferry(refund),
        alice(late.payment),
    ])
}

async fn set_pin(stage: &mut Stage<'_>, cast: &Cast) -> Result<(), Failure> {
    let pin = json!({ "new": PIN, "floor": { "minor_units": FLOOR, "currency": "EUR" } });
    let _set: serde_json::Value = cast.alice.client.put("/v1/pin", &pin).await?;

    stage.say("It went to the TA, and is nowhere else")
}

async fn pay_with_pin(stage: &mut Stage<'_>, cast: &Cast) -> Result<Payment, Failure> {
    let before = cast.alice.balance().await?;
    let request = cast.kiosk.request(LUNCH).await?;
    for pin in [None, Some(WRONG_PIN)] {
        let refused = pay_request(stage, &cast.alice, &cast.kiosk, &request, pin).await?;
        if refused.state == PaymentState::Received || cast.alice.balance().await? != before {
            return Err(unexpected("the TA paid without the PIN"));
        }
    }
    let paid = pay_request(stage, &cast.alice, &cast.kiosk, &request, Some(PIN)).await?;
    stage.say("With the right PIN the TA pays")?;

    must_be_received(paid)
}

async fn refund(stage: &mut Stage<'_>, cast: &Cast, fare: &Payment) -> Result<Payment, Failure> {
    let hash = fare.hash.as_deref().unwrap_or_default();
    let path = format!("/v1/payments/{hash}/refund");
    let asked: Request = cast
        .alice
        .client
        .post(&path, &json!({ "amount": order(REFUND) }))
        .await?;
    let refunded = pay_request(stage, &cast.ferry, &cast.alice, &asked, None).await?;
    let refunded = must_be_received(refunded)?;
    if refunded.refund_of.as_deref() != Some(hash) {
        return Err(unexpected("the refund does not name what it refunds"));
    }
    stage.say(&format!(
        "{} back; P names the payment that it refunds, so no second device refunds it again unseen",
        text(REFUND)
    ))?;

    Ok(refunded)
}
