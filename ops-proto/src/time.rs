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

/// As people write it: `2026-11-22 17:30 UTC`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0 / 60_000;
        let (year, month, day) = civil(minutes / (24 * 60));
        let (hour, minute) = ((minutes / 60) % 24, minutes % 60);

        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

/// Returns year, month and day of a day counted from 1970-01-01, by Hinnant's `civil_from_days`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a day of a u64 of milliseconds is less than 2^38"
)]
const fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 {
        month_shifted + 3
    } else {
        month_shifted - 9
    };
    let year = year_of_era + era * 400;

    (if month <= 2 { year + 1 } else { year }, month, day)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_the_calendar_has_them() {
        let written = |ms| Time::from_ms(ms).to_string();

        assert_eq!(written(0), "1970-01-01 00:00 UTC");
        assert_eq!(written(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(written(1_795_368_600_000), "2026-11-22 17:30 UTC");
        assert_eq!(written(4_107_542_399_000), "2100-02-28 23:59 UTC");
        assert!(written(u64::MAX).ends_with(" UTC"));
    }
}
