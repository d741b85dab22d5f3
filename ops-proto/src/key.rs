//! Ed25519 keys and signatures; validity is always `verify_strict`.

use core::fmt;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::id::{Digest, KeyId};

/// An Ed25519 public key as it travels: 32 bytes, not yet known to be a good one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Returns the name of this key: the first 8 bytes of its SHA-256 hash.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let Digest(digest) = Digest::of(&[&self.0]);
        let [a, b, c, d, e, f, g, h, ..] = digest;

        KeyId([a, b, c, d, e, f, g, h])
    }

    /// Checks that a certificate may name this key. Call it before one is issued.
    ///
    /// # Errors
    ///
    /// [`KeyRefused::NotAPoint`] when the bytes are no canonical curve point, [`KeyRefused::Weak`] when
    /// its order is small, [`KeyRefused::Torsion`] when it is not in the prime-order subgroup.
    pub fn check(&self) -> Result<(), KeyRefused> {
        let compressed = CompressedEdwardsY(self.0);
        let point = compressed.decompress().ok_or(KeyRefused::NotAPoint)?;
        if point.compress() != compressed {
            return Err(KeyRefused::NotAPoint);
        }
        if point.is_small_order() {
            return Err(KeyRefused::Weak);
        }
        if !point.is_torsion_free() {
            return Err(KeyRefused::Torsion);
        }

        Ok(())
    }

    /// Checks a signature over a message.
    ///
    /// # Errors
    ///
    /// [`SignatureInvalid`] when the key is no key or `verify_strict` refuses.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        self.prepare()?.verify(message, signature)
    }

    /// Returns the key as a point of the curve, which is a tenth of the work of a verification: who checks
    /// many signatures of one key prepares it once.
    ///
    /// # Errors
    ///
    /// [`SignatureInvalid`] when the key is no key: nothing that it signs is valid.
    pub fn prepare(&self) -> Result<PreparedKey, SignatureInvalid> {
        VerifyingKey::from_bytes(&self.0)
            .map(PreparedKey)
            .map_err(|_| SignatureInvalid)
    }
}

/// A public key that was found on the curve, in about 200 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreparedKey(VerifyingKey);

impl PreparedKey {
    /// Checks a signature over a message, exactly as [`PublicKey::verify`] does.
    ///
    /// # Errors
    ///
    /// [`SignatureInvalid`] when `verify_strict` refuses.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);

        self.0
            .verify_strict(message, &signature)
            .map_err(|_| SignatureInvalid)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;

        write!(f, "Signature({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// An Ed25519 secret key. It cannot be copied, compared or printed, and is wiped when dropped.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Returns the key of a 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Returns the seed, for a caller that seals it.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Returns the public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message. Only [`crate::Signed::sign`] calls it, so that every signature has a domain.
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([redacted])")
    }
}

/// A signature does not fit key and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit")]
pub struct SignatureInvalid;

/// A public key must not be certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// The bytes are no canonical curve point.
    #[error("the key is not a point of the curve")]
    NotAPoint,
    /// The key has small order: signatures under it prove nothing.
    #[error("the key is weak")]
    Weak,
    /// The key has a torsion part: verifiers may disagree about its signatures.
    #[error("the key is not in the prime-order subgroup")]
    Torsion,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_and_torsion_keys_are_refused() {
        let good = SecretKey::from_seed(&[7; 32]).public_key();
        assert_eq!(good.check(), Ok(()));

        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey(identity).check(), Err(KeyRefused::Weak));

        let point = CompressedEdwardsY(good.0)
            .decompress()
            .expect("a key is a point");
        let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
        let mixed = PublicKey((point + torsion).compress().to_bytes());
        assert_eq!(mixed.check(), Err(KeyRefused::Torsion));
        assert_eq!(PublicKey([0xff; 32]).check(), Err(KeyRefused::NotAPoint));
    }

    #[test]
    fn a_signature_that_everybody_can_make_never_verifies() {
        // Under the identity as key, R = 0 and s = 0 fit every message, but for strict verifiers.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;

        let verified = PublicKey(identity).verify(b"anything", &Signature(signature));

        assert_eq!(verified, Err(SignatureInvalid));
    }

    #[test]
    fn every_byte_of_the_key_counts() {
        // A seed implementation signed a constant header instead of the key.
        let key = SecretKey::from_seed(&[7; 32]).public_key();
        for i in 0..32 {
            let mut other = key;
            other.0[i] ^= 1;
            assert_ne!(key.id(), other.id());
        }
    }

    #[test]
    fn no_function_prints_a_secret_key() {
        let key = SecretKey::from_seed(&[7; 32]);
        assert_eq!(format!("{key:?}"), "SecretKey([redacted])");
    }
}
