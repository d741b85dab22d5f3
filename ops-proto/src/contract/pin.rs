//! The PIN: how it travels to the TA, and what the TA says of it.

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::amount::Amount;

/// A PIN on its way to the TA. It cannot be printed and is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin(String);

impl Pin {
    /// Takes what the person typed.
    #[must_use]
    pub const fn new(digits: String) -> Self {
        Self(digits)
    }

    /// Returns the digits, for the TA's comparison.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin([redacted])")
    }
}

/// What a TA says of its PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinState {
    /// Whether there is one.
    pub is_set: bool,
    /// Tries until it blocks.
    pub tries_left: u8,
    /// The sum, in minor units, that may be paid after a PIN before the next is asked for.
    pub floor: u64,
    /// What was paid since the last right PIN, in minor units.
    pub since_pin: u64,
}

impl PinState {
    /// Returns whether paying `amount` now takes a PIN.
    #[must_use]
    pub const fn asks_for(&self, amount: Amount) -> bool {
        self.is_set && self.since_pin.saturating_add(amount.minor_units()) > self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Command;

    #[test]
    fn printing_a_command_shows_no_digit_of_its_pins() {
        let command = Command::SetPin {
            old: Some(Pin::new("1234".into())),
            new: Pin::new("987654".into()),
            floor: 5,
        };

        assert_eq!(
            format!("{command:?}"),
            "SetPin { old: Some(Pin([redacted])), new: Pin([redacted]), floor: 5 }"
        );
    }

    #[test]
    fn the_floor_may_be_reached_and_not_passed_and_no_sum_overflows() {
        let pin = |is_set, floor, since_pin| PinState {
            is_set,
            tries_left: 5,
            floor,
            since_pin,
        };
        let one = Amount::try_from(1).expect("in range");

        assert!(!pin(true, 10, 9).asks_for(one));
        assert!(pin(true, 10, 10).asks_for(one));
        assert!(pin(true, u64::MAX - 1, u64::MAX).asks_for(one));
        assert!(!pin(false, 0, 10).asks_for(one));
    }
}
