//! `CertInit`: takes a certificate for this key, from the one provider, with a higher number.

use ops_proto::certificate::{Certificate, Limits, verify_chain};
use ops_proto::contract::{Output, TaRefused};
use ops_proto::id::Digest;
use ops_proto::signed::Signed;
use ops_proto::time::Time;

use super::Step;
use crate::state::{Certified, State};

pub(super) fn run(
    state: &State,
    provider: &Signed<Certificate>,
    certificate: &Signed<Certificate>,
    now: Time,
) -> Result<Step, TaRefused> {
    let held = state.certified.as_ref();
    if held.is_some_and(|held| held.certificate() == certificate) {
        return Ok(Step::Unchanged(Output::Certified));
    }
    let limits = verify(state, provider, certificate, now)?;
    if let Some(held) = held {
        let is_other_provider = provider.body().provider != held.provider_id();
        if is_other_provider || certificate.body().number <= held.number() {
            return Err(TaRefused::OtherCertificate);
        }
    }

    let mut certified = Certified::new(provider.clone(), certificate.clone(), limits);
    if let Some(held) = held {
        certified.keep_earlier(held.clone(), |hash| is_used(state, hash));
    }
    let mut next = Box::new(state.clone());
    next.certified = Some(certified);

    Ok(Step::Operation(next, Output::Certified))
}

fn verify(
    state: &State,
    provider: &Signed<Certificate>,
    certificate: &Signed<Certificate>,
    now: Time,
) -> Result<Limits, TaRefused> {
    let keys = state.live_keys()?;
    let chain = verify_chain(&keys.root, provider, certificate, state.present(now))
        .map_err(|_| TaRefused::Chain)?;
    if chain.leaf().subject != keys.ta() {
        return Err(TaRefused::OtherCertificate);
    }

    chain.limits().copied().ok_or(TaRefused::OtherCertificate)
}

/// Returns whether something open was begun under the provider's certificate with this hash.
fn is_used(state: &State, provider: &Digest) -> bool {
    let deposit = state.deposit_open().map(|deposit| &deposit.provider);
    let withdrawal = state.withdraw_open().map(|withdrawal| &withdrawal.provider);
    let status = state.status.as_ref().map(|status| &status.provider);
    let open = [deposit, withdrawal, status];

    open.contains(&Some(provider)) || state.requests.uses_provider(provider)
}
