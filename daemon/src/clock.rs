//! The device's clocks, read here and nowhere else.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ops_proto::Time;

/// Returns the present instant by the device's wall clock.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();

    Time::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the present instant by the monotonic clock, as the state machines count it.
#[must_use]
pub fn monotonic() -> ble_proto::time::Instant {
    let since = START.elapsed();

    ble_proto::time::Instant::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Returns when the monotonic clock will show `instant`, for a timer.
#[must_use]
pub fn deadline(instant: ble_proto::time::Instant) -> tokio::time::Instant {
    let at = START
        .checked_add(std::time::Duration::from_millis(instant.as_ms()))
        .unwrap_or_else(Instant::now);

    tokio::time::Instant::from_std(at)
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
