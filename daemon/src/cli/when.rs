//! Instants for people.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the present instant in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}

/// Writes how long ago an instant was, roughly.
pub(crate) fn ago(ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(ms) / 1000;
    match seconds {
        0..=4 => "just now".to_owned(),
        5..=89 => format!("{seconds} s ago"),
        90..=5399 => format!("{} min ago", seconds / 60),
        5400..=129_599 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// Writes an instant as `2026-11-22 17:30 UTC`.
pub(crate) fn utc(ms: u64) -> String {
    let minutes = ms / 60_000;
    let (year, month, day) = civil(minutes / (24 * 60));
    let (hour, minute) = ((minutes / 60) % 24, minutes % 60);

    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// Returns year, month and day of a day counted from 1970-01-01, by Hinnant's `civil_from_days`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a day of a u64 of milliseconds is less than 2^28"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_the_calendar_has_them() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(utc(1_795_368_600_000), "2026-11-22 17:30 UTC");
        assert_eq!(utc(4_107_542_399_000), "2100-02-28 23:59 UTC");
    }
}
