//! The secrets of a session: a request's static Noise key and the secret that a URI carries.

use std::fmt;

use ops_proto::message::NoiseKey;
use sha2::{Digest, Sha256};
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::entropy::LinkEntropy;
use crate::limits::{NOISE_KEY_SIZE, URI_SECRET_SIZE};

const PSK_DOMAIN: &[u8] = b"blepay/ble/psk/v1";

/// A payee's private static Noise key: made per request, stored beside it.
pub struct NoiseSecret([u8; NOISE_KEY_SIZE]);

impl NoiseSecret {
    /// Makes a new one from fresh randomness.
    #[must_use]
    pub fn generate(entropy: &mut LinkEntropy) -> Self {
        Self(entropy.take())
    }

    /// Takes back one that was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; NOISE_KEY_SIZE]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store; they are wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; NOISE_KEY_SIZE]> {
        Zeroizing::new(self.0)
    }

    /// Returns the public key that belongs to it.
    ///
    /// # Panics
    ///
    /// Never: the curve is compiled in and its keys have 32 bytes.
    #[must_use]
    pub fn public(&self) -> NoiseKey {
        let mut dh = DefaultResolver
            .resolve_dh(&DHChoice::Curve25519)
            .expect("the feature use-curve25519 is on");
        dh.set(&self.0);
        let public = dh.pubkey().try_into().expect("an X25519 key has 32 bytes");
        dh.set(&[0; NOISE_KEY_SIZE]);

        NoiseKey(public)
    }

    pub(super) const fn expose(&self) -> &[u8; NOISE_KEY_SIZE] {
        &self.0
    }
}

impl Drop for NoiseSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for NoiseSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoiseSecret([redacted])")
    }
}

/// The secret that a `blepay:` URI carries from the payee's screen to the payer's camera.
pub struct UriSecret([u8; URI_SECRET_SIZE]);

impl UriSecret {
    /// Makes a new one from fresh randomness.
    #[must_use]
    pub fn generate(entropy: &mut LinkEntropy) -> Self {
        Self(entropy.take())
    }

    /// Takes back one that was stored or scanned.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; URI_SECRET_SIZE]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store or show; they are wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; URI_SECRET_SIZE]> {
        Zeroizing::new(self.0)
    }

    /// Tells whether two secrets are the same, in constant time.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Returns the pre-shared key of `NKpsk0`: SHA-256(domain ‖ secret).
    pub(super) fn psk(&self) -> Zeroizing<[u8; 32]> {
        let psk = Sha256::new()
            .chain_update(PSK_DOMAIN)
            .chain_update(self.0)
            .finalize();

        Zeroizing::new(psk.into())
    }
}

impl Drop for UriSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for UriSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UriSecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_print_nothing() {
        let mut entropy = LinkEntropy::new([7; 32]);

        assert_eq!(format!("{entropy:?}"), "LinkEntropy([redacted])");
        assert_eq!(
            format!("{:?}", NoiseSecret::generate(&mut entropy)),
            "NoiseSecret([redacted])"
        );
        assert_eq!(
            format!("{:?}", UriSecret::generate(&mut entropy)),
            "UriSecret([redacted])"
        );
    }

    #[test]
    fn public_key_is_that_of_rfc_7748_section_5_2() {
        let mut nine = [0; 32];
        nine[0] = 9;

        assert_eq!(
            hex::encode(NoiseSecret::from_bytes(nine).public().0),
            "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
        );
    }
}
