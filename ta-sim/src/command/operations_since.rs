//! `OperationsSince`: begins a session, by showing the TA the journal's highest mark.
//!
//! A TA that is behind the mark, or has another history, has signed things that it does not know of. It
//! would convict itself with the next statement, so it never signs again, and remembers that.

use ops_proto::contract::{Mark, Output, TaRefused};

use super::Step;
use crate::state::{JournalCompared, State};

pub(super) fn run(state: &State, mark: &Mark) -> Result<Step, TaRefused> {
    match state.operations.compare(mark) {
        JournalCompared::Behind(later) => Ok(Step::Unchanged(Output::Operations(later))),
        JournalCompared::Restored => Err(TaRefused::JournalRestored),
        JournalCompared::Ahead => condemn(state, TaRefused::RolledBack),
        JournalCompared::Other => condemn(state, TaRefused::OtherHistory),
    }
}

fn condemn(state: &State, reason: TaRefused) -> Result<Step, TaRefused> {
    // Without a key there is nothing that it could have signed.
    if state.keys.is_none() {
        return Err(reason);
    }
    let mut next = Box::new(state.clone());
    next.condemned = Some(reason);

    Ok(Step::Condemned(next, reason))
}
