//! `PrepareRequest`: issues a request for payment and reserves room for it.

use ops_proto::contract::{Command, Output, RequestTerms, TaRefused};
use ops_proto::id::CommandId;
use ops_proto::limits::STATUS_IDS_MAX;
use ops_proto::message::RequestPayment;
use ops_proto::signed::Signed;

use super::Step;
use crate::limits::REQUESTS_OPEN_MAX;
use crate::state::{OpenRequest, State};

pub(super) fn run(
    state: &State,
    command: CommandId,
    terms: &RequestTerms,
) -> Result<Step, TaRefused> {
    if let Some(request) = repeated(state, command) {
        if terms_of(request.body()) != *terms {
            return Err(TaRefused::CommandReused);
        }
        return Ok(Step::Unchanged(Output::RequestPrepared(request.clone())));
    }
    let keys = state.live_keys()?;
    let certified = state.certified()?;
    state.check_issued(terms.issued)?;
    if !certified.is_valid_at(terms.issued) {
        return Err(TaRefused::CertificateNotValid);
    }
    check_limits(state, terms)?;

    let body = RequestPayment {
        payee: certified.certificate().clone(),
        request_id: state.requests.next(),
        amount: terms.amount,
        currency: certified.currency(),
        noise_key: terms.noise_key,
        memo_hash: terms.memo_hash,
        issued: terms.issued,
        validity: terms.validity,
        lists_held: terms.lists_held.clone(),
        replaces: terms.replaces,
        refund_of: terms.refund_of,
    };
    let request = Signed::sign(body, keys.ta_key());
    let mut next = Box::new(state.clone());
    next.requests.open(OpenRequest {
        command,
        request: request.clone(),
        provider: certified.provider_hash(),
    });

    Ok(Step::Operation(next, Output::RequestPrepared(request)))
}

/// Refuses what `Collect` could not take in: that one refuses nothing for limits.
fn check_limits(state: &State, terms: &RequestTerms) -> Result<(), TaRefused> {
    let requests = &state.requests;
    if requests.open_len() >= REQUESTS_OPEN_MAX {
        return Err(TaRefused::TooManyRequests);
    }
    let listed = requests.open_len().saturating_add(requests.collected_len());
    if listed >= STATUS_IDS_MAX {
        return Err(TaRefused::OfflineLimit);
    }
    let limits = state.certified()?.limits();
    let count = requests
        .collected_count
        .saturating_add(requests.open_count());
    let total = requests
        .collected_total
        .saturating_add(requests.reserved())
        .saturating_add(terms.amount.minor_units());
    if count >= limits.collected_count.refuse || total > limits.collected_total.refuse {
        return Err(TaRefused::OfflineLimit);
    }

    state.check_room(terms.amount)
}

fn repeated(state: &State, command: CommandId) -> Option<&Signed<RequestPayment>> {
    if let Some(open) = state.requests.by_command(command) {
        return Some(&open.request);
    }

    state
        .operations
        .find(|asked, returned| match (asked, returned) {
            (Command::PrepareRequest { command: id, .. }, Output::RequestPrepared(request))
                if *id == command =>
            {
                Some(request)
            }
            (_, _) => None,
        })
}

/// Returns the terms that a request was prepared with.
fn terms_of(request: &RequestPayment) -> RequestTerms {
    RequestTerms {
        amount: request.amount,
        memo_hash: request.memo_hash,
        noise_key: request.noise_key,
        issued: request.issued,
        validity: request.validity,
        lists_held: request.lists_held.clone(),
        replaces: request.replaces,
        refund_of: request.refund_of,
    }
}
