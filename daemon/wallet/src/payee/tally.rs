//! How often what any stranger can bring about has happened: a line a minute for each class of it, not one each time.
//!
//! A system's log takes only so many lines of a service in a time, and would drop those about money.

use std::collections::BTreeMap;

use ble_proto::error::{Failure, Misbehaviour};
use ble_proto::payment::payee::LinkId;
use ble_proto::time::Instant;

/// How long is counted before it is told.
const COUNTED_MS: u64 = 60_000;

/// What strangers, and payers whose link is bad, bring about.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    failures: Tally,
    refusals: Tally,
}

impl Strangers {
    /// Counts a link that was ended before its time.
    pub(super) fn failed(&mut self, link: LinkId, failure: &Failure, now: Instant) {
        let cause = std::error::Error::source(failure).map(ToString::to_string);
        tracing::debug!(link = link.0, %failure, cause, "Ended a link");
        self.failures.count(failure, now);
    }

    /// Counts a payer, or its payment, that was refused.
    pub(super) fn refused(&mut self, link: LinkId, reason: &Misbehaviour, now: Instant) {
        tracing::debug!(link = link.0, %reason, "Refused a payer or its payment");
        self.refusals.count(reason, now);
    }

    /// Logs what is due.
    pub(super) fn tell_due(&mut self, now: Instant) {
        self.tell(|tally| tally.take_due(now));
    }

    /// Logs what is left, at the end.
    pub(super) fn tell_all(&mut self) {
        self.tell(Tally::take);
    }

    fn tell(&mut self, take: impl Fn(&mut Tally) -> BTreeMap<String, u64>) {
        for (failure, links) in take(&mut self.failures) {
            tracing::info!(links, failure, "Ended links");
        }
        for (reason, times) in take(&mut self.refusals) {
            tracing::warn!(times, reason, "Refused payers or their payments");
        }
    }
}

/// What has happened since it was told last, by its class.
#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<String, u64>,
    /// When the first of these happened.
    since: Option<Instant>,
}

impl Tally {
    /// Counts one more of a class, of which there must be few.
    fn count(&mut self, class: impl ToString, now: Instant) {
        let count = self.counts.entry(class.to_string()).or_default();
        *count = count.saturating_add(1);
        self.since.get_or_insert(now);
    }

    /// Takes what was counted, once a minute has gone by since the first of it; nothing before.
    fn take_due(&mut self, now: Instant) -> BTreeMap<String, u64> {
        match self.since {
            Some(since) if now >= since.after_ms(COUNTED_MS) => self.take(),
            Some(_) | None => BTreeMap::new(),
        }
    }

    /// Takes what was counted.
    fn take(&mut self) -> BTreeMap<String, u64> {
        self.since = None;

        std::mem::take(&mut self.counts)
    }
}

#[cfg(test)]
mod tests {
    use ble_proto::error::Waiting;

    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_for_each_class() {
        let mut tally = Tally::default();
        let mut lines = Vec::new();

        // ten links a second for two minutes, and some seconds more until the second of them is told
        for tick in 0..125_u64 {
            let now = Instant::from_ms(1_000 * tick);
            for _ in 0..if tick < 120 { 9 } else { 0 } {
                tally.count(Failure::TimedOut(Waiting::Hello), now);
            }
            if tick < 120 {
                tally.count(Failure::Evicted, now);
            }
            lines.extend(tally.take_due(now));
        }

        let (silent, evicted) = (
            Failure::TimedOut(Waiting::Hello).to_string(),
            Failure::Evicted.to_string(),
        );
        let of = |class: &str| -> Vec<u64> {
            let of_class = lines.iter().filter(|(known, _)| known == class);
            of_class.map(|(_, count)| *count).collect()
        };
        // what happens in the second in which a minute ends is told with it
        assert_eq!(of(&silent), [61 * 9, 59 * 9]);
        assert_eq!(of(&evicted), [61, 59]);
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn a_minute_begins_with_the_first_that_happens_and_nothing_is_told_before_its_end() {
        let mut tally = Tally::default();
        let first = Instant::from_ms(90_000);

        assert_eq!(tally.take_due(first), BTreeMap::new());
        tally.count(Failure::LinkLost, first);
        assert_eq!(
            tally.take_due(first.after_ms(COUNTED_MS - 1)),
            BTreeMap::new()
        );

        let told = tally.take_due(first.after_ms(COUNTED_MS));
        assert_eq!(told, BTreeMap::from([(Failure::LinkLost.to_string(), 1)]));
        assert_eq!(
            tally.take_due(first.after_ms(3 * COUNTED_MS)),
            BTreeMap::new()
        );
    }

    #[test]
    fn what_is_not_told_yet_is_told_at_the_end() {
        let mut tally = Tally::default();
        tally.count(Failure::LinkLost, Instant::from_ms(0));

        assert_eq!(tally.take().len(), 1);
        assert_eq!(tally.take().len(), 0);
    }
}
