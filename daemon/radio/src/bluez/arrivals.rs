//! The devices that have come by themselves.
//!
//! BlueZ reports a connection, and not who dialled. It dials only devices that it knows, so a device that was first seen by
//! connecting has dialled us. It may do so again for as long as BlueZ remembers it (30 s if it is not paired).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::signals::DeviceNow;

/// Who has come by itself, of the devices that BlueZ knows now.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals(Arc<Mutex<BTreeSet<bluer::Address>>>);

impl Arrivals {
    /// Notes what has become of a device.
    pub(super) fn note(&self, address: bluer::Address, now: DeviceNow) {
        let mut all = self.lock();
        match now {
            DeviceNow::Appeared => {
                all.insert(address);
                if all.len() > ARRIVALS_MAX {
                    all.pop_first();
                }
            }
            DeviceNow::Forgotten => {
                all.remove(&address);
            }
            DeviceNow::Connected | DeviceNow::Disconnected => {}
        }
    }

    pub(super) fn contains(&self, address: bluer::Address) -> bool {
        self.lock().contains(&address)
    }

    pub(super) fn all(&self) -> Vec<bluer::Address> {
        self.lock().iter().copied().collect()
    }

    /// Forgets all: bluetoothd, which knew them, is gone.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<bluer::Address>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many more than come in the time for which BlueZ remembers one.
const ARRIVALS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: bluer::Address = bluer::Address::new([1; 6]);

    #[test]
    fn who_came_by_itself_is_known_until_bluez_forgets_it() {
        let arrivals = Arrivals::default();

        arrivals.note(ADDRESS, DeviceNow::Connected);
        assert!(!arrivals.contains(ADDRESS));
        for now in [
            DeviceNow::Appeared,
            DeviceNow::Disconnected,
            DeviceNow::Connected,
        ] {
            arrivals.note(ADDRESS, now);
            assert!(arrivals.contains(ADDRESS), "{now:?}");
        }
        arrivals.note(ADDRESS, DeviceNow::Forgotten);
        assert_eq!(arrivals.all(), []);
    }

    #[test]
    fn a_crowd_is_not_kept() {
        let arrivals = Arrivals::default();

        for number in 0..1000_u16 {
            let [high, low] = number.to_be_bytes();
            let address = bluer::Address::new([0, 0, 0, 0, high, low]);
            arrivals.note(address, DeviceNow::Appeared);
        }

        assert_eq!(arrivals.all().len(), ARRIVALS_MAX);
    }
}
