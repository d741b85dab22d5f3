//! Instants and durations of the protocol, in milliseconds.

use core::fmt;

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(u64);

impl Time {
    /// Returns the instant that lies `ms` milliseconds after 1970.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Returns the milliseconds since 1970.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Returns the instant `ms` milliseconds later, or the last one there is.
    #[must_use]
    pub const fn saturating_add_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Returns the instant `ms` milliseconds earlier, or 1970.
    #[must_use]
    pub const fn saturating_sub_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Returns the milliseconds from `earlier` to this instant, or 0 when it lies after.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// How long a request may be paid, counted by the payer's monotonic clock from when it heard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Validity(u64);

impl Validity {
    /// Returns the duration in milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Validity {
    type Error = ValidityOutOfRange;

    fn try_from(ms: u64) -> Result<Self, ValidityOutOfRange> {
        if ms == 0 || ms > crate::limits::VALIDITY_MS_MAX {
            return Err(ValidityOutOfRange);
        }

        Ok(Self(ms))
    }
}

impl From<Validity> for u64 {
    fn from(validity: Validity) -> Self {
        validity.0
    }
}

/// A validity is zero or longer than 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the validity must be between 1 ms and 30 days")]
pub struct ValidityOutOfRange;
