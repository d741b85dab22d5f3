//! What a TA would show on a screen of its own, and what it would warn of.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Mark, PinState};
use crate::amount::{Amount, Balance, Currency};
use crate::certificate::Limits;
use crate::key::PublicKey;
use crate::limits::PIN_TRIES_MAX;
use crate::statement::ChainEnd;
use crate::time::Time;

/// What a TA would show on a screen of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaState {
    /// The TA's key, once there is one.
    pub ta: Option<PublicKey>,
    /// The number of the certificate held, once there is one.
    pub certificate: Option<u64>,
    /// The currency of the certificate.
    pub currency: Option<Currency>,
    /// The limits of the certificate.
    pub limits: Option<Limits>,
    /// What the TA holds.
    pub balance: Balance,
    /// The deposit that is open.
    pub deposit_open: Option<Amount>,
    /// The end of the chain of statements.
    pub chain: ChainEnd,
    /// Requests that are open, and the room they reserve, in minor units.
    pub requests_open: u64,
    /// Sum that open requests reserve, in minor units.
    pub reserved: u64,
    /// Payments since the last token.
    pub paid_count: u64,
    /// Their sum, in minor units.
    pub paid_total: u64,
    /// Payments collected since the last token.
    pub collected_count: u64,
    /// Their sum, in minor units.
    pub collected_total: u64,
    /// The floor of time that tokens set.
    pub time_floor: Time,
    /// Where the operations stand.
    pub mark: Mark,
    /// The withdrawal that waits for its acknowledgement; it is debited already.
    pub withdraw_open: Option<Amount>,
    /// Whether the TA has signed its last statement.
    pub retired: bool,
    /// The PIN, as far as anyone may know.
    pub pin: PinState,
}

impl TaState {
    /// Returns what the person should hear of before the TA refuses: whoever goes online and syncs in
    /// time is never refused for an offline limit.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let Some(limits) = &self.limits {
            let bounds = [
                (self.paid_count, limits.paid_count, Warning::PaidCount),
                (self.paid_total, limits.paid_total, Warning::PaidTotal),
                (
                    self.collected_count,
                    limits.collected_count,
                    Warning::CollectedCount,
                ),
                (
                    self.collected_total,
                    limits.collected_total,
                    Warning::CollectedTotal,
                ),
            ];
            let reached = bounds
                .into_iter()
                .filter(|(is, bound, _)| *is >= bound.warn);
            warnings.extend(reached.map(|(_, _, warning)| warning));
            if self.balance.minor_units() > limits.balance_max.minor_units() {
                warnings.push(Warning::BalanceAboveLimit);
            }
        }
        if self.pin.is_set && self.pin.tries_left == 0 {
            warnings.push(Warning::PinBlocked);
        } else if self.pin.is_set && self.pin.tries_left < PIN_TRIES_MAX {
            warnings.push(Warning::PinTries);
        }

        warnings
    }
}

/// A limit that is nearly reached: a warning before the TA refuses. [`TaState::warnings`] finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Warning {
    /// Many payments since the last token.
    PaidCount = 0,
    /// Much was paid since the last token.
    PaidTotal = 1,
    /// Many payments were collected since the last token.
    CollectedCount = 2,
    /// Much was collected since the last token.
    CollectedTotal = 3,
    /// A new certificate allows less than the TA holds.
    BalanceAboveLimit = 4,
    /// Wrong PINs were entered.
    PinTries = 5,
    /// The PIN is blocked.
    PinBlocked = 6,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PaidCount => "many payments since the last sync; go online before it is too many",
            Self::PaidTotal => "much was paid since the last sync; go online before it is too much",
            Self::CollectedCount => {
                "many payments were collected since the last sync; go online before it is too many"
            }
            Self::CollectedTotal => {
                "much was collected since the last sync; go online before it is too much"
            }
            Self::BalanceAboveLimit => {
                "the device holds more than its new certificate allows; withdraw some"
            }
            Self::PinTries => "a wrong PIN was entered; enter the right one before it blocks",
            Self::PinBlocked => {
                "the PIN is blocked; withdraw, retire this TA and register a new one"
            }
        })
    }
}
