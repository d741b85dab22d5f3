//! Instants and times, as people read and write them.

use std::time::{SystemTime, UNIX_EPOCH};

use ops_proto::Time;

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
    Time::from_ms(ms).to_string()
}

/// Reads a time such as `90s`, `15m`, `2h` or `7d`.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let refusal = || "write a time as 90s, 15m, 2h or 7d".to_owned();
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => (text.get(..at), unit),
        Some(_) => (Some(text), 's'),
        None => return Err(refusal()),
    };
    let factor: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(refusal()),
    };
    let number = number
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u64>().ok())
        .filter(|number| *number > 0)
        .ok_or_else(refusal)?;

    number
        .checked_mul(factor)
        .filter(|seconds| *seconds <= SECONDS_MAX)
        .ok_or_else(|| "the longest time is 30 days".to_owned())
}

/// The longest time that is read: 30 days.
const SECONDS_MAX: u64 = 30 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("15m"), Ok(900));
        assert_eq!(seconds("30d"), Ok(SECONDS_MAX));
        for text in [
            "",
            "s",
            "0",
            "-1s",
            "+1s",
            "1.5h",
            "31d",
            "99999999999999999d",
            "1y",
            "1ß",
        ] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
    }
}
