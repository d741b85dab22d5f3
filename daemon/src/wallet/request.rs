//! A request of this device, as whoever opens it sees it.

use ble_proto::gatt::RequestTag;
use ops_proto::time::Validity;
use ops_proto::{Amount, Currency, Digest, RequestId, Time};
use zeroize::Zeroizing;

use crate::journal::book::RequestShown;

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// How much.
    pub amount: Amount,
    /// What it is for: at most 64 bytes that show as they are.
    pub memo: String,
    /// How long it may be paid; `None` for [`Self::VALIDITY_DEFAULT_MS`].
    pub validity: Option<Validity>,
    /// How payers find it.
    pub mode: Mode,
    /// The request that this one replaces: who paid that one cannot pay this one.
    pub replaces: Option<RequestId>,
    /// The payment that this would refund.
    pub refund_of: Option<Digest>,
}

impl OpenRequest {
    /// How long a request may be paid if nothing is said: a day.
    pub const VALIDITY_DEFAULT_MS: u64 = 24 * 3600 * 1000;
}

/// How payers find a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By its advertisement; both screens show a code.
    Announced,
    /// By its URI alone (QR code, NFC, typed).
    Uri,
}

/// A request that is open.
#[derive(Clone, Debug)]
pub struct OpenedRequest {
    /// Its number.
    pub request_id: RequestId,
    /// What is advertised.
    pub tag: RequestTag,
    /// The URI, for [`Mode::Uri`]. It contains a secret: show it, do not log it.
    pub uri: Option<Zeroizing<String>>,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

/// A request as people see it.
#[derive(Clone, Debug)]
pub struct RequestView {
    /// Its number.
    pub request_id: RequestId,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// What it is for.
    pub memo: String,
    /// When it was opened.
    pub at: Time,
    /// Open, cancelled or paid.
    pub shown: RequestShown,
    /// Whether its validity is over by this device's clock.
    pub expired: bool,
    /// What is advertised.
    pub tag: RequestTag,
    /// The URI, for one opened by URI.
    pub uri: Option<Zeroizing<String>>,
    /// Hashes of the payments that came for it.
    pub payments: Vec<Digest>,
    /// The code that payer and payee compare, while a payer has locked the request.
    pub code: Option<ble_proto::code::Code>,
}
