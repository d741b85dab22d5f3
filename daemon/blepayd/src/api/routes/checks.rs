//! What `doctor` looks at beside the wallet's state: disk, clock and certificates.

use std::path::Path;

use api_types::{Check, Status};
use journal::{Book, RESERVE_FILE};
use ops_proto::Time;
use ops_proto::certificate::Certificate;
use ops_proto::limits::ISSUED_BEFORE_TOKEN_MS_MAX;
use rustix::fs::statvfs;

use crate::api::error::CLOCK_HINT;

/// Writes one check; what is wrong comes with what to do.
pub(super) fn check(name: &str, found: Result<String, (String, &str)>) -> Check {
    let (good, found, hint) = match found {
        Ok(found) => (true, found, None),
        Err((found, hint)) => (false, found, Some(hint.to_owned())),
    };

    Check {
        name: name.to_owned(),
        good,
        found,
        hint,
    }
}

/// Looks at the disk of the state directory, and at the space that is set aside for payments under way.
pub(super) fn disk(directory: &Path) -> Check {
    let place = directory.display();
    let has_reserve = directory.join(RESERVE_FILE).exists();
    let found = match statvfs(directory) {
        Err(error) => Err((format!("{place} cannot be looked at: {error}"), DISK_HINT)),
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let shown = format!("{} MiB free at {place}", free / MIB);
            match (has_reserve, free < FREE_MIN) {
                (false, _) => Err((
                    format!("the reserve is used, {shown}: no payment begins"),
                    DISK_HINT,
                )),
                (true, true) => Err((shown, DISK_HINT)),
                (true, false) => Ok(format!("{shown}, and the reserve is there")),
            }
        }
    };

    check("disk", found)
}

/// Compares this device's clock with what it knows of the provider's.
pub(super) fn clock(status: &Status, book: &Book, now: Time) -> Check {
    let floor = status.ta.time_floor_ms.map(Time::from_ms);
    let not_begun = certificates_of(book)
        .map(|(_, certificate)| certificate.not_before)
        .max()
        .filter(|begins| now < *begins);
    let differs = status
        .sync
        .clock_ahead_ms
        .filter(|ahead| ahead.unsigned_abs() > BEHIND_MS_MAX);
    let is_behind = |floor: &Time| now.saturating_add_ms(BEHIND_MS_MAX) < *floor;
    let wrong = floor
        .filter(is_behind)
        .map(|floor| behind(now, floor))
        .or_else(|| {
            not_begun.map(|begins| {
                format!("this device says {now}, and its certificates begin at {begins}")
            })
        })
        .or_else(|| differs.map(|ahead| differing(now, ahead)));
    let found = match wrong {
        Some(wrong) => Err((wrong, CLOCK_HINT)),
        None => Ok(format!("this device says {now}")),
    };

    check("clock", found)
}

/// Writes a difference that the server's last answer showed.
fn differing(now: Time, ahead_ms: i64) -> String {
    let minutes = ahead_ms.unsigned_abs() / 60_000;
    let where_to = if ahead_ms < 0 { "behind" } else { "ahead of" };

    format!("this device says {now}, {minutes} min {where_to} the provider's server")
}

/// The TA takes the provider's clock for the truth: what it signs may lie a day before, and no more.
fn behind(now: Time, floor: Time) -> String {
    let possible = floor.saturating_sub_ms(ISSUED_BEFORE_TOKEN_MS_MAX);
    let requests = if now < possible {
        format!("; if it is right, requests are possible again from {possible}")
    } else {
        String::new()
    };

    format!("this device says {now}, and the provider said {floor} at a sync before{requests}")
}

/// Looks at when the certificates end that this wallet lives by.
pub(super) fn certificates(book: &Book, now: Time) -> Check {
    let first = certificates_of(book).min_by_key(|(_, certificate)| certificate.not_after);
    let Some((whose, certificate)) = first else {
        return check("certificates", Ok("none yet".to_owned()));
    };
    let ends = certificate.not_after;
    let hint = match whose {
        CertificateOwner::Provider => {
            "ask the provider to renew its certificate: without it nothing is paid"
        }
        CertificateOwner::Client | CertificateOwner::Ta => "blepay sync while online renews it",
    };
    let left = ends.ms_since(now);
    let found = if left == 0 {
        Err((format!("{} ended at {ends}", whose.words()), hint))
    } else if left < near(certificate) {
        Err((format!("{} ends at {ends}", whose.words()), hint))
    } else {
        Ok(format!("{} is the first to end, at {ends}", whose.words()))
    };

    check("certificates", found)
}

/// CertificateOwner certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CertificateOwner {
    Provider,
    Client,
    Ta,
}

impl CertificateOwner {
    const fn words(self) -> &'static str {
        match self {
            Self::Provider => "the provider's certificate",
            Self::Client => "the certificate of this wallet",
            Self::Ta => "the certificate of the trusted application",
        }
    }
}

fn certificates_of(book: &Book) -> impl Iterator<Item = (CertificateOwner, &Certificate)> {
    let provider = book
        .own_provider()
        .map(|it| (CertificateOwner::Provider, it.body()));
    let client = book.client().and_then(|client| client.chain.as_ref());
    let client = client.map(|chain| (CertificateOwner::Client, chain.leaf.body()));
    let ta = book.sender_chain();
    let ta = ta.map(|chain| (CertificateOwner::Ta, chain.leaf.body()));

    [provider, client, ta].into_iter().flatten()
}

/// How long before its end people are told: 90 days, or a quarter of a short life.
fn near(certificate: &Certificate) -> u64 {
    let life = certificate.not_after.ms_since(certificate.not_before);

    (life / 4).min(NEAR_MS)
}

const NEAR_MS: u64 = 90 * 24 * 3600 * 1000;
/// How far a clock may be behind before people are told.
const BEHIND_MS_MAX: u64 = 10 * 60 * 1000;
const MIB: u64 = 1024 * 1024;
/// Less than this and people are told: several times what the journal takes at once.
const FREE_MIN: u64 = 16 * MIB;
const DISK_HINT: &str = "free some space: df -h, journalctl --vacuum-size=50M";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_behind_the_providers_is_told_with_both_and_with_the_end_of_it() {
        let floor = Time::from_ms(1_795_368_600_000);
        let hours = |hours: u64| floor.saturating_sub_ms(hours * 3600 * 1000);

        let little = behind(hours(1), floor);
        let much = behind(hours(25), floor);

        assert_eq!(
            little,
            "this device says 2026-11-22 16:30 UTC, and the provider said 2026-11-22 17:30 UTC at a sync before"
        );
        assert!(
            much.ends_with("if it is right, requests are possible again from 2026-11-21 17:30 UTC"),
            "{much}"
        );
    }

    #[test]
    fn a_clock_that_differs_from_the_servers_is_told_with_its_direction() {
        let now = Time::from_ms(1_795_368_600_000);

        assert_eq!(
            differing(now, -25 * 60 * 60_000),
            "this device says 2026-11-22 17:30 UTC, 1500 min behind the provider's server"
        );
        assert!(differing(now, 11 * 60_000).contains("11 min ahead of"));
    }

    #[test]
    fn a_disk_without_the_reserve_is_told() {
        let dir = tempfile::tempdir().expect("a directory");

        let without = disk(dir.path());
        std::fs::write(dir.path().join(RESERVE_FILE), "").expect("written");
        let with = disk(dir.path());

        assert!(!without.good, "{without:?}");
        assert!(without.found.contains("the reserve is used"), "{without:?}");
        assert!(!with.found.contains("the reserve is used"), "{with:?}");
    }
}
