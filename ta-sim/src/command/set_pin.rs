//! `SetPin`: the first PIN is free to choose; after that it takes the old one.

use ops_proto::contract::{Output, TaRefused};

use super::{Fresh, Step, Tried};
use crate::state::{PinChange, PinVerdict, State};

pub(super) fn run(
    state: &State,
    change: &PinChange<'_>,
    tried: Tried,
    fresh: &Fresh,
) -> Result<Step, TaRefused> {
    state.live_keys()?;
    let verdict = state.pin.check_change(change, tried)?;

    let mut next = Box::new(state.clone());
    match verdict {
        PinVerdict::CountFirst => {
            next.pin.count_try();
            Ok(Step::Try(next))
        }
        PinVerdict::Repeated => {
            next.pin.entered();
            Ok(Step::Silent(next, Output::PinSet))
        }
        PinVerdict::NotCompared | PinVerdict::Right => {
            next.pin.set(change, fresh.pin_salt);
            Ok(Step::Operation(next, Output::PinSet))
        }
    }
}
