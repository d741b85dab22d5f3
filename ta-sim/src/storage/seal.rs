//! Sealing: XChaCha20-Poly1305 over one slot's content.

use core::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::Slot;

/// Bytes of the nonce, which is drawn anew for every write.
pub(crate) const NONCE_SIZE: usize = 24;

/// The key that seals a TA's state. It cannot be printed, copied or compared, and is wiped when dropped.
pub struct SealingKey(Zeroizing<[u8; 32]>);

impl SealingKey {
    /// Takes the 32 bytes of a key.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns `magic ‖ nonce ‖ sealed content`. The slot is sealed in: a slot copied over the other
    /// does not open.
    pub(super) fn seal(&self, slot: Slot, nonce: &[u8; NONCE_SIZE], plain: &[u8]) -> Vec<u8> {
        let aad = aad(slot);
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        let sealed = self
            .cipher()
            .encrypt(XNonce::from_slice(nonce), payload)
            .expect("a state is far smaller than what the cipher can take");

        [MAGIC, nonce, &sealed].concat()
    }

    /// Returns the content, or nothing when it is not whole, not this slot's or not under this key.
    pub(super) fn open(&self, slot: Slot, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_SIZE>()?;
        let aad = aad(slot);
        let payload = Payload {
            msg: sealed,
            aad: &aad,
        };

        self.cipher()
            .decrypt(XNonce::from_slice(nonce), payload)
            .ok()
            .map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.as_slice().into())
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey([redacted])")
    }
}

fn aad(slot: Slot) -> Vec<u8> {
    [MAGIC, &[slot.index()]].concat()
}

/// What a slot begins with; the last byte is the version of its layout.
const MAGIC: &[u8] = b"blepay/ta/slot\0\x01";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_slot_opens_only_whole_in_its_place_and_under_its_key() {
        let key = SealingKey::new([1; 32]);
        let sealed = key.seal(Slot::First, &[2; NONCE_SIZE], b"state");

        let opened = key.open(Slot::First, &sealed).expect("it is whole");
        assert_eq!(opened.as_slice(), b"state");
        assert!(key.open(Slot::Second, &sealed).is_none());
        assert!(
            SealingKey::new([3; 32])
                .open(Slot::First, &sealed)
                .is_none()
        );
        for end in 0..sealed.len() {
            assert!(key.open(Slot::First, &sealed[..end]).is_none());
        }
        for i in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[i] ^= 1;
            assert!(key.open(Slot::First, &damaged).is_none());
        }
    }

    #[test]
    fn printing_the_sealing_key_shows_no_secret() {
        let key = SealingKey::new([1; 32]);

        assert_eq!(format!("{key:?}"), "SealingKey([redacted])");
    }
}
