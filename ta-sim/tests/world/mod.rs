//! The world around a TA: a provider, a disk that loses power, randomness that can be repeated.

mod bank;
mod device;
mod disk;

pub(crate) use bank::{Bank, LIMITS, NOW, YEAR_MS, bound};
pub(crate) use device::{Device, expect_paid, expect_request, expect_status, expect_withdrawn};
pub(crate) use disk::{Disk, Torn};

use ops_proto::amount::Amount;
use ta_sim::Entropy;

/// Randomness that is the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Repeatable(u64);

impl Repeatable {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Entropy for Repeatable {
    fn fill(&mut self, bytes: &mut [u8]) -> std::io::Result<()> {
        for chunk in bytes.chunks_mut(32) {
            self.0 = self.0.wrapping_add(1);
            let random = ops_proto::id::Digest::of(&[b"test", &self.0.to_le_bytes()]);
            chunk.copy_from_slice(&random.0[..chunk.len()]);
        }

        Ok(())
    }
}

pub(crate) fn amount(minor_units: u64) -> Amount {
    Amount::try_from(minor_units).expect("tests use amounts in range")
}
