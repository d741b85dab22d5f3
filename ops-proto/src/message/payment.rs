//! Payment (P): the sender's TA pays.

use serde::{Deserialize, Serialize};

use super::request::RequestPayment;
use crate::amount::{Amount, Currency};
use crate::certificate::{Certificate, Kind};
use crate::id::{Digest, ProviderId, RequestId};
use crate::key::PublicKey;
use crate::signed::{Body, Signed};
use crate::statement::ChainPosition;

/// A payment, signed by the sender's TA after it debited itself. A statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The sender TA's certificate; its subject is the key that signs.
    pub sender: Signed<Certificate>,
    /// Where on the TA's chain this stands; j is this payment's own.
    pub position: ChainPosition,
    /// What is paid: exactly what was asked.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// Who is paid.
    pub receiver: Receiver,
    /// The receiver's number of the request.
    pub request_id: RequestId,
    /// The hash of the request.
    pub request_hash: Digest,
    /// The hash of the payment that this refunds.
    pub refund_of: Option<Digest>,
}

impl Body for Payment {
    const DOMAIN: &'static [u8] = b"blepay/ops/payment\0";
    const SIZE_MAX: usize = 1024;
}

/// Whom a payment pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Receiver {
    /// The provider that certified the receiver, and that redeems the payment.
    pub provider: ProviderId,
    /// Client or TA.
    pub kind: Kind,
    /// The receiver's key.
    pub key: PublicKey,
}

impl Receiver {
    /// Returns the receiver that a payment for this request must have.
    #[must_use]
    pub fn of(request: &RequestPayment) -> Self {
        let payee = request.payee.body();

        Self {
            provider: payee.provider,
            kind: payee.kind(),
            key: payee.subject,
        }
    }
}
