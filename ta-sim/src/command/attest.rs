//! `Attest`: a quote over the TA key for one client and one challenge. Changes nothing.

use ops_proto::attestation::Quote;
use ops_proto::contract::{Output, TaRefused};
use ops_proto::key::PublicKey;
use ops_proto::signed::Signed;

use super::Step;
use crate::oem;
use crate::state::State;

pub(super) fn run(
    state: &State,
    challenge: &[u8; 32],
    client: &PublicKey,
) -> Result<Step, TaRefused> {
    let keys = state.live_keys()?;
    let quote = Quote {
        ta: keys.ta(),
        measurement: oem::measurement(),
        challenge: *challenge,
        client: *client,
    };

    Ok(Step::Unchanged(Output::Attested {
        device: oem::certify(keys.device_key().public_key()),
        quote: Signed::sign(quote, keys.device_key()),
    }))
}
