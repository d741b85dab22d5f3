//! Randomness as an argument: 32 bytes from the caller become all that one link needs.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// Bytes of fresh randomness that the caller passes in per link.
pub const ENTROPY_SIZE: usize = 32;

const DOMAIN: &[u8] = b"blepay/ble/entropy/v1";

/// A small generator over passed-in randomness: block n is SHA-256(domain ‖ seed ‖ n).
///
/// The same seed gives the same bytes, so a run can be repeated; two links never share a seed.
pub struct LinkEntropy {
    seed: [u8; ENTROPY_SIZE],
    block: u64,
}

impl LinkEntropy {
    /// Creates a generator from 32 bytes that come from the operating system's random source.
    #[must_use]
    pub const fn new(seed: [u8; ENTROPY_SIZE]) -> Self {
        Self { seed, block: 0 }
    }

    /// Returns the next bytes, 32 at most.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);

        out
    }

    /// Fills `out` with the next bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(ENTROPY_SIZE) {
            let mut block = self.next_block();
            for (to, from) in chunk.iter_mut().zip(block.iter()) {
                *to = *from;
            }
            block.zeroize();
        }
    }

    fn next_block(&mut self) -> [u8; ENTROPY_SIZE] {
        let block = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(self.seed)
            .chain_update(self.block.to_be_bytes())
            .finalize();
        self.block = self
            .block
            .checked_add(1)
            .expect("a link never needs 2^64 blocks");

        block.into()
    }
}

impl Drop for LinkEntropy {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl fmt::Debug for LinkEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkEntropy([redacted])")
    }
}
