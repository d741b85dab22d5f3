//! The JSON of requests and payments.

use ops_proto::contract::Pin;
use serde::{Deserialize, Serialize};

use super::{Money, MoneyOrder};

/// `POST /v1/requests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestOrder {
    /// What is asked.
    pub amount: MoneyOrder,
    /// What for; at most 64 bytes.
    #[serde(default)]
    pub memo: String,
    /// How long it may be paid, in seconds; a day when absent.
    #[serde(default)]
    pub validity_s: Option<u64>,
    /// The request that this one replaces.
    #[serde(default)]
    pub replaces: Option<String>,
    /// Opened by its URI only (scanned or typed), instead of heard by anyone near.
    #[serde(default)]
    pub by_uri: bool,
}

/// A request of this wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id under this wallet's key.
    pub id: String,
    /// What is asked.
    pub amount: Money,
    /// What for.
    pub memo: String,
    /// Where it stands.
    pub state: RequestState,
    /// When it was issued, in milliseconds since 1970.
    pub issued_ms: u64,
    /// How long it may be paid.
    pub validity_ms: u64,
    /// The `blepay:` URI, for a request that is opened by one. A secret of payee and payer.
    pub uri: Option<String>,
    /// The code that both screens show, once a payer has chosen this request.
    pub code: Option<String>,
    /// The payment that paid it.
    pub payment: Option<String>,
    /// The id of the payment that it would refund.
    #[serde(default)]
    pub refund_of: Option<String>,
    /// The request that stands in its place: strangers flooded this one, or the owner replaced it.
    #[serde(default)]
    pub replaced_by: Option<String>,
    /// What keeps payers from it, as far as this device can know, for people.
    #[serde(default)]
    pub warning: Option<String>,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Advertised; may be paid.
    Open,
    /// A payer has chosen it and approves.
    Locked,
    /// Paid; the receipt is given.
    Paid,
    /// No longer shown; a payment that still comes is kept.
    Cancelled,
    /// Its time is over; a payment that still comes is kept.
    Expired,
}

/// A request of another wallet that was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearby {
    /// The tag in the air; names the request to `POST /v1/payments`.
    pub tag: String,
    /// The payee's certified name.
    pub payee: String,
    /// The payee's key.
    pub payee_key: String,
    /// The payee's provider.
    pub provider: String,
    /// What is asked.
    pub amount: Money,
    /// The id of the payment that it would refund.
    #[serde(default)]
    pub refund_of: Option<String>,
    /// Signal strength in dBm, where the radio tells.
    pub signal_dbm: Option<i16>,
}

/// `POST /v1/payments`: begins to pay; exactly one of `uri`, `tag` and `payee_key`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentOrder {
    /// Scanned or typed.
    #[serde(default)]
    pub uri: Option<String>,
    /// As `nearby` showed it.
    #[serde(default)]
    pub tag: Option<String>,
    /// Whatever this payee asks for; for a payee that was named before.
    #[serde(default)]
    pub payee_key: Option<String>,
    /// What the person expects to pay: anything else is refused before approval.
    #[serde(default)]
    pub amount: Option<MoneyOrder>,
    /// Approves without confirmation: a payee named before as far as the policy allows, a URI with `amount` (the person
    /// said the sum), and a URI alone as far as the owner allowed scanned sums.
    #[serde(default)]
    pub approve: bool,
    /// Gives up after this many seconds without a payee.
    #[serde(default)]
    pub timeout_s: Option<u64>,
    /// The PIN, where nobody will be asked for it. It goes to the TA and is kept nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
}

/// A payment of this wallet, in or out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Names the payment in this API, and the hash of P once there is one.
    pub id: String,
    /// In or out.
    pub direction: Direction,
    /// Where it stands.
    pub state: PaymentState,
    /// Why, for people, where it ended without a receipt; what it waits for, where it has not begun to search.
    pub reason: Option<String>,
    /// The class of that, for programs: `not_found`, `radio_absent` (this device's own), `busy`, `not_as_expected`, `untrusted`,
    /// `refused_by_payee`, `refused_by_ta`, `forbidden` (nobody may be asked, and nobody allowed it), `declined`,
    /// `already_paid`, `unknown`, `internal`.
    #[serde(default)]
    pub failure: Option<String>,
    /// The other side's certified name.
    pub peer: Option<String>,
    /// The other side's key.
    pub peer_key: Option<String>,
    /// The other side's provider.
    pub peer_provider: Option<String>,
    /// How much.
    pub amount: Option<Money>,
    /// What for.
    pub memo: Option<String>,
    /// The code that both screens show.
    pub code: Option<String>,
    /// The payee's number of the request.
    pub request_id: Option<String>,
    /// The number of the payment under the sender TA's key.
    pub j: Option<u64>,
    /// The hash of P.
    pub hash: Option<String>,
    /// Whether the receipt is held and its signature was verified.
    pub receipt_verified: bool,
    /// Whether P was sent again in a later session.
    pub resumed: bool,
    /// Whether the server holds the pair.
    pub reported: bool,
    /// Where the money is, as the server said: `credited`, `collected`, `waiting`, `waived`, or why it
    /// refuses.
    pub settlement: Option<String>,
    /// Whether that is final.
    pub settled: bool,
    /// The tries that are left, when the approval takes the PIN.
    #[serde(default)]
    pub pin_tries_left: Option<u8>,
    /// The id of the payment that this one refunds.
    #[serde(default)]
    pub refund_of: Option<String>,
    /// What was refunded of this one so far; told by `GET /v1/payments/{id}` alone.
    #[serde(default)]
    pub refunded: Option<Money>,
    /// When it began, in milliseconds since 1970.
    pub at_ms: u64,
}

/// The failure of a payment that ended because this device's own radio is away.
pub const RADIO_ABSENT: &str = "radio_absent";

/// The failure of a payment whose payee was not heard.
pub const NOT_FOUND: &str = "not_found";

/// Which way money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// This wallet pays.
    Out,
    /// This wallet is paid.
    In,
}

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Looks for the payee and connects.
    Searching,
    /// The person decides: who, how much, code.
    AwaitsApproval,
    /// Approved; the TA debits and P is sent.
    Paying,
    /// Debited; the link broke, and the same P is being sent again.
    Resuming,
    /// Debited, without a receipt yet: it is sent again when the payee is met, and settles online.
    Unconfirmed,
    /// The payee has confirmed: durable and credited.
    Received,
    /// The payee keeps it without credit; it settles online.
    Held,
    /// The person said no; nothing moved.
    Declined,
    /// It ended before the debit; nothing moved.
    Failed,
}

impl PaymentState {
    /// Returns whether this state is the last one without the network or another meeting.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Searching | Self::AwaitsApproval | Self::Paying | Self::Resuming => false,
            Self::Unconfirmed | Self::Received | Self::Held | Self::Declined | Self::Failed => true,
        }
    }
}

/// `GET /v1/payments/{id}/receipt`: what anyone can verify offline. Messages as they flew, in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The payment.
    pub payment: Payment,
    /// P.
    pub p: String,
    /// R.
    pub r: String,
    /// ReceivedPayment, once held.
    pub receipt: Option<String>,
    /// The certificate of the sender's provider.
    pub sender_provider: Option<String>,
    /// The certificate of the payee's provider.
    pub payee_provider: Option<String>,
    /// The provider's signed word on where the money is; proves the payment without a receipt.
    #[serde(default)]
    pub settlement: Option<String>,
    /// The certificate whose answer key signed it.
    #[serde(default)]
    pub settlement_provider: Option<String>,
    /// The root's key.
    pub root: Option<String>,
}
