//! `Collect`: credits a payment for an open request and signs the receipt.
//!
//! It refuses nothing for limits, time or deny-list: `PrepareRequest` reserved the room, and the payer
//! is debited already.

use ops_proto::certificate::{Certificate, Kind};
use ops_proto::contract::{Output, TaRefused};
use ops_proto::message::ReceivedPayment;
use ops_proto::pay_verify::{PaymentPair, pay_verify};
use ops_proto::signed::Signed;

use super::Step;
use crate::state::{Collected, State};

pub(super) fn run(
    state: &State,
    pair: &PaymentPair,
    sender_provider: &Signed<Certificate>,
) -> Result<Step, TaRefused> {
    let keys = state.keys()?;
    let payment = pair.payment.body();
    if payment.receiver.kind != Kind::Ta || payment.receiver.key != keys.ta() {
        return Err(TaRefused::OtherReceiver);
    }
    let id = payment.request_id;
    if let Some(collected) = state.requests.get_collected(id) {
        if collected.payment != pair.hash() {
            return Err(TaRefused::RequestClosed);
        }
        return Ok(Step::Unchanged(Output::Collected(
            collected.receipt.clone(),
        )));
    }
    let open = state
        .requests
        .get_open(id)
        .ok_or(TaRefused::RequestClosed)?;
    let payee_provider = state
        .certified()?
        .provider(&open.provider)
        .ok_or(TaRefused::NotCertified)?;
    pay_verify(&keys.root, pair, sender_provider, payee_provider)
        .map_err(|_| TaRefused::PayVerify)?;
    let balance = state
        .balance
        .checked_add(payment.amount)
        .ok_or(TaRefused::BalanceLimit)?;

    let payment = pair.hash();
    let receipt = Signed::sign(ReceivedPayment { payment }, keys.ta_key());
    let mut next = Box::new(state.clone());
    next.balance = balance;
    let collected = Collected {
        payment,
        receipt: receipt.clone(),
    };
    next.requests.collect(id, collected);

    Ok(Step::Operation(next, Output::Collected(receipt)))
}
