//! `Acknowledge`: the journal holds everything up to o. No operation: it would need one of its own.

use ops_proto::contract::{Output, TaRefused};

use super::Step;
use crate::state::State;

pub(super) fn run(state: &State, o: u64) -> Result<Step, TaRefused> {
    if o > state.operations.mark().o {
        return Err(TaRefused::Ahead);
    }
    if o <= state.operations.acknowledged().o {
        return Ok(Step::Unchanged(Output::Acknowledged));
    }

    let mut next = Box::new(state.clone());
    next.operations.acknowledge(o);

    Ok(Step::Silent(next, Output::Acknowledged))
}
