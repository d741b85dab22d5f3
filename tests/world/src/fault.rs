//! What a check finds.

use std::fmt;

/// How much is told of what was seen, in characters.
const TEXT_MAX: usize = 500;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The check that found it.
    pub(crate) check: &'static str,
    /// What it looks like, in a few words without numbers: faults of one cause share it.
    pub(crate) shape: String,
    /// What was seen.
    pub(crate) text: String,
}

impl Fault {
    pub(crate) fn new(
        check: &'static str,
        shape: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        let mut text: String = text.into();
        if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
            text.truncate(end);
        }

        Self {
            check,
            shape: shape.into(),
            text,
        }
    }

    /// Returns what faults of one cause share.
    pub(crate) fn class(&self) -> (&'static str, &str) {
        (self.check, &self.shape)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.check, self.shape, self.text)
    }
}
