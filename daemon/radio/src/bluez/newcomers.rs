//! The devices that have connected and are no links yet: each has a time in which to become one.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::errand::Errand;
use crate::limits::SILENCE_MAX;

/// Who has connected, and neither subscribed nor written.
#[derive(Debug, Default)]
pub(super) struct Newcomers(BTreeMap<bluer::Address, Newcomer>);

#[derive(Clone, Copy, Debug)]
struct Newcomer {
    errand: Errand,
    until: Instant,
}

impl Newcomers {
    /// Notes who is connected, and what it wants. Having read `INFO` it gets its time once more, and only once.
    pub(super) fn note(&mut self, address: bluer::Address, errand: Errand, now: Instant) {
        let until = now.checked_add(SILENCE_MAX).unwrap_or(now);
        let newcomer = Newcomer { errand, until };
        let known = self.0.entry(address).or_insert(newcomer);
        if known.errand < Errand::Asked && errand == Errand::Asked {
            *known = newcomer;
        }
        known.errand = known.errand.max(errand);
    }

    pub(super) fn contains(&self, address: bluer::Address) -> bool {
        self.0.contains_key(&address)
    }

    pub(super) fn remove(&mut self, address: bluer::Address) {
        self.0.remove(&address);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns when somebody's time is over next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.values().map(|newcomer| newcomer.until).min()
    }

    /// Takes one whose time is over.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<(bluer::Address, Errand)> {
        let overdue = self.0.iter().find(|(_, newcomer)| newcomer.until <= now);
        let address = overdue.map(|(address, _)| *address)?;

        self.take(address)
    }

    /// Takes the newcomer that makes room for another: first those that have not read `INFO`, the earliest of them first.
    pub(super) fn take_least(&mut self) -> Option<(bluer::Address, Errand)> {
        let worth = |newcomer: &Newcomer| (newcomer.errand == Errand::Asked, newcomer.until);
        let least = self.0.iter().min_by_key(|(_, newcomer)| worth(newcomer));
        let address = least.map(|(address, _)| *address)?;

        self.take(address)
    }

    fn take(&mut self, address: bluer::Address) -> Option<(bluer::Address, Errand)> {
        let newcomer = self.0.remove(&address)?;

        Some((address, newcomer.errand))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_connects_and_does_nothing_has_its_time_and_no_more() {
        let (mut newcomers, start) = (Newcomers::default(), Instant::now());
        newcomers.note(address(1), Errand::Came, start);

        assert_eq!(newcomers.deadline(), Some(start + SILENCE_MAX));
        // to be told of it again, or later, buys nothing
        newcomers.note(address(1), Errand::Unclear, start + SILENCE_MAX / 2);
        let early = start + SILENCE_MAX - Duration::from_millis(1);
        assert_eq!(newcomers.take_overdue(early), None);
        let overdue = newcomers.take_overdue(start + SILENCE_MAX);
        assert_eq!(overdue, Some((address(1), Errand::Came)));
        assert_eq!((newcomers.len(), newcomers.deadline()), (0, None));
    }

    #[test]
    fn reading_info_gives_the_time_once_more_and_reading_it_again_does_not() {
        let (mut newcomers, start) = (Newcomers::default(), Instant::now());
        newcomers.note(address(1), Errand::Unclear, start);

        let read = start + SILENCE_MAX / 2;
        newcomers.note(address(1), Errand::Asked, read);
        newcomers.note(address(1), Errand::Asked, read + SILENCE_MAX / 2);

        assert_eq!(newcomers.deadline(), Some(read + SILENCE_MAX));
        let overdue = newcomers.take_overdue(read + SILENCE_MAX);
        assert_eq!(overdue, Some((address(1), Errand::Asked)));
    }

    #[test]
    fn who_has_not_read_info_makes_room_first_and_of_these_who_came_first() {
        let (mut newcomers, start) = (Newcomers::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        newcomers.note(address(1), Errand::Asked, at(0));
        newcomers.note(address(3), Errand::Came, at(1));
        newcomers.note(address(2), Errand::Unclear, at(2));

        let order: Vec<_> = std::iter::from_fn(|| newcomers.take_least()).collect();

        let expected = [
            (address(3), Errand::Came),
            (address(2), Errand::Unclear),
            (address(1), Errand::Asked),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn who_has_gone_or_become_a_link_is_not_waited_for() {
        let (mut newcomers, start) = (Newcomers::default(), Instant::now());
        newcomers.note(address(1), Errand::Came, start);

        newcomers.remove(address(1));

        assert!(!newcomers.contains(address(1)));
        assert_eq!(newcomers.take_overdue(start + SILENCE_MAX * 2), None);
    }

    const fn address(last: u8) -> bluer::Address {
        bluer::Address::new([0, 0, 0, 0, 0, last])
    }
}
