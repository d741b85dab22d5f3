//! How much one host may have of what there is only so much of.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much of an IPv6 address names the network: one host has all addresses in it.
const NETWORK_MASK: u128 = !0 << 64;

/// One host, as far as its addresses tell: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host(IpAddr);

impl Host {
    /// Returns the host with this address.
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & NETWORK_MASK);
                Self(IpAddr::V6(network))
            }
        }
    }
}

/// The hosts that have something. There are never more than there are connections.
#[derive(Clone, Debug)]
pub(crate) struct Guests {
    each: usize,
    shares: Arc<Mutex<HashMap<Host, Share>>>,
}

/// The share of one host.
#[derive(Debug)]
struct Share {
    permits: Arc<Semaphore>,
    /// How many have it or wait for it.
    guests: usize,
}

/// One piece of a host's share; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Guest {
    // Dropped before the place, so that no share is forgotten of which somebody has a piece.
    _permit: Option<OwnedSemaphorePermit>,
    _place: Place,
}

/// Keeps a share remembered while somebody has a piece of it or waits for one.
#[derive(Debug)]
struct Place {
    guests: Guests,
    host: Host,
}

impl Guests {
    /// Makes room for so many of each host.
    pub(crate) fn new(each: usize) -> Self {
        Self {
            each,
            shares: Arc::default(),
        }
    }

    /// Admits one more of a host, if it may have one now.
    pub(crate) fn admit(&self, host: Host) -> Option<Guest> {
        let (place, permits) = self.place(host);
        let permit = permits.try_acquire_owned().ok()?;

        Some(Guest {
            _permit: Some(permit),
            _place: place,
        })
    }

    /// Admits so many more of a host once it may have them.
    pub(crate) async fn wait(&self, host: Host, many: u32) -> Guest {
        let (place, permits) = self.place(host);

        Guest {
            _permit: permits.acquire_many_owned(many).await.ok(),
            _place: place,
        }
    }

    fn place(&self, host: Host) -> (Place, Arc<Semaphore>) {
        let mut shares = self.shares();
        let share = shares.entry(host).or_insert_with(|| Share {
            permits: Arc::new(Semaphore::new(self.each)),
            guests: 0,
        });
        share.guests = share.guests.saturating_add(1);
        let place = Place {
            guests: self.clone(),
            host,
        };

        (place, Arc::clone(&share.permits))
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<Host, Share>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shares = self.guests.shares();
        let Some(share) = shares.get_mut(&self.host) else {
            return;
        };
        share.guests = share.guests.saturating_sub(1);
        if share.guests == 0 {
            shares.remove(&self.host);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    const EACH: usize = 3;

    fn host(address: &str) -> Host {
        Host::of(address.parse().unwrap())
    }

    #[test]
    fn one_host_never_takes_all_and_gives_back_what_ends() {
        let guests = Guests::new(EACH);
        let greedy = host("192.0.2.1");
        let mut admitted: Vec<Guest> = (0..2 * EACH).filter_map(|_| guests.admit(greedy)).collect();

        assert_eq!(admitted.len(), EACH);
        assert!(guests.admit(host("192.0.2.2")).is_some());
        admitted.pop();
        admitted.extend(guests.admit(greedy));
        assert_eq!(admitted.len(), EACH);
        admitted.clear();
        assert!(guests.shares().is_empty());
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_are_one_host() {
        assert_eq!(host("2001:db8:0:1::1"), host("2001:db8:0:1:ffff::2"));
        assert_ne!(host("2001:db8:0:1::1"), host("2001:db8:0:2::1"));
        assert_eq!(host("::ffff:192.0.2.1"), host("192.0.2.1"));
        assert_ne!(host("::ffff:192.0.2.1"), host("::ffff:192.0.2.2"));
    }

    #[tokio::test]
    async fn who_waits_is_admitted_when_another_of_the_host_ends() {
        let guests = Guests::new(1);
        let one = guests.admit(host("192.0.2.1")).unwrap();
        let waiting = guests.clone();
        let next =
            TaskTracker::new().spawn(async move { waiting.wait(host("192.0.2.1"), 1).await });
        tokio::task::yield_now().await;
        assert!(!next.is_finished());

        drop(one);

        let next = next.await.unwrap();
        assert!(guests.admit(host("192.0.2.1")).is_none());
        drop(next);
        assert!(guests.shares().is_empty());
    }
}
