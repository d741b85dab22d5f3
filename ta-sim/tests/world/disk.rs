//! A disk of two slots that loses power at a step of one's choice.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use ta_sim::storage::{SealingKey, Slot, Storage};

/// A handle: clones see the same disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    platters: Arc<Mutex<Platters>>,
    key: Arc<SealingKey>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Platters {
    /// What outlives the power.
    durable: [Option<Vec<u8>>; 2],
    /// What reads see.
    seen: [Option<Vec<u8>>; 2],
    /// Steps until the power goes.
    steps_left: Option<u32>,
    /// Steps taken since the last start.
    pub(crate) steps: u32,
}

/// What becomes of bytes that were written and not synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Torn {
    Lost,
    Half,
    Whole,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self {
            platters: Arc::default(),
            key: Arc::new(SealingKey::new([9; 32])),
        }
    }

    /// Lets the power go before the step after the next `steps`.
    pub(crate) fn cut_after(&self, steps: u32) {
        self.lock().steps_left = Some(steps);
    }

    /// Brings the power back, with what is left of the bytes that were on their way.
    pub(crate) fn start_again(&self, torn: Torn) {
        let mut platters = self.lock();
        for i in 0..2 {
            if platters.durable[i] != platters.seen[i] {
                platters.durable[i] = match torn {
                    Torn::Lost => platters.durable[i].clone(),
                    Torn::Half => platters.seen[i]
                        .as_ref()
                        .map(|bytes| bytes[..bytes.len() / 2].to_vec()),
                    Torn::Whole => platters.seen[i].clone(),
                };
            }
        }
        platters.seen = platters.durable.clone();
        platters.steps_left = None;
        platters.steps = 0;
    }

    /// Returns a copy of what is on the disk, as an owner who rolls the TA back would.
    pub(crate) fn copy(&self) -> Platters {
        self.lock().clone()
    }

    pub(crate) fn restore(&self, copy: Platters) {
        *self.lock() = copy;
    }

    /// Flips a bit of a slot, as rot does.
    pub(crate) fn rot(&self, slot: Slot) {
        let mut platters = self.lock();
        let i = usize::from(slot.index());
        let bytes = platters.durable[i].as_mut().expect("the slot was written");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        platters.seen[i] = platters.durable[i].clone();
    }

    fn step(&self) -> io::Result<MutexGuard<'_, Platters>> {
        let mut platters = self.lock();
        match platters.steps_left.as_mut() {
            Some(0) => return Err(io::Error::other("the power is gone")),
            Some(steps) => *steps -= 1,
            None => {}
        }
        platters.steps += 1;

        Ok(platters)
    }

    pub(crate) fn steps(&self) -> u32 {
        self.lock().steps
    }

    fn lock(&self) -> MutexGuard<'_, Platters> {
        self.platters
            .lock()
            .expect("no test panics while it writes")
    }
}

impl Storage for Disk {
    fn sealing_key(&self) -> &SealingKey {
        &self.key
    }

    fn read(&mut self, slot: Slot) -> io::Result<Option<Vec<u8>>> {
        Ok(self.step()?.seen[usize::from(slot.index())].clone())
    }

    fn write(&mut self, slot: Slot, bytes: &[u8]) -> io::Result<()> {
        // The bytes are on their way when the power goes.
        let mut platters = self.lock();
        platters.seen[usize::from(slot.index())] = Some(bytes.to_vec());
        drop(platters);

        self.step().map(drop)
    }

    fn sync(&mut self, slot: Slot) -> io::Result<()> {
        let mut platters = self.step()?;
        let i = usize::from(slot.index());
        platters.durable[i] = platters.seen[i].clone();

        Ok(())
    }
}
