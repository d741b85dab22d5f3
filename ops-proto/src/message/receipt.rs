//! ReceivedPayment: the receiver confirms.

use serde::{Deserialize, Serialize};

use super::payment::Payment;
use crate::id::Digest;
use crate::key::SignatureInvalid;
use crate::signed::{Body, Signed};

/// A receipt: the payment is durable and credited at the receiver. Signed by the key in
/// `P.receiver`, so that anyone who has P can verify it offline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedPayment {
    /// The hash of the payment.
    pub payment: Digest,
}

impl Body for ReceivedPayment {
    const DOMAIN: &'static [u8] = b"blepay/ops/received-payment\0";
    const SIZE_MAX: usize = 128;
}

/// Proof that a receipt is the receiver's for a payment; only [`verify_receipt`] makes one.
#[derive(Debug)]
pub struct ReceiptVerified(());

/// Checks a receipt against the payment it is for.
///
/// # Errors
///
/// [`ReceiptRefused`] when it names another payment or the receiver did not sign it.
pub fn verify_receipt(
    receipt: &Signed<ReceivedPayment>,
    payment: &Signed<Payment>,
) -> Result<ReceiptVerified, ReceiptRefused> {
    let body = receipt.verify(&payment.body().receiver.key)?;
    if body.payment != payment.hash() {
        return Err(ReceiptRefused::OtherPayment);
    }

    Ok(ReceiptVerified(()))
}

/// A receipt does not fit a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptRefused {
    /// The receiver did not sign it.
    #[error("the receipt is not signed by the receiver")]
    Signature(#[from] SignatureInvalid),
    /// It is for another payment.
    #[error("the receipt is for another payment")]
    OtherPayment,
}
