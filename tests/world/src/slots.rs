//! The two slots of a trusted application, in memory: what was synced outlives its device's deaths.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ta_sim::entropy::Entropy;
use ta_sim::storage::{SealingKey, Slot, Storage};

use crate::rng::Rng;

/// A handle: clones see the same slots.
#[derive(Clone)]
pub(crate) struct Slots {
    bytes: Arc<Mutex<Bytes>>,
    key: Arc<SealingKey>,
}

/// What the slots hold, and what of that stays when the power goes.
#[derive(Default)]
struct Bytes {
    written: [Option<Vec<u8>>; 2],
    synced: [Option<Vec<u8>>; 2],
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Arc::default(),
            key: Arc::new(SealingKey::new([9; 32])),
        }
    }

    /// Loses what was written and not synced, as when the power goes.
    pub(crate) fn lose_unsynced(&self) {
        let mut bytes = self.bytes();
        bytes.written = bytes.synced.clone();
    }

    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Slots {
    fn sealing_key(&self) -> &SealingKey {
        &self.key
    }

    fn read(&mut self, slot: Slot) -> io::Result<Option<Vec<u8>>> {
        let bytes = self.bytes();

        Ok(bytes
            .written
            .get(usize::from(slot.index()))
            .cloned()
            .flatten())
    }

    fn write(&mut self, slot: Slot, content: &[u8]) -> io::Result<()> {
        if let Some(place) = self.bytes().written.get_mut(usize::from(slot.index())) {
            *place = Some(content.to_vec());
        }

        Ok(())
    }

    fn sync(&mut self, slot: Slot) -> io::Result<()> {
        let mut bytes = self.bytes();
        let written = bytes.written.get(usize::from(slot.index())).cloned();
        if let Some(place) = bytes.synced.get_mut(usize::from(slot.index())) {
            *place = written.flatten();
        }

        Ok(())
    }
}

/// Randomness of a trusted application.
pub(crate) struct TaEntropy(pub(crate) Rng);

impl Entropy for TaEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.0.fill(bytes);

        Ok(())
    }
}
