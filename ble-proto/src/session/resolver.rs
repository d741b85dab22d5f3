//! What `snow` works with: the caller's randomness, and keys that are wiped when dropped.

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::entropy::{ENTROPY_SIZE, LinkEntropy};
use crate::limits::NOISE_TAG_SIZE;

/// Resolves `snow`'s primitives without a random source of the operating system.
pub(super) struct Resolver {
    seed: [u8; ENTROPY_SIZE],
}

impl Resolver {
    /// Creates the resolver of one handshake; its ephemeral key comes from `entropy`.
    pub(super) fn new(entropy: &mut LinkEntropy) -> Self {
        Self {
            seed: entropy.take(),
        }
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededRandom(LinkEntropy::new(self.seed))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        let inner = DefaultResolver.resolve_dh(choice)?;

        Some(Box::new(WipedDh(inner)))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        match choice {
            CipherChoice::ChaChaPoly => Some(Box::new(WipedCipher { key: [0; 32] })),
            CipherChoice::AESGCM => None,
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

struct SeededRandom(LinkEntropy);

impl Random for SeededRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(dest);

        Ok(())
    }
}

/// X25519 that refuses a result of zeros (a peer's key of low order) and forgets its key.
struct WipedDh(Box<dyn Dh>);

impl Dh for WipedDh {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn pub_len(&self) -> usize {
        self.0.pub_len()
    }

    fn priv_len(&self) -> usize {
        self.0.priv_len()
    }

    fn set(&mut self, privkey: &[u8]) {
        self.0.set(privkey);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        self.0.generate(rng)
    }

    fn pubkey(&self) -> &[u8] {
        self.0.pubkey()
    }

    fn privkey(&self) -> &[u8] {
        self.0.privkey()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        self.0.dh(pubkey, out)?;
        let shared = out.get(..self.dh_len()).ok_or(snow::Error::Dh)?;
        if shared
            .iter()
            .fold(0, |all, byte| all | byte)
            .ct_eq(&0)
            .into()
        {
            return Err(snow::Error::Dh);
        }

        Ok(())
    }
}

impl Drop for WipedDh {
    fn drop(&mut self) {
        self.0.set(&[0; 32]);
    }
}

struct WipedCipher {
    key: [u8; 32],
}

impl WipedCipher {
    fn aead(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&self.key.into())
    }
}

impl Cipher for WipedCipher {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.key = *key;
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (body, rest) = out
            .split_at_mut_checked(plaintext.len())
            .expect("snow passes room for the plaintext and the tag");
        body.copy_from_slice(plaintext);
        let tag = self
            .aead()
            .encrypt_in_place_detached(&nonce_bytes(nonce).into(), authtext, body)
            .expect("a message of 64 KiB is far below the cipher's limit");
        rest.get_mut(..NOISE_TAG_SIZE)
            .expect("snow passes room for the plaintext and the tag")
            .copy_from_slice(&tag);

        plaintext.len().saturating_add(NOISE_TAG_SIZE)
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, snow::Error> {
        let (sealed, tag) = ciphertext
            .split_last_chunk::<NOISE_TAG_SIZE>()
            .ok_or(snow::Error::Decrypt)?;
        let body = out.get_mut(..sealed.len()).ok_or(snow::Error::Decrypt)?;
        body.copy_from_slice(sealed);
        self.aead()
            .decrypt_in_place_detached(&nonce_bytes(nonce).into(), authtext, body, tag.into())
            .map_err(|_| snow::Error::Decrypt)?;

        Ok(sealed.len())
    }
}

impl Drop for WipedCipher {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// Noise's nonce for this cipher: four bytes of zeros, then the counter, little endian.
fn nonce_bytes(nonce: u64) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = nonce.to_le_bytes();

    [0, 0, 0, 0, a, b, c, d, e, f, g, h]
}
