//! Where the sealed state lies: two slots, of which one is always whole.

mod commitment;
mod directory;
mod file;
mod seal;
mod slots;
pub mod tpm;

use std::io;

pub use commitment::{Commitment, Committed};
pub use file::FileStorage;
pub use seal::SealingKey;
pub use slots::{Damaged, NotCommitted};
pub(crate) use slots::{LoadFailed, NONCE_SIZE, Slots};
pub use tpm::TpmStorage;

/// Two places for a sealed state, and the key that seals it.
///
/// Each method is one step after which the power may go. What was written but not synced may be there,
/// in part, or not at all.
pub trait Storage {
    /// Returns the key that seals the slots.
    fn sealing_key(&self) -> &SealingKey;

    /// Returns the content of a slot, or nothing when it was never written.
    ///
    /// # Errors
    ///
    /// When the slot cannot be read, which says nothing about its content.
    fn read(&mut self, slot: Slot) -> io::Result<Option<Vec<u8>>>;

    /// Replaces the content of a slot.
    ///
    /// # Errors
    ///
    /// When it could not; the content of this slot is then unknown.
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> io::Result<()>;

    /// Returns when what was written to a slot outlives the power.
    ///
    /// # Errors
    ///
    /// When that is not certain; the content of this slot is then unknown.
    fn sync(&mut self, slot: Slot) -> io::Result<()>;

    /// Returns what the newest state is committed to outside the slots.
    ///
    /// A storage without one, as this default, does not protect against roll-back at all.
    fn commitment(&mut self) -> Option<&mut dyn Committed> {
        None
    }
}

/// One of the two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The first.
    First,
    /// The second.
    Second,
}

impl Slot {
    /// Returns the other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// Returns 0 or 1.
    #[must_use]
    pub const fn index(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

/// The file of a seed that is sealed to a TPM: who finds it does not take the state for one in files.
const SEALED_SEED: &str = "tpm-seed";
