//! How many requests one host, or one key, may send.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::limits::ADDRESSES_MAX;

/// Short bursts may be this many times what a second allows.
const BURST_SECONDS: u32 = 4;

/// A token bucket for each sender.
#[derive(Debug)]
pub(super) struct Rates<Sender> {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<Sender, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<Sender: Copy + Eq + Hash> Rates<Sender> {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            burst: f64::from(per_second.saturating_mul(BURST_SECONDS)),
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Returns whether a sender may send one more request.
    pub(super) fn admit(&self, sender: Sender, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&sender) {
            buckets.retain(|_, bucket| self.filled(bucket, now) < self.burst);
            if buckets.len() >= ADDRESSES_MAX {
                return false;
            }
        }
        let bucket = buckets.entry(sender).or_insert(Bucket {
            tokens: self.burst,
            at: now,
        });
        let tokens = self.filled(bucket, now);
        let is_admitted = tokens >= 1.0;
        *bucket = Bucket {
            tokens: if is_admitted { tokens - 1.0 } else { tokens },
            at: now,
        };

        is_admitted
    }

    fn filled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();

        passed
            .mul_add(self.per_second, bucket.tokens)
            .min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::super::guests::Host;
    use super::*;

    fn host(address: Ipv4Addr) -> Host {
        Host::of(IpAddr::V4(address))
    }

    #[test]
    fn an_address_that_floods_is_told_to_wait_and_others_are_not() {
        let rates = Rates::new(10);
        let flood = host(Ipv4Addr::new(192, 0, 2, 1));
        let other = host(Ipv4Addr::new(192, 0, 2, 2));
        let start = Instant::now();
        let admitted = (0..1000).filter(|_| rates.admit(flood, start)).count();

        assert_eq!(admitted, 40);
        assert!(rates.admit(other, start));
        assert!(rates.admit(flood, start + Duration::from_millis(100)));
        assert!(!rates.admit(flood, start + Duration::from_millis(100)));
    }

    #[test]
    fn the_addresses_remembered_are_bounded() {
        let rates = Rates::new(1);
        let now = Instant::now();
        for i in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 100 {
            rates.admit(host(Ipv4Addr::from_bits(i)), now);
        }

        assert!(rates.buckets.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
