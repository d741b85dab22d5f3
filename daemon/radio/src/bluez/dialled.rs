//! The devices that this radio dials, or holds a link to as their payer.

use std::sync::{Arc, Mutex, PoisonError};

/// Whom this radio dials: the payee's side of it leaves them alone.
#[derive(Clone, Debug, Default)]
pub(super) struct DialledAddresses(Arc<Mutex<Vec<bluer::Address>>>);

impl DialledAddresses {
    /// Counts a device among them until the guard is dropped.
    pub(super) fn enter(&self, address: bluer::Address) -> DialledGuard {
        self.lock().push(address);

        DialledGuard {
            dialled: self.clone(),
            address,
        }
    }

    pub(super) fn contains(&self, address: bluer::Address) -> bool {
        self.lock().contains(&address)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<bluer::Address>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device that is dialled.
#[derive(Debug)]
pub(super) struct DialledGuard {
    dialled: DialledAddresses,
    address: bluer::Address,
}

impl Drop for DialledGuard {
    fn drop(&mut self) {
        let mut dialled = self.dialled.lock();
        if let Some(index) = dialled.iter().position(|known| *known == self.address) {
            dialled.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_dialled_twice_stays_dialled_until_both_have_ended() {
        let (dialled, address) = (DialledAddresses::default(), bluer::Address::new([1; 6]));

        let first = dialled.enter(address);
        let second = dialled.enter(address);
        drop(first);
        assert!(dialled.contains(address));
        drop(second);
        assert!(!dialled.contains(address));
    }
}
