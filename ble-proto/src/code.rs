//! The six-digit code that both screens show, and the commitment that keeps it honest.
//!
//! The payer commits to its nonce in flight ①, the payee sends its own in flight ②, the payer opens
//! the commitment in flight ③. So each side has fixed all that it contributes before it sees the
//! other's nonce, and a person in between has one guess in a million per handshake.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::limits::NONCE_SIZE;
use crate::session::{HandshakeHash, LinkEntropy};

const CODE_DOMAIN: &[u8] = b"blepay/ble/code/v1";
const COMMITMENT_DOMAIN: &[u8] = b"blepay/ble/commitment/v1";

/// The payer's promise of its nonce: SHA-256(domain ‖ nonce).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceCommitment(pub [u8; 32]);

/// The payer's nonce: hidden behind a [`NonceCommitment`] until flight ③.
pub struct PayerNonce([u8; NONCE_SIZE]);

/// The payee's nonce, sent in flight ②.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PayeeNonce(pub [u8; NONCE_SIZE]);

/// The payer's nonce as opened in flight ③.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OpenedNonce(pub [u8; NONCE_SIZE]);

/// The six digits that two people compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u32);

impl PayerNonce {
    /// Makes a new one from fresh randomness.
    #[must_use]
    pub fn generate(entropy: &mut LinkEntropy) -> Self {
        Self(entropy.take())
    }

    /// Returns the commitment for flight ①.
    #[must_use]
    pub fn commitment(&self) -> NonceCommitment {
        commitment(&self.0)
    }

    /// Opens the commitment, once, for flight ③.
    #[must_use]
    pub const fn open(self) -> OpenedNonce {
        OpenedNonce(self.0)
    }
}

impl OpenedNonce {
    /// Tells whether this is the nonce that was committed to.
    #[must_use]
    pub fn opens(&self, promised: &NonceCommitment) -> bool {
        commitment(&self.0).0.ct_eq(&promised.0).into()
    }
}

impl Code {
    /// Computes the code from what both sides had fixed after flight ②.
    ///
    /// # Panics
    ///
    /// Never: a remainder of a million fits.
    #[must_use]
    pub fn new(hash: &HandshakeHash, payer: &OpenedNonce, payee: &PayeeNonce) -> Self {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(CODE_DOMAIN)
            .chain_update(hash.0)
            .chain_update(payer.0)
            .chain_update(payee.0)
            .finalize()
            .into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h])
            .checked_rem(CODES)
            .and_then(|number| u32::try_from(number).ok())
            .expect("a remainder of a million fits");

        Self(number)
    }

    /// Returns the number, 0 to 999 999.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl fmt::Debug for PayerNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayerNonce([redacted])")
    }
}

fn commitment(nonce: &[u8; NONCE_SIZE]) -> NonceCommitment {
    let hash = Sha256::new()
        .chain_update(COMMITMENT_DOMAIN)
        .chain_update(nonce)
        .finalize();

    NonceCommitment(hash.into())
}

const CODES: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_has_six_digits_and_depends_on_all_three() {
        let hash = HandshakeHash([1; 32]);
        let (payer, payee) = (OpenedNonce([2; 32]), PayeeNonce([3; 32]));
        let code = Code::new(&hash, &payer, &payee);

        assert_eq!(Code(7).to_string(), "000007");
        assert_eq!(code.to_string().len(), 6);
        assert_ne!(code, Code::new(&HandshakeHash([9; 32]), &payer, &payee));
        assert_ne!(code, Code::new(&hash, &OpenedNonce([9; 32]), &payee));
        assert_ne!(code, Code::new(&hash, &payer, &PayeeNonce([9; 32])));
    }

    #[test]
    fn only_the_committed_nonce_opens() {
        let nonce = PayerNonce([5; 32]);
        let commitment = nonce.commitment();

        assert_eq!(format!("{nonce:?}"), "PayerNonce([redacted])");
        assert!(nonce.open().opens(&commitment));
        assert!(!OpenedNonce([6; 32]).opens(&commitment));
    }
}
