//! Certificates whose signatures fit, so that they are not checked again with each payment.
//!
//! A signature over the same bytes by the same key always fits, so nothing here ever goes stale; what
//! expires or is revoked is judged elsewhere, each time.

use std::collections::HashSet;
use std::mem;
use std::sync::{LazyLock, Mutex, PoisonError};

use ops_proto::certificate::{Certificate, VerifyCertificate};
use ops_proto::signed::Signed;
use ops_proto::{Digest, PublicKey};

use crate::limits::CERTIFICATES_SEEN_MAX;

/// Checks signatures of certificates, and remembers which fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen;

impl VerifyCertificate for Seen {
    fn is_signed(&self, certificate: &Signed<Certificate>, issuer: &PublicKey) -> bool {
        let name = Digest::of(&[&issuer.0, &certificate.hash().0, &certificate.signature().0]);
        if remembered().knows(&name) {
            return true;
        }
        if certificate.verify(issuer).is_err() {
            return false;
        }
        remembered().remember(name);

        true
    }
}

fn remembered() -> std::sync::MutexGuard<'static, Remembered> {
    static REMEMBERED: LazyLock<Mutex<Remembered>> = LazyLock::new(Mutex::default);

    REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two generations: when the young one is full, the old one is forgotten, and what was asked for
/// meanwhile is young again.
#[derive(Debug, Default)]
struct Remembered {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
}

impl Remembered {
    fn knows(&mut self, name: &Digest) -> bool {
        if self.young.contains(name) {
            return true;
        }
        let is_known = self.old.contains(name);
        if is_known {
            self.remember(*name);
        }

        is_known
    }

    fn remember(&mut self, name: Digest) {
        if self.young.len() >= CERTIFICATES_SEEN_MAX / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use ops_proto::certificate::Role;
    use ops_proto::{ProviderId, SecretKey, Time};

    use super::*;

    #[test]
    fn a_certificate_is_remembered_for_the_key_that_signed_it_and_for_no_other() {
        let (key, other) = (
            SecretKey::from_seed(&[1; 32]),
            SecretKey::from_seed(&[2; 32]),
        );
        let body = Certificate {
            number: 1,
            provider: ProviderId([2; 16]),
            subject: other.public_key(),
            name: "Client".parse().unwrap(),
            currency: "EUR".parse().unwrap(),
            issuer: key.public_key().id(),
            not_before: Time::from_ms(0),
            not_after: Time::from_ms(1),
            role: Role::Client,
        };
        let certificate = Signed::sign(body.clone(), &key);
        let forged = Signed::sign(body, &other);

        for _ in 0..2 {
            assert!(Seen.is_signed(&certificate, &key.public_key()));
            assert!(!Seen.is_signed(&certificate, &other.public_key()));
            assert!(!Seen.is_signed(&forged, &key.public_key()));
        }
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut remembered = Remembered::default();
        let name = |i: usize| Digest::of(&[&i.to_be_bytes()]);
        for i in 0..CERTIFICATES_SEEN_MAX.saturating_mul(2) {
            remembered.remember(name(i));
        }

        let kept = remembered.young.len().saturating_add(remembered.old.len());
        assert!(kept <= CERTIFICATES_SEEN_MAX, "{kept}");
        assert!(remembered.knows(&name(
            CERTIFICATES_SEEN_MAX.saturating_mul(2).saturating_sub(1)
        )));
    }
}
