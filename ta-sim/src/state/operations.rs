//! The numbered operations: where they stand, and those that the journal has not acknowledged.

use std::collections::VecDeque;

use ops_proto::contract::{Command, Mark, Operation, Output};
use ops_proto::signed::encode;
use serde::{Deserialize, Serialize};

use crate::limits::OPERATIONS_KEPT_MAX;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Operations {
    mark: Mark,
    acknowledged: Mark,
    kept: VecDeque<Operation>,
}

/// How a journal's highest mark lies to the operations of this TA.
#[derive(Debug)]
pub(crate) enum JournalCompared {
    /// The journal is a past of this TA; these came later.
    Behind(Vec<Operation>),
    /// The journal has forgotten what it acknowledged.
    Restored,
    /// The journal knows of operations that this TA does not.
    Ahead,
    /// The journal's past is another one.
    Other,
}

impl Operations {
    pub(crate) const fn new() -> Self {
        Self {
            mark: Mark::START,
            acknowledged: Mark::START,
            kept: VecDeque::new(),
        }
    }

    /// Counts one operation and keeps it until it is acknowledged.
    pub(crate) fn record(&mut self, command: Command, output: Output) {
        self.mark = self.mark.after(&encode(&command), &encode(&output));
        self.kept.push_back(Operation {
            mark: self.mark,
            command,
            output,
        });
    }

    /// Forgets the operations up to `o`, which the journal holds.
    pub(crate) fn acknowledge(&mut self, o: u64) {
        while let Some(operation) = self.kept.pop_front_if(|kept| kept.mark.o <= o) {
            self.acknowledged = operation.mark;
        }
    }

    pub(crate) const fn mark(&self) -> Mark {
        self.mark
    }

    pub(crate) const fn acknowledged(&self) -> Mark {
        self.acknowledged
    }

    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= OPERATIONS_KEPT_MAX
    }

    /// Returns what was returned to the very same command, if that is kept.
    pub(crate) fn repeated(&self, command: &Command) -> Option<&Output> {
        self.find(|asked, returned| (asked == command).then_some(returned))
    }

    /// Returns what `pick` finds in the newest of the operations kept.
    pub(crate) fn find<'a, T>(
        &'a self,
        pick: impl Fn(&'a Command, &'a Output) -> Option<T>,
    ) -> Option<T> {
        self.kept
            .iter()
            .rev()
            .find_map(|operation| pick(&operation.command, &operation.output))
    }

    pub(crate) fn compare(&self, journal: &Mark) -> JournalCompared {
        if journal.o > self.mark.o {
            return JournalCompared::Ahead;
        }
        if journal.o < self.acknowledged.o {
            return JournalCompared::Restored;
        }
        let is_past = *journal == self.acknowledged
            || self.kept.iter().any(|operation| operation.mark == *journal);
        if !is_past {
            return JournalCompared::Other;
        }
        let later = self.kept.iter().filter(|kept| kept.mark.o > journal.o);

        JournalCompared::Behind(later.cloned().collect())
    }
}
