//! Money: integers of minor units that cannot be zero, negative or too large by accident.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::AMOUNT_MAX;

/// Money that moves: 1 to 10^15 minor units (cents, for a currency with two decimals).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

impl Amount {
    /// The largest amount.
    pub const MAX: Self = Self(AMOUNT_MAX);

    /// Returns the minor units.
    #[must_use]
    pub const fn minor_units(self) -> u64 {
        self.0
    }

    /// Reads an amount as people write it (`12.50`, `7`), for a currency with `exponent` decimals.
    ///
    /// The decimal separator is a point. Signs, spaces, grouping, exponents and an empty side of the
    /// point are refused, since each has two readings somewhere in the world.
    ///
    /// # Errors
    ///
    /// [`AmountTextRefused`] says which rule the text breaks.
    pub fn parse(text: &str, exponent: u8) -> Result<Self, AmountTextRefused> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(AmountTextRefused::NotANumber),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(AmountTextRefused::NotANumber);
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(AmountTextRefused::LeadingZero);
        }
        if fraction.len() > usize::from(exponent) {
            return Err(AmountTextRefused::TooPrecise { exponent });
        }
        let padding = usize::from(exponent).saturating_sub(fraction.len());
        let minor_units = [whole, fraction, &"0".repeat(padding)].concat();
        let minor_units: u64 = minor_units
            .parse()
            .map_err(|_| AmountTextRefused::OutOfRange)?;

        Self::try_from(minor_units).map_err(|_| AmountTextRefused::OutOfRange)
    }
}

impl TryFrom<u64> for Amount {
    type Error = AmountOutOfRange;

    fn try_from(minor_units: u64) -> Result<Self, AmountOutOfRange> {
        match minor_units {
            0 => Err(AmountOutOfRange),
            n if n > AMOUNT_MAX => Err(AmountOutOfRange),
            n => Ok(Self(n)),
        }
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Money that rests: 0 or more minor units.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Balance(u64);

impl Balance {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// Returns the balance of that many minor units.
    #[must_use]
    pub const fn from_minor_units(minor_units: u64) -> Self {
        Self(minor_units)
    }

    /// Returns the minor units.
    #[must_use]
    pub const fn minor_units(self) -> u64 {
        self.0
    }

    /// Returns the balance with `amount` more, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_add(self, amount: Amount) -> Option<Self> {
        match self.0.checked_add(amount.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Returns the balance with `amount` less, or `None` when there is less than that.
    #[must_use]
    pub const fn checked_sub(self, amount: Amount) -> Option<Self> {
        match self.0.checked_sub(amount.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An ISO 4217 currency code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u8; 3]", into = "[u8; 3]")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Returns the code as text.
    ///
    /// # Panics
    ///
    /// Never: only capital letters get in.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("three capital letters are UTF-8")
    }
}

impl TryFrom<[u8; 3]> for Currency {
    type Error = CurrencyMalformed;

    fn try_from(code: [u8; 3]) -> Result<Self, CurrencyMalformed> {
        if !code.iter().all(u8::is_ascii_uppercase) {
            return Err(CurrencyMalformed);
        }

        Ok(Self(code))
    }
}

impl From<Currency> for [u8; 3] {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

impl core::str::FromStr for Currency {
    type Err = CurrencyMalformed;

    fn from_str(code: &str) -> Result<Self, CurrencyMalformed> {
        let code: [u8; 3] = code.as_bytes().try_into().map_err(|_| CurrencyMalformed)?;

        Self::try_from(code)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount is zero or more than 10^15 minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amount is zero, or larger than any that there is")]
pub struct AmountOutOfRange;

/// A currency code is not three capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three capital letters, such as EUR")]
pub struct CurrencyMalformed;

/// A text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountTextRefused {
    /// Something other than digits and one point with digits on both sides.
    #[error("it is written with digits, and at most one point between them")]
    NotANumber,
    /// A zero before other digits, as in `012`.
    #[error("it begins with a zero too many")]
    LeadingZero,
    /// More decimals than the currency has.
    #[error("the currency has {exponent} decimals and the amount has more")]
    TooPrecise {
        /// Decimals of the currency.
        exponent: u8,
    },
    /// Zero, or more than the largest amount.
    #[error("it is zero, or larger than any that there is")]
    OutOfRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(Amount::parse("12.50", 2), Ok(Amount(1250)));
        assert_eq!(Amount::parse("12.5", 2), Ok(Amount(1250)));
        assert_eq!(Amount::parse("0.01", 2), Ok(Amount(1)));
        assert_eq!(Amount::parse("7", 0), Ok(Amount(7)));
        assert_eq!(Amount::parse("1.234", 3), Ok(Amount(1234)));
    }

    #[test]
    fn ambiguous_negative_zero_overflowing_and_over_precise_amounts_never_get_past_parsing() {
        for text in [
            "", ".", "-1", "+1", "1,50", "1.", ".5", "1 000", "1e3", "0x10", "1.2.3", "٣", "NaN",
        ] {
            assert_eq!(
                Amount::parse(text, 2),
                Err(AmountTextRefused::NotANumber),
                "{text:?}"
            );
        }
        assert_eq!(Amount::parse("012", 2), Err(AmountTextRefused::LeadingZero));
        assert_eq!(
            Amount::parse("00.50", 2),
            Err(AmountTextRefused::LeadingZero)
        );
        let too_precise = AmountTextRefused::TooPrecise { exponent: 2 };
        assert_eq!(Amount::parse("1.005", 2), Err(too_precise));
        for text in ["0", "0.00", "10000000000000.01", "99999999999999999999999"] {
            assert_eq!(
                Amount::parse(text, 2),
                Err(AmountTextRefused::OutOfRange),
                "{text:?}"
            );
        }
    }

    #[test]
    fn no_amount_of_zero_or_beyond_the_limit_can_be_decoded() {
        for minor_units in [0, AMOUNT_MAX + 1, u64::MAX] {
            let bytes = postcard::to_allocvec(&minor_units).expect("a number encodes");

            assert!(postcard::from_bytes::<Amount>(&bytes).is_err());
        }
    }
}
