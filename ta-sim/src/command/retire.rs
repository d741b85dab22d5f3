//! `Retire`: closes every request and signs the last statement. Nothing new is signed after it.

use ops_proto::contract::{Output, TaRefused};
use ops_proto::message::Retire;
use ops_proto::signed::Signed;

use super::{Step, status_open};
use crate::state::State;

pub(super) fn run(state: &State, nonce: &[u8; 16]) -> Result<Step, TaRefused> {
    // There is one last statement, whoever asks and with whatever nonce.
    if let Some(retire) = &state.retired {
        return Ok(Step::Unchanged(Output::Retired(retire.clone())));
    }
    let keys = state.keys()?;
    state.certified()?;
    state.check_nothing_pends()?;

    let mut next = Box::new(state.clone());
    next.requests.close_all();
    let last = status_open::status_of(&next, keys.ta(), nonce)?;
    let position = last.position;
    let retire = Signed::sign(Retire { last }, keys.ta_key());
    next.signed(position, retire.hash());
    next.retired = Some(retire.clone());

    Ok(Step::Operation(next, Output::Retired(retire)))
}
