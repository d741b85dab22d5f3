//! A token bucket: so many at once, one more per interval.

use crate::time::Instant;

/// Allows `burst` at once and one more per interval.
#[derive(Debug)]
pub(super) struct TokenBucket {
    burst: u32,
    interval_ms: u64,
    tokens: u32,
    counted_from: Instant,
}

impl TokenBucket {
    /// Creates a full bucket.
    pub(super) const fn new(burst: u32, interval_ms: u64) -> Self {
        Self {
            burst,
            interval_ms,
            tokens: burst,
            counted_from: Instant::from_ms(0),
        }
    }

    /// Takes one token if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }

    /// Returns when there will be a token at the latest.
    pub(super) const fn ready_at(&self) -> Instant {
        if self.tokens > 0 {
            return self.counted_from;
        }

        self.counted_from.after_ms(self.interval_ms)
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.ms_since(self.counted_from);
        let grown = elapsed.checked_div(self.interval_ms).unwrap_or(0);
        let grown_u32 = u32::try_from(grown).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(grown_u32).min(self.burst);
        self.counted_from = if self.tokens == self.burst {
            self.counted_from.max(now)
        } else {
            self.counted_from
                .after_ms(grown.saturating_mul(self.interval_ms))
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_per_interval() {
        let mut bucket = TokenBucket::new(3, 100);
        let at = Instant::from_ms;

        assert!((0..3).all(|_| bucket.take(at(1_000))));
        assert!(!bucket.take(at(1_000)));
        assert_eq!(bucket.ready_at(), at(1_100));
        assert!(!bucket.take(at(1_099)));
        assert!(bucket.take(at(1_100)));
        assert!(!bucket.take(at(1_199)));
        assert!((0..3).all(|_| bucket.take(at(9_000))));
        assert!(!bucket.take(at(9_050)));
    }
}
