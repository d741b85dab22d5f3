//! `Pay`: debits and signs P, in one durable step. A statement.

use ops_proto::amount::Balance;
use ops_proto::certificate::{Certificate, ChainRefused};
use ops_proto::contract::{Output, Pin, TaRefused};
use ops_proto::message::{Payment, Receiver, RequestPayment};
use ops_proto::pay_verify::{PayVerifyRefused, PaymentPair, verify_request};
use ops_proto::signed::Signed;
use ops_proto::statement::Moves;
use ops_proto::time::Time;

use super::{Step, Tried};
use crate::limits::PAYMENTS_KEPT_MAX;
use crate::state::{PinVerdict, State};

/// What is asked of `Pay`.
pub(super) struct PayOrder<'a> {
    pub(super) request: &'a Signed<RequestPayment>,
    pub(super) payee_provider: &'a Signed<Certificate>,
    pub(super) now: Time,
    pub(super) pin: Option<&'a Pin>,
}

pub(super) fn run(state: &State, order: &PayOrder<'_>, tried: Tried) -> Result<Step, TaRefused> {
    let request = order.request;
    let payee = request.body().payee.body().subject;
    if let Some(paid) = state.payments.get(payee, request.body().request_id) {
        if paid.request.hash() != request.hash() {
            return Err(TaRefused::RequestReused);
        }
        return Ok(Step::Unchanged(Output::Paid(paid.clone())));
    }
    check_request(state, order)?;
    check_replaced(state, request.body())?;
    let balance = check_limits(state, request.body())?;

    let amount = request.body().amount;
    let verdict = state.pin.check_payment(order.pin, amount, tried)?;
    let mut next = Box::new(state.clone());
    if verdict == PinVerdict::CountFirst {
        next.pin.count_try();
        return Ok(Step::Try(next));
    }
    let pair = sign(state, request)?;
    next.pin.paid(verdict, amount);
    next.balance = balance;
    next.signed(pair.payment.body().position, pair.hash());
    next.payments.record(pair.clone());

    Ok(Step::Operation(next, Output::Paid(pair)))
}

fn sign(state: &State, request: &Signed<RequestPayment>) -> Result<PaymentPair, TaRefused> {
    let body = request.body();
    let payment = Payment {
        sender: state.certified()?.certificate().clone(),
        position: state.chain.next(Moves::J),
        amount: body.amount,
        currency: body.currency,
        receiver: Receiver::of(body),
        request_id: body.request_id,
        request_hash: request.hash(),
        refund_of: body.refund_of,
    };

    Ok(PaymentPair {
        payment: Signed::sign(payment, state.keys()?.ta_key()),
        request: request.clone(),
    })
}

fn check_request(state: &State, order: &PayOrder<'_>) -> Result<(), TaRefused> {
    let keys = state.live_keys()?;
    let certified = state.certified()?;
    if !certified.is_valid_at(state.present(order.now)) {
        return Err(TaRefused::CertificateNotValid);
    }
    if order.request.body().payee.body().subject == keys.ta() {
        return Err(TaRefused::OwnRequest);
    }
    let body = verify_request(&keys.root, order.request, order.payee_provider).map_err(refused)?;
    if body.currency != certified.currency() {
        return Err(TaRefused::Currency);
    }
    if !certified.is_valid_at(body.issued) {
        return Err(TaRefused::Time);
    }

    state.check_issued(body.issued)
}

/// Refuses one of two requests of which one replaces the other, when the other was paid.
fn check_replaced(state: &State, request: &RequestPayment) -> Result<(), TaRefused> {
    let payee = request.payee.body().subject;
    let replaced = request.replaces;
    if replaced.is_some_and(|id| state.payments.get(payee, id).is_some()) {
        return Err(TaRefused::ReplacedWasPaid);
    }
    if state.payments.has_replacement(payee, request.request_id) {
        return Err(TaRefused::ReplacedWasPaid);
    }

    Ok(())
}

/// Returns the balance after the payment.
fn check_limits(state: &State, request: &RequestPayment) -> Result<Balance, TaRefused> {
    let limits = state.certified()?.limits();
    if request.amount > limits.payment_max {
        return Err(TaRefused::PaymentLimit);
    }
    let payments = &state.payments;
    let total = payments.total.saturating_add(request.amount.minor_units());
    let is_full = payments.len() >= PAYMENTS_KEPT_MAX;
    if is_full || payments.count >= limits.paid_count.refuse || total > limits.paid_total.refuse {
        return Err(TaRefused::OfflineLimit);
    }

    state
        .balance
        .checked_sub(request.amount)
        .ok_or(TaRefused::Balance)
}

const fn refused(reason: PayVerifyRefused) -> TaRefused {
    match reason {
        PayVerifyRefused::PayeeChain(
            ChainRefused::ProviderNotValidAt(_) | ChainRefused::LeafNotValidAt(_),
        ) => TaRefused::Time,
        PayVerifyRefused::PayeeChain(
            ChainRefused::NotAProvider
            | ChainRefused::OtherRoot
            | ChainRefused::ProviderSignature
            | ChainRefused::OtherIssuer
            | ChainRefused::LeafIsProvider
            | ChainRefused::LeafSignature
            | ChainRefused::Currency
            | ChainRefused::LimitsAboveProvider,
        ) => TaRefused::Chain,
        PayVerifyRefused::RequestSignature => TaRefused::Signature,
        PayVerifyRefused::Currency => TaRefused::Currency,
        PayVerifyRefused::SenderChain(_)
        | PayVerifyRefused::SenderKind
        | PayVerifyRefused::PaymentSignature
        | PayVerifyRefused::AboveSenderLimit
        | PayVerifyRefused::OtherReceiver
        | PayVerifyRefused::OtherRequest
        | PayVerifyRefused::OtherAmount
        | PayVerifyRefused::OtherRefund => TaRefused::PayVerify,
    }
}
