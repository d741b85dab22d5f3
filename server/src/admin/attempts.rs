//! How often a task is tried that others beside it keep from taking effect.

use super::ATTEMPTS_MAX;
use crate::store::StoreError;

/// The attempts at one task so far.
#[derive(Debug, Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    /// Returns whether to try again, given why the books were not written: a transaction that failed only
    /// because of others beside it, such as a running server's, changed nothing.
    pub(super) fn again(&mut self, failed: Option<&StoreError>) -> bool {
        self.0 = self.0.saturating_add(1);

        self.0 < ATTEMPTS_MAX && failed.is_some_and(StoreError::may_be_repeated)
    }
}
