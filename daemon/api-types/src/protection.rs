//! The JSON of what protects a wallet: PIN, limits, deny-lists, refunds.

use ops_proto::contract::Pin;
use serde::{Deserialize, Serialize};

use super::money::{Money, MoneyOrder};

/// `PUT /v1/pin`: sets or changes the PIN. It goes to the TA and is kept nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinOrder {
    /// The PIN so far, where there is one.
    #[serde(default)]
    pub old: Option<Pin>,
    /// The PIN from now on: 4 to 12 digits.
    pub new: Pin,
    /// What may be paid after a PIN before the next is asked for, in minor units; stays when absent.
    #[serde(default)]
    pub floor: Option<FloorOrder>,
}

/// A sum that may be zero, unlike what is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloorOrder {
    /// Integer minor units; 0 asks for the PIN every time.
    pub minor_units: u64,
    /// The ISO 4217 code; must be the wallet's.
    pub currency: String,
}

/// `POST /v1/payments/{id}/approve`; the body may be left out where no PIN is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveOrder {
    /// The person's PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
}

/// What the TA says of its PIN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinStatus {
    /// Whether there is one.
    pub is_set: bool,
    /// Tries until it blocks.
    pub tries_left: u8,
    /// What may be paid after a PIN before the next is asked for.
    pub floor: Money,
    /// What was paid since the last right PIN.
    pub since_pin: Money,
}

/// A limit that is nearly reached: a warning before the TA refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitWarning {
    /// Stable, for programs: `paid_count`, `paid_total`, `collected_count`, `collected_total`,
    /// `balance_above_limit`, `pin_tries`, `pin_blocked`.
    pub code: String,
    /// One sentence with numbers and what to do.
    pub message: String,
}

/// One provider's deny-list on this device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenyList {
    /// The provider's id.
    pub provider_id: String,
    /// Its name, as the root writes it.
    pub provider: String,
    /// Whether the root no longer stands behind the provider.
    pub revoked: bool,
    /// The epoch of the list in use; 0 is none.
    pub epoch: u32,
    /// The number of the list in use.
    pub number: u32,
    /// How many keys it names.
    pub entries: u64,
    /// Pieces of a newer version that are here, of how many.
    pub gathering: Option<(u64, u64)>,
}

/// `POST /v1/payments/{id}/refund`: asks for money of a payment back, from whoever received it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundOrder {
    /// How much; what is left of the payment when absent.
    #[serde(default)]
    pub amount: Option<MoneyOrder>,
    /// Opened by its URI only.
    #[serde(default)]
    pub by_uri: bool,
}
