//! Certificates whose signatures fit, and keys that were prepared, so that neither is done again with each
//! payment.
//!
//! A signature over the same bytes by the same key always fits, so nothing here ever goes stale; what
//! expires or is revoked is judged elsewhere, each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use ops_proto::certificate::{Certificate, VerifyCertificate};
use ops_proto::key::{PreparedKey, SignatureInvalid};
use ops_proto::signed::Signed;
use ops_proto::{Digest, PublicKey};

use crate::limits::{CERTIFICATES_SEEN_MAX, KEYS_SEEN_MAX};

/// Checks signatures of certificates, and remembers which fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen;

impl VerifyCertificate for Seen {
    fn is_signed(&self, certificate: &Signed<Certificate>, issuer: &PublicKey) -> bool {
        let name = Digest::of(&[&issuer.0, certificate.wire()]);
        if certificates().find(&name).is_some() {
            return true;
        }
        if certificate.verify(issuer).is_err() {
            return false;
        }
        certificates().remember(name, ());

        true
    }

    fn prepare(&self, key: &PublicKey) -> Result<PreparedKey, SignatureInvalid> {
        if let Some(prepared) = keys().find(key) {
            return Ok(prepared);
        }
        let prepared = key.prepare()?;
        keys().remember(*key, prepared);

        Ok(prepared)
    }
}

fn certificates() -> MutexGuard<'static, Remembered<Digest, ()>> {
    static CERTIFICATES: LazyLock<Mutex<Remembered<Digest, ()>>> =
        LazyLock::new(|| Mutex::new(Remembered::new(CERTIFICATES_SEEN_MAX)));

    CERTIFICATES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keys() -> MutexGuard<'static, Remembered<PublicKey, PreparedKey>> {
    static KEYS: LazyLock<Mutex<Remembered<PublicKey, PreparedKey>>> =
        LazyLock::new(|| Mutex::new(Remembered::new(KEYS_SEEN_MAX)));

    KEYS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two generations: when the young one is full, the old one is forgotten, and what was asked for
/// meanwhile is young again.
#[derive(Debug)]
struct Remembered<N, T> {
    most: usize,
    young: HashMap<N, T>,
    old: HashMap<N, T>,
}

impl<N: Copy + Eq + Hash, T: Copy> Remembered<N, T> {
    fn new(most: usize) -> Self {
        Self {
            most,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn find(&mut self, name: &N) -> Option<T> {
        if let Some(found) = self.young.get(name) {
            return Some(*found);
        }
        let found = self.old.get(name).copied()?;
        self.remember(*name, found);

        Some(found)
    }

    fn remember(&mut self, name: N, what: T) {
        if self.young.len() >= self.most / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(name, what);
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
        let mut remembered = Remembered::new(100);
        for i in 0..200 {
            remembered.remember(i, i);
        }

        let kept = remembered.young.len().saturating_add(remembered.old.len());
        assert!(kept <= 100, "{kept}");
        assert_eq!(remembered.find(&199), Some(199));
        assert_eq!(remembered.find(&0), None);
    }
}
