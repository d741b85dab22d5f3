//! Money in the JSON of the local API.

use ops_proto::money;
use ops_proto::{Amount, Balance, Currency};
use serde::{Deserialize, Serialize};

/// Money as the API writes it: `{"minor_units":1250,"currency":"EUR","text":"12.50"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Integer minor units: cents, for a currency with two decimals.
    pub minor_units: u64,
    /// The ISO 4217 code.
    pub currency: String,
    /// The same as people write it. Ignored when read.
    #[serde(default)]
    pub text: String,
}

impl Money {
    /// Writes an amount.
    #[must_use]
    pub fn of(amount: Amount, currency: Currency) -> Self {
        Self::rest(Balance::from_minor_units(amount.minor_units()), currency)
    }

    /// Writes a balance.
    #[must_use]
    pub fn rest(balance: Balance, currency: Currency) -> Self {
        Self {
            minor_units: balance.minor_units(),
            currency: currency.to_string(),
            text: money::text(balance.minor_units(), currency),
        }
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.text, self.currency)
    }
}

/// Money that a caller asks for: `{"minor_units":1250,"currency":"EUR"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoneyOrder {
    /// Integer minor units, at least 1.
    pub minor_units: u64,
    /// The ISO 4217 code; must be the wallet's.
    pub currency: String,
    /// Taken back from what the API wrote; not read.
    #[serde(default, skip_serializing)]
    pub text: Option<String>,
}
