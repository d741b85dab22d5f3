//! Randomness is passed in, so that a simulated TA can be repeated.

use std::io;

/// A source of random bytes for keys and nonces.
pub trait Entropy {
    /// Fills `bytes` with random ones.
    ///
    /// # Errors
    ///
    /// When the source has none; the TA then ends without an answer.
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()>;
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::from)
    }
}
