//! Payments as people see them: folds of the journal.

use ops_proto::message::{ItemOutcome, ReceivedPayment};
use ops_proto::{Amount, Currency, Digest, Name, PaymentPair, PublicKey, RequestId, Signed, Time};

/// One payment, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentView {
    /// The hash of P; `None` while approved and not yet signed.
    pub id: Option<Digest>,
    /// To or from this device.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// The certified name of the other side.
    pub peer: Name,
    /// The key of the other side: the payee's, or the sender's TA's.
    pub peer_key: PublicKey,
    /// The payee's number of the request.
    pub request_id: RequestId,
    /// What it is for.
    pub memo: String,
    /// When it was approved, or came.
    pub at: Time,
    /// How far it is.
    pub state: PaymentState,
    /// The receipt, once there is one.
    pub receipt: Option<Signed<ReceivedPayment>>,
    /// P and R, once signed.
    pub pair: Option<PaymentPair>,
    /// The server's last word on it.
    pub outcome: Option<ItemOutcome>,
}

/// Which way a payment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From this device.
    Outgoing,
    /// To this device.
    Incoming,
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// Outgoing: approved; the TA has not paid.
    Approved,
    /// Outgoing: the TA did not pay; nothing left.
    Abandoned,
    /// Outgoing: debited, no receipt yet. It resumes by itself, and settles online at the latest.
    Unacknowledged,
    /// Outgoing: the payee holds it and settles it online.
    Held,
    /// Outgoing: the receipt is here. Incoming: credited, receipt signed.
    Receipted,
    /// Incoming: kept, to be claimed online.
    ToClaim,
    /// The server confirmed where the money is.
    Settled,
    /// The server will never honour it.
    Refused,
}
