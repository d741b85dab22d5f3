//! What BlueZ refuses again and again: asked less and less often, logged once, and told to people.

use std::time::Duration;

/// How often BlueZ has refused to serve since it last did.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    count: u32,
    told: Option<String>,
}

impl Refusals {
    /// Takes note of one; returns why nobody sees the adapter, once it is no mishap. Each reason is logged once.
    pub(super) fn add(&mut self, reason: String) -> Option<String> {
        self.count = self.count.saturating_add(1);
        if self.told.as_ref() != Some(&reason) {
            tracing::warn!(reason, "BlueZ refused to serve; trying again");
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

/// Refusals in a row from which on people are told.
const MISHAPS_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refuses_again_and_again_is_asked_ever_less_and_people_are_told() {
        let mut refusals = Refusals::default();
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
