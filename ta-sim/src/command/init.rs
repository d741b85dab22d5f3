//! `Init`: makes the keys and pins the root.

use ops_proto::contract::{Output, TaRefused};
use ops_proto::key::{PublicKey, SecretKey};

use super::{Fresh, Step};
use crate::state::{Keys, State};

pub(super) fn run(state: &State, root: &PublicKey, fresh: &Fresh) -> Result<Step, TaRefused> {
    if let Some(keys) = &state.keys {
        if keys.root != *root {
            return Err(TaRefused::NotInitialised);
        }
        return Ok(Step::Unchanged(Output::Initialised { ta: keys.ta() }));
    }
    root.check().map_err(|_| TaRefused::Chain)?;

    let keys = Keys::new(
        *root,
        SecretKey::from_seed(&fresh.ta_seed),
        SecretKey::from_seed(&fresh.device_seed),
    );
    let output = Output::Initialised { ta: keys.ta() };
    let mut next = Box::new(state.clone());
    next.keys = Some(keys);

    Ok(Step::Operation(next, output))
}
