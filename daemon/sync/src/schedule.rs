//! When the next run begins by itself.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// The shortest wait after a failure, before jitter.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(500);
/// The longest wait while something is to be carried: a server that comes back is found within it.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(20);
/// The longest wait while money waits for the other side's sync.
const SETTLEMENT_DELAY: Duration = Duration::from_secs(30);
/// The wait when nothing is left to do.
const IDLE_DELAY: Duration = Duration::from_secs(15 * 60);

/// What a run left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// A part did not succeed.
    Failed,
    /// Everything is carried; some payments have no final state yet.
    Settlements,
    /// Nothing.
    Nothing,
}

/// Jittered back-off, so that a thousand tills do not come back in the same second.
#[derive(Debug)]
pub(super) struct Schedule {
    backoff: ExponentialBackoff,
}

impl Schedule {
    pub(super) fn new() -> Self {
        Self { backoff: backoff() }
    }

    /// Begins with short waits again: something has changed.
    pub(super) fn reset(&mut self) {
        self.backoff = backoff();
    }

    /// Returns how long to wait after a run.
    pub(super) fn after(&mut self, left: Left) -> Duration {
        match left {
            Left::Failed => self.backoff.next().unwrap_or(RETRY_DELAY_MAX),
            Left::Settlements => {
                self.reset();
                SETTLEMENT_DELAY
            }
            Left::Nothing => {
                self.reset();
                IDLE_DELAY
            }
        }
    }
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(RETRY_DELAY_MIN)
        .with_max_delay(RETRY_DELAY_MAX)
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_begin_anew_after_a_hint() {
        let mut schedule = Schedule::new();
        let first = schedule.after(Left::Failed);
        let last = (0..100)
            .map(|_| schedule.after(Left::Failed))
            .last()
            .expect("a hundred waits");

        assert!(first <= RETRY_DELAY_MIN * 2, "{first:?}");
        assert!(
            last >= RETRY_DELAY_MAX && last <= RETRY_DELAY_MAX * 2,
            "{last:?}"
        );
        schedule.reset();
        assert!(schedule.after(Left::Failed) <= RETRY_DELAY_MIN * 2);
    }
}
