//! Puts the frames of one direction of a link back in order.
//!
//! Between two BlueZ, ATT runs over several channels at once (EATT), and a short frame overtakes a
//! long one that was sent just before. Frames count from 0 for each session, which is all it takes.

use std::collections::BTreeMap;

use ble_proto::frame::{SessionTag, order_of};

/// The frames of one direction, of one session after the other.
#[derive(Debug, Default)]
pub(super) struct FrameOrder {
    session: Option<SessionTag>,
    next: u8,
    /// Frames that came too early, by their counter.
    early: BTreeMap<u8, Vec<u8>>,
}

/// What to do after a frame has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ordered {
    /// Deliver these; nothing is held back.
    Now(Vec<Vec<u8>>),
    /// Deliver these; others are held back and wait for the frame with this counter.
    Held(Vec<Vec<u8>>, u8),
}

impl FrameOrder {
    /// Takes a frame that has come.
    ///
    /// Bytes that are no frame, or are further out of order than a link makes them, are passed on as they
    /// are: the session refuses them.
    pub(super) fn push(&mut self, bytes: Vec<u8>) -> Ordered {
        let mut due = Vec::new();
        match order_of(&bytes) {
            Some((session, counter)) => {
                if self.session != Some(session) {
                    due = self.release();
                    self.session = Some(session);
                    self.next = 0;
                }
                let is_early = counter != self.next;
                let ahead = counter.wrapping_sub(self.next);
                if is_early && ahead <= EARLY_MAX && !self.early.contains_key(&counter) {
                    self.early.insert(counter, bytes);
                } else {
                    due.push(bytes);
                    if !is_early {
                        self.advance(&mut due);
                    }
                }
            }
            None => due.push(bytes),
        }

        if self.early.is_empty() {
            Ordered::Now(due)
        } else {
            Ordered::Held(due, self.next)
        }
    }

    /// Gives up waiting for the frame with counter `missing`, unless it has come; returns what was
    /// held back.
    pub(super) fn give_up(&mut self, missing: u8) -> Vec<Vec<u8>> {
        if self.next == missing {
            self.release()
        } else {
            Vec::new()
        }
    }

    /// Counts the frame that was due, and delivers those that it held up.
    fn advance(&mut self, due: &mut Vec<Vec<u8>>) {
        self.next = self.next.wrapping_add(1);
        while let Some(bytes) = self.early.remove(&self.next) {
            due.push(bytes);
            self.next = self.next.wrapping_add(1);
        }
    }

    fn release(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.early).into_values().collect()
    }
}

/// Frames of one link that are held back: a few channels, and what each has queued.
const EARLY_MAX: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_in_order_whatever_overtook_what() {
        let mut order = FrameOrder::default();

        let mut delivered = Vec::new();
        for counter in [1, 3, 0, 2, 5, 6, 4] {
            delivered.extend(due(order.push(frame(1, counter))));
        }

        let expected: Vec<_> = (0..7).map(|counter| frame(1, counter)).collect();
        assert_eq!(delivered, expected);
    }

    #[test]
    fn the_counter_wraps() {
        let mut order = FrameOrder::default();
        for counter in 0..=253 {
            order.push(frame(1, counter));
        }

        let mut delivered = Vec::new();
        for counter in [255, 0, 254, 1] {
            delivered.extend(due(order.push(frame(1, counter))));
        }

        let expected = [254, 255, 0, 1].map(|counter| frame(1, counter));
        assert_eq!(delivered, expected);
    }

    #[test]
    fn a_frame_that_never_comes_holds_others_back_only_until_given_up() {
        let mut order = FrameOrder::default();
        order.push(frame(1, 0));

        assert_eq!(order.push(frame(1, 2)), Ordered::Held(vec![], 1));
        assert_eq!(order.give_up(0), Vec::<Vec<u8>>::new());
        assert_eq!(order.give_up(1), vec![frame(1, 2)]);
    }

    #[test]
    fn what_is_no_frame_or_far_off_is_left_to_the_session() {
        let mut order = FrameOrder::default();
        order.push(frame(1, 0));

        for odd in [vec![], vec![0xff; 40], frame(1, 0), frame(1, 200)] {
            assert_eq!(order.push(odd.clone()), Ordered::Now(vec![odd]));
        }
    }

    #[test]
    fn another_session_begins_at_zero_again() {
        let mut order = FrameOrder::default();
        order.push(frame(1, 0));
        order.push(frame(1, 2));

        let ordered = order.push(frame(2, 0));
        assert_eq!(ordered, Ordered::Now(vec![frame(1, 2), frame(2, 0)]));
    }

    #[test]
    fn a_flood_of_early_frames_is_not_kept() {
        let mut order = FrameOrder::default();

        for counter in 1..=255 {
            order.push(frame(1, counter));
        }

        assert_eq!(order.early.len(), usize::from(EARLY_MAX));
    }

    fn frame(session: u8, counter: u8) -> Vec<u8> {
        vec![0x10, counter, session, 0, 0, 0, 42]
    }

    fn due(ordered: Ordered) -> Vec<Vec<u8>> {
        match ordered {
            Ordered::Now(due) | Ordered::Held(due, _) => due,
        }
    }
}
