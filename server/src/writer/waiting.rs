//! Messages that wait to be booked, by what they cost: a group is bounded by its weight, and what is heavy
//! goes alone, after a group of others.

use std::collections::VecDeque;

use crate::limits::{GROUP_MAX, GROUP_WEIGHT_MAX, HEAVY_WAITING_MAX, HEAVY_WEIGHT_MIN};

/// What costs the writer something.
pub(super) trait Weigh {
    /// Returns how many statements, pairs or other items have to be booked.
    fn weight(&self) -> usize;
}

/// Messages in the order in which they came, the heavy ones apart.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    light: VecDeque<T>,
    heavy: VecDeque<T>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            light: VecDeque::new(),
            heavy: VecDeque::new(),
        }
    }
}

impl<T: Weigh> Waiting<T> {
    pub(super) fn len(&self) -> usize {
        self.light.len().saturating_add(self.heavy.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.light.is_empty() && self.heavy.is_empty()
    }

    /// Returns how many more messages may be taken: enough for the next group.
    pub(super) fn room(&self) -> usize {
        GROUP_MAX.saturating_sub(self.light.len())
    }

    /// Takes a message.
    ///
    /// # Errors
    ///
    /// Gives it back when too many as heavy as it wait already.
    pub(super) fn put(&mut self, message: T) -> Result<(), T> {
        if message.weight() < HEAVY_WEIGHT_MIN {
            self.light.push_back(message);
        } else if self.heavy.len() < HEAVY_WAITING_MAX {
            self.heavy.push_back(message);
        } else {
            return Err(message);
        }

        Ok(())
    }

    /// Returns what is booked together next, without what is heavy; nothing when nothing else waits.
    pub(super) fn group(&mut self) -> Vec<T> {
        let mut group = Vec::new();
        let mut weight: usize = 0;
        while group.len() < GROUP_MAX {
            let Some(next) = self.light.front() else {
                break;
            };
            weight = weight.saturating_add(next.weight());
            if weight > GROUP_WEIGHT_MAX && !group.is_empty() {
                break;
            }
            group.extend(self.light.pop_front());
        }

        group
    }

    /// Returns what is booked alone next: one, so that others come between it and the next.
    pub(super) fn heavy(&mut self) -> Option<T> {
        self.heavy.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Message(usize);

    impl Weigh for Message {
        fn weight(&self) -> usize {
            self.0
        }
    }

    fn waiting(weights: impl IntoIterator<Item = usize>) -> Waiting<Message> {
        let mut waiting = Waiting::default();
        for weight in weights {
            waiting.put(Message(weight)).unwrap();
        }

        waiting
    }

    #[test]
    fn a_group_is_bounded_by_weight_and_keeps_the_order() {
        const LIGHT: usize = HEAVY_WEIGHT_MIN - 1;
        let mut waiting = waiting([LIGHT; 2 * GROUP_MAX]);
        let mut groups = Vec::new();
        while !waiting.is_empty() {
            groups.push(waiting.group());
        }

        assert!(groups.len() > 2, "{groups:?}");
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 2 * GROUP_MAX);
        for group in groups {
            let weight: usize = group.iter().map(Weigh::weight).sum();
            assert!((1..=GROUP_WEIGHT_MAX).contains(&weight), "{weight}");
        }
    }

    #[test]
    fn what_costs_little_goes_together() {
        let mut waiting = waiting((1..).take(GROUP_MAX + 1).map(|number| number % 3));

        assert_eq!(waiting.group().len(), GROUP_MAX);
        assert_eq!(waiting.group().len(), 1);
        assert!(waiting.group().is_empty());
    }

    #[test]
    fn what_is_heavy_goes_alone_and_lets_others_go_first() {
        let mut waiting = waiting([HEAVY_WEIGHT_MIN, 1, HEAVY_WEIGHT_MIN + 1, 2]);

        assert_eq!(waiting.group(), [Message(1), Message(2)]);
        assert_eq!(waiting.heavy(), Some(Message(HEAVY_WEIGHT_MIN)));
        waiting.put(Message(3)).unwrap();
        assert_eq!(waiting.group(), [Message(3)]);
        assert_eq!(waiting.heavy(), Some(Message(HEAVY_WEIGHT_MIN + 1)));
        assert_eq!((waiting.heavy(), waiting.len()), (None, 0));
    }

    #[test]
    fn heavy_ones_that_are_too_many_are_given_back_and_keep_no_other_out() {
        let mut waiting = waiting([HEAVY_WEIGHT_MIN; HEAVY_WAITING_MAX]);

        let heavy = Message(HEAVY_WEIGHT_MIN);
        assert_eq!(waiting.put(heavy), Err(heavy));
        assert_eq!(waiting.put(Message(1)), Ok(()));
        assert_eq!(waiting.room(), GROUP_MAX - 1);
    }
}
