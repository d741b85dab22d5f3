//! The clocks.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Returns the present instant by the wall clock, since 1970; zero for a clock that shows less.
#[must_use]
pub fn wall() -> Duration {
    #[cfg(blepay_world)]
    if let Some(world) = crate::world::get() {
        return world.wall();
    }

    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Returns what the monotonic clock shows: the time since this was first asked.
#[must_use]
pub fn since_start() -> Duration {
    #[cfg(blepay_world)]
    if let Some(world) = crate::world::get() {
        return world.start().elapsed();
    }

    START.elapsed()
}

/// Returns when the monotonic clock will show `since_start`, for a timer; now, if that is too far away.
#[must_use]
pub fn instant(since_start: Duration) -> tokio::time::Instant {
    #[cfg(blepay_world)]
    if let Some(world) = crate::world::get() {
        return world
            .start()
            .checked_add(since_start)
            .unwrap_or_else(tokio::time::Instant::now);
    }

    tokio::time::Instant::from_std(START.checked_add(since_start).unwrap_or_else(Instant::now))
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
