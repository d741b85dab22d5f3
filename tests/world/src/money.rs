//! Amounts, as stories write them: `5.22`.

use std::fmt;

use ops_proto::Amount;

/// An amount in minor units, above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Money(pub(crate) u64);

impl Money {
    /// Reads `5.22`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (whole, cents) = text.split_once('.')?;
        if cents.len() != 2 {
            return None;
        }
        let (whole, cents): (u64, u64) = (whole.parse().ok()?, cents.parse().ok()?);

        Some(Self(whole.checked_mul(100)?.checked_add(cents)?)).filter(|money| money.0 > 0)
    }

    /// Returns it as the programs take it.
    pub(crate) fn amount(self) -> Amount {
        Amount::try_from(self.0).unwrap_or(Amount::MAX)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, cents) = (self.0.div_euclid(100), self.0.rem_euclid(100));

        write!(f, "{whole}.{cents:02}")
    }
}
