//! The device's clocks, read here and nowhere else.

use std::time::Duration;

use ops_proto::Time;

/// Returns the present instant by the device's wall clock.
#[must_use]
pub fn now() -> Time {
    let since = host::clock::wall();

    Time::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the present instant by the monotonic clock, as the state machines count it.
#[must_use]
pub fn monotonic() -> ble_proto::time::Instant {
    let since = host::clock::since_start();

    ble_proto::time::Instant::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Returns when the monotonic clock will show `instant`, for a timer.
#[must_use]
pub fn deadline(instant: ble_proto::time::Instant) -> tokio::time::Instant {
    host::clock::instant(Duration::from_millis(instant.as_ms()))
}
