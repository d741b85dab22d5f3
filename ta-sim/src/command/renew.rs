//! `Renew`: the wish for the next certificate, over one challenge. Changes nothing.

use ops_proto::contract::{Output, TaRefused};
use ops_proto::message::Renew;
use ops_proto::signed::Signed;

use super::Step;
use crate::state::State;

pub(super) fn run(state: &State, challenge: &[u8; 32]) -> Result<Step, TaRefused> {
    let keys = state.live_keys()?;
    let renew = Renew {
        subject: keys.ta(),
        number: state.certified()?.number(),
        challenge: *challenge,
    };

    Ok(Step::Unchanged(Output::Renewal(Signed::sign(
        renew,
        keys.ta_key(),
    ))))
}
