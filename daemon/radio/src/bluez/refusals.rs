//! What BlueZ refuses again and again: asked less and less often, logged once, and told to people.

use std::sync::Arc;
use std::time::Duration;

use super::adapter::Adapter;

/// How often BlueZ has refused something since it last did it.
#[derive(Debug)]
pub(super) struct ServeRefusals {
    what: &'static str,
    /// Which adapter it is asked of, as long as that is the same.
    adapter: Option<usize>,
    count: u32,
    told: Option<String>,
}

impl ServeRefusals {
    pub(super) const fn of(what: &'static str) -> Self {
        Self {
            what,
            adapter: None,
            count: 0,
            told: None,
        }
    }

    /// Begins anew when the adapter is another one, or the same after an upset.
    pub(super) fn begin(&mut self, adapter: Option<&Arc<Adapter>>) {
        let adapter = adapter.map(|adapter| Arc::as_ptr(adapter).addr());
        if self.adapter != adapter {
            *self = Self {
                adapter,
                ..Self::of(self.what)
            };
        }
    }

    /// Forgets them: BlueZ did it.
    pub(super) fn forget(&mut self) {
        self.count = 0;
        self.told = None;
    }

    /// Takes note of one; returns why, once it is no mishap. Each reason is logged once.
    pub(super) fn add(&mut self, reason: String) -> Option<String> {
        self.count = self.count.saturating_add(1);
        if self.told.as_ref() != Some(&reason) {
            tracing::warn!(reason, what = self.what, "BlueZ refuses; trying again");
            self.told = Some(reason.clone());
        }

        (self.count >= MISHAPS_MAX).then_some(reason)
    }

    /// Returns how long to wait for the next try: twice as long after each, up to a limit.
    pub(super) fn pause(&self) -> Duration {
        let doublings = self.count.saturating_sub(1).min(DOUBLINGS_MAX);
        let factor = 2_u32.saturating_pow(doublings);

        REFUSED_RETRY_INTERVAL
            .saturating_mul(factor)
            .min(REFUSED_RETRY_INTERVAL_MAX)
    }
}

/// bluetoothd shows an adapter a moment before it takes applications.
const REFUSED_RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// The longest time until BlueZ is asked again.
const REFUSED_RETRY_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// How often the time until then is doubled.
const DOUBLINGS_MAX: u32 = 10;

/// ServeRefusals in a row from which on people are told.
const MISHAPS_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refuses_again_and_again_is_asked_ever_less_and_people_are_told() {
        let mut refusals = ServeRefusals::of("to serve");
        let mut pauses = Vec::new();
        let mut told = Vec::new();
        for _ in 0..20 {
            told.push(refusals.add("Not supported".to_owned()).is_some());
            pauses.push(refusals.pause());
        }

        assert_eq!(&told[..4], [false, false, true, true]);
        assert_eq!(pauses[0], REFUSED_RETRY_INTERVAL);
        assert!(pauses.is_sorted());
        assert_eq!(pauses[19], REFUSED_RETRY_INTERVAL_MAX);
    }
}
