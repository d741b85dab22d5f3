//! How many connections one address may have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::CONNECTIONS_PER_ADDRESS_MAX;

/// The addresses that are connected. There are never more than there are connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guests {
    connections: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Guest {
    guests: Guests,
    address: IpAddr,
}

impl Guests {
    /// Admits one more connection of an address, if it may have one.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Guest> {
        let mut connections = self.connections();
        let count = connections.entry(address).or_default();
        if *count >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        *count = count.saturating_add(1);

        Some(Guest {
            guests: self.clone(),
            address,
        })
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut connections = self.guests.connections();
        let Some(count) = connections.get_mut(&self.address) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            connections.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn one_address_never_takes_all_connections_and_gives_back_those_that_end() {
        let guests = Guests::default();
        let greedy = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        let mut admitted: Vec<Guest> = (0..2 * CONNECTIONS_PER_ADDRESS_MAX)
            .filter_map(|_| guests.admit(greedy))
            .collect();

        assert_eq!(admitted.len(), CONNECTIONS_PER_ADDRESS_MAX);
        assert!(guests.admit(other).is_some());
        admitted.pop();
        admitted.extend(guests.admit(greedy));
        assert_eq!(admitted.len(), CONNECTIONS_PER_ADDRESS_MAX);
        admitted.clear();
        assert!(guests.connections().is_empty());
    }
}
