//! Rows that were read lately, as what they say: a row that did not change is not made of its facts again.
//!
//! Facts that are committed never change, so equal bytes of a row say the same. That holds for readers alone: a writer
//! sees facts whose transaction may still be undone, and their numbers come again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Rows of one table that are kept at a time; some 3 KiB each.
const ROWS_MAX: usize = 64;

/// Rows of one table, by their place.
#[derive(Debug)]
pub(super) struct Kept<T> {
    rows: HashMap<Vec<u8>, (Vec<u8>, Arc<T>)>,
    /// The places, in the order in which they came.
    places: VecDeque<Vec<u8>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            places: VecDeque::new(),
        }
    }
}

impl<T> Kept<T> {
    /// Returns what a row says, if it was kept and its bytes are still these.
    pub(super) fn get(&self, place: &[u8], bytes: &[u8]) -> Option<Arc<T>> {
        let (held, entry) = self.rows.get(place)?;

        (held == bytes).then(|| Arc::clone(entry))
    }

    /// Keeps what a row says, in the place of the row that was kept longest.
    pub(super) fn keep(&mut self, place: Vec<u8>, bytes: Vec<u8>, entry: Arc<T>) {
        if self.rows.insert(place.clone(), (bytes, entry)).is_none() {
            self.places.push_back(place);
        }
        while self.places.len() > ROWS_MAX {
            if let Some(oldest) = self.places.pop_front() {
                let _dropped = self.rows.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_whose_bytes_changed_is_read_anew() {
        let mut kept = Kept::default();
        kept.keep(vec![1], vec![10], Arc::new("before"));
        assert_eq!(kept.get(&[1], &[10]).as_deref(), Some(&"before"));
        assert_eq!(kept.get(&[1], &[11]), None);
        kept.keep(vec![1], vec![11], Arc::new("after"));
        assert_eq!(kept.get(&[1], &[11]).as_deref(), Some(&"after"));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept::default();
        for number in 0..=u8::MAX {
            kept.keep(vec![number], vec![0], Arc::new(number));
        }
        assert_eq!(kept.rows.len(), ROWS_MAX);
        assert_eq!(kept.places.len(), ROWS_MAX);
        assert_eq!(kept.get(&[0], &[0]), None);
        assert_eq!(kept.get(&[u8::MAX], &[0]).as_deref(), Some(&u8::MAX));
    }
}
