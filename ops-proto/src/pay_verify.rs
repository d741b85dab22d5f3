//! `PayVerify`: whether a payment pays a request.

use serde::{Deserialize, Serialize};

use crate::certificate::{
    Afresh, Certificate, ChainRefused, Kind, VerifyCertificate, verify_chain_with,
};
use crate::id::Digest;
use crate::key::PublicKey;
use crate::message::{Payment, Receiver, RequestPayment};
use crate::signed::Signed;

/// A payment with its request: P never travels or is stored without its R.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentPair {
    /// P.
    pub payment: Signed<Payment>,
    /// R.
    pub request: Signed<RequestPayment>,
}

impl PaymentPair {
    /// Returns the hash of the payment, which names the pair.
    #[must_use]
    pub fn hash(&self) -> Digest {
        self.payment.hash()
    }

    /// Returns the key of the sender's TA.
    #[must_use]
    pub fn sender_key(&self) -> PublicKey {
        self.payment.body().sender.body().subject
    }
}

/// Proof that `PayVerify` = 1 for a pair; only [`pay_verify`] and [`pay_verify_with`] make one.
#[derive(Debug)]
pub struct PayVerified<'a> {
    pair: &'a PaymentPair,
}

impl<'a> PayVerified<'a> {
    /// Returns the pair that was verified.
    #[must_use]
    pub const fn pair(&self) -> &'a PaymentPair {
        self.pair
    }
}

/// Checks a payment against its request, and both chains up to the root (`PayVerify` of the paper).
///
/// Chains are judged at R's `issued`: time never burns a payment that was good when it was asked for.
///
/// # Errors
///
/// [`PayVerifyRefused`] names the first rule that is broken.
pub fn pay_verify<'a>(
    root: &PublicKey,
    pair: &'a PaymentPair,
    sender_provider: &Signed<Certificate>,
    payee_provider: &Signed<Certificate>,
) -> Result<PayVerified<'a>, PayVerifyRefused> {
    pay_verify_with(&Afresh, root, pair, sender_provider, payee_provider)
}

/// Checks a payment as [`pay_verify`] does, with what remembers certificates whose signatures fit: who
/// checks many payments checks their certificates once.
///
/// # Errors
///
/// As [`pay_verify`].
pub fn pay_verify_with<'a>(
    signatures: &impl VerifyCertificate,
    root: &PublicKey,
    pair: &'a PaymentPair,
    sender_provider: &Signed<Certificate>,
    payee_provider: &Signed<Certificate>,
) -> Result<PayVerified<'a>, PayVerifyRefused> {
    let request = verify_request_with(signatures, root, &pair.request, payee_provider)?;
    let payment = pair.payment.body();
    check_fit(payment, request, &pair.request)?;

    let sender = verify_chain_with(
        signatures,
        root,
        sender_provider,
        &payment.sender,
        request.issued,
    )
    .map_err(PayVerifyRefused::SenderChain)?;
    let limits = sender.limits().ok_or(PayVerifyRefused::SenderKind)?;
    if payment.amount > limits.payment_max {
        return Err(PayVerifyRefused::AboveSenderLimit);
    }
    if sender.leaf().currency != payment.currency {
        return Err(PayVerifyRefused::Currency);
    }
    signatures
        .prepare(&sender.leaf().subject)
        .and_then(|key| pair.payment.verify_prepared(&key))
        .map_err(|_| PayVerifyRefused::PaymentSignature)?;

    Ok(PayVerified { pair })
}

/// Checks a request and the payee's chain at the request's `issued`.
///
/// # Errors
///
/// The `Payee…`, `Request…` and `Currency` variants of [`PayVerifyRefused`].
pub fn verify_request<'a>(
    root: &PublicKey,
    request: &'a Signed<RequestPayment>,
    payee_provider: &Signed<Certificate>,
) -> Result<&'a RequestPayment, PayVerifyRefused> {
    verify_request_with(&Afresh, root, request, payee_provider)
}

fn verify_request_with<'a>(
    signatures: &impl VerifyCertificate,
    root: &PublicKey,
    request: &'a Signed<RequestPayment>,
    payee_provider: &Signed<Certificate>,
) -> Result<&'a RequestPayment, PayVerifyRefused> {
    let body = request.body();
    let payee = verify_chain_with(signatures, root, payee_provider, &body.payee, body.issued)
        .map_err(PayVerifyRefused::PayeeChain)?;
    if payee.leaf().currency != body.currency {
        return Err(PayVerifyRefused::Currency);
    }

    signatures
        .prepare(&payee.leaf().subject)
        .and_then(|key| request.verify_prepared(&key))
        .map_err(|_| PayVerifyRefused::RequestSignature)
}

fn check_fit(
    payment: &Payment,
    request: &RequestPayment,
    signed_request: &Signed<RequestPayment>,
) -> Result<(), PayVerifyRefused> {
    if payment.receiver != Receiver::of(request) {
        return Err(PayVerifyRefused::OtherReceiver);
    }
    if payment.request_id != request.request_id || payment.request_hash != signed_request.hash() {
        return Err(PayVerifyRefused::OtherRequest);
    }
    if payment.amount != request.amount {
        return Err(PayVerifyRefused::OtherAmount);
    }
    if payment.currency != request.currency {
        return Err(PayVerifyRefused::Currency);
    }
    if payment.refund_of != request.refund_of {
        return Err(PayVerifyRefused::OtherRefund);
    }
    match payment.sender.body().kind() {
        Kind::Ta => Ok(()),
        Kind::Provider | Kind::Client => Err(PayVerifyRefused::SenderKind),
    }
}

/// A payment does not pay a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayVerifyRefused {
    /// The payee's certificates do not reach the root.
    #[error("the payee's certificates are refused")]
    PayeeChain(#[source] ChainRefused),
    /// The payee did not sign the request.
    #[error("the request is not signed by the payee")]
    RequestSignature,
    /// The sender's certificates do not reach the root.
    #[error("the sender's certificates are refused")]
    SenderChain(#[source] ChainRefused),
    /// The sender is not a TA.
    #[error("the sender is not a TA")]
    SenderKind,
    /// The sender's TA did not sign the payment.
    #[error("the payment is not signed by the sender's TA")]
    PaymentSignature,
    /// The amount is above the largest payment of the sender's certificate.
    #[error("the amount is above the sender's largest payment")]
    AboveSenderLimit,
    /// The payment is for somebody else.
    #[error("the payment is for another receiver")]
    OtherReceiver,
    /// The payment is for another request.
    #[error("the payment is for another request")]
    OtherRequest,
    /// The payment is not exactly what was asked.
    #[error("the amount paid is not the amount requested")]
    OtherAmount,
    /// The currencies of payment, request and certificates differ.
    #[error("the currencies differ")]
    Currency,
    /// The payment refunds something else than the request says.
    #[error("the payment refunds another payment than the request says")]
    OtherRefund,
}
