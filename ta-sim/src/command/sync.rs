//! `Sync`: takes the token for the open status, once.

use ops_proto::contract::{Output, TaRefused};
use ops_proto::message::SyncToken;
use ops_proto::signed::Signed;

use super::Step;
use crate::state::State;

pub(super) fn run(state: &State, token: &Signed<SyncToken>) -> Result<Step, TaRefused> {
    if state.token == Some(token.hash()) {
        return Ok(Step::Unchanged(Output::Synced));
    }
    let open = state.status.as_ref().ok_or(TaRefused::NoStatus)?;
    let body = state.certified()?.verify_answer(token)?;
    let status = open.status.body();
    let fits =
        body.ta == status.ta && body.status == open.status.hash() && body.nonce == status.nonce;
    if !fits {
        return Err(TaRefused::NoStatus);
    }

    let mut next = Box::new(state.clone());
    next.payments.settle(status);
    next.requests.settle(status);
    next.time_floor = state.time_floor.max(body.time);
    next.token = Some(token.hash());
    next.status = None;

    Ok(Step::Operation(next, Output::Synced))
}
