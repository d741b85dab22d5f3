//! When a TLS certificate ends: as much of X.509 as that takes.

use ops_proto::Time;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// The version, which the first one leaves out.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A short form of a length, and the bit that tells a long one.
const LONG_FORM: u8 = 0x80;

const MS_PER_SECOND: u64 = 1000;

/// Returns the last instant at which a certificate is valid; `None` when the bytes are none.
pub(super) fn end_of(certificate: &[u8]) -> Option<Time> {
    let (certificate, _) = take(certificate, SEQUENCE)?;
    let (signed, _) = take(certificate, SEQUENCE)?;
    let after_version = take(signed, VERSION).map_or(signed, |(_version, rest)| rest);
    let (_number, rest) = take(after_version, INTEGER)?;
    let (_algorithm, rest) = take(rest, SEQUENCE)?;
    let (_issuer, rest) = take(rest, SEQUENCE)?;
    let (validity, _) = take(rest, SEQUENCE)?;
    let (_, _begin, rest) = split(validity)?;
    let (tag, end, _) = split(rest)?;

    instant(tag, end)
}

/// Takes a value of this kind off the front, and returns it and what follows.
fn take(bytes: &[u8], expected: u8) -> Option<(&[u8], &[u8])> {
    let (tag, value, rest) = split(bytes)?;

    (tag == expected).then_some((value, rest))
}

/// Takes a value off the front, and returns its kind, itself and what follows.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if first & LONG_FORM == 0 {
        (usize::from(*first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & !LONG_FORM))?;
        (big_endian(length)?, rest)
    };
    let (value, rest) = rest.split_at_checked(length)?;

    Some((*tag, value, rest))
}

fn big_endian(bytes: &[u8]) -> Option<usize> {
    bytes.iter().try_fold(0_usize, |length, byte| {
        length.checked_mul(256)?.checked_add(usize::from(*byte))
    })
}

/// Reads `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
fn instant(tag: u8, text: &[u8]) -> Option<Time> {
    let digits = core::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            let century: u64 = if year < 50 { 2000 } else { 1900 };
            (century.checked_add(year)?, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let mut parts = [0_u64; 5];
    let mut rest = rest;
    for part in &mut parts {
        let (two, after) = rest.split_at_checked(2)?;
        *part = two.parse().ok()?;
        rest = after;
    }
    let [month, day, hour, minute, second] = parts;
    let hours = days(year, month, day)?.checked_mul(24)?.checked_add(hour)?;
    let minutes = hours.checked_mul(60)?.checked_add(minute)?;
    let seconds = minutes.checked_mul(60)?.checked_add(second)?;

    seconds.checked_mul(MS_PER_SECOND).map(Time::from_ms)
}

/// Returns the days from 1970 to a date, by Hinnant's `days_from_civil`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the year is one of 8030, the month one of 12, the day one of 31"
)]
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March here.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;

    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["pay.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();

        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms_that_dates_have() {
        for (year, month, day, shown) in [
            (2026, 2, 28, "2026-02-28 00:00 UTC"),
            (2028, 2, 29, "2028-02-29 00:00 UTC"),
            (2049, 12, 31, "2049-12-31 00:00 UTC"),
            (2050, 1, 1, "2050-01-01 00:00 UTC"),
            (2099, 12, 31, "2099-12-31 00:00 UTC"),
        ] {
            let end = end_of(&certificate(year, month, day)).unwrap();

            assert_eq!(end.to_string(), shown);
        }
    }

    #[test]
    fn every_shorter_prefix_up_to_the_end_and_other_bytes_are_none() {
        let whole = certificate(2030, 6, 1);
        for length in 0..whole.len() {
            assert_eq!(end_of(&whole[..length]), None, "{length}");
        }
        for bytes in [
            &b""[..],
            b"0",
            b"0\x80",
            b"\x30\x89\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(end_of(bytes), None);
        }
        for (tag, text) in [
            (UTC_TIME, &b"261301000000Z"[..]),
            (UTC_TIME, &b"2612010000Z"[..]),
            (UTC_TIME, &b"26120100000+Z"[..]),
            (GENERALIZED_TIME, &b"20261201000000"[..]),
            (INTEGER, &b"261201000000Z"[..]),
        ] {
            assert_eq!(instant(tag, text), None);
        }
    }
}
