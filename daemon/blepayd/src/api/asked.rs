//! Requests of this wallet, from the wallet's terms to the API's.

use api_types::{Money, Request, RequestState};
use journal::book::RequestShown;
use ops_proto::certificate::Role;
use ops_proto::money::words;
use radio::RadioState;
use wallet::RequestView;

use super::state::ApiState;

/// Returns a request of this wallet.
pub(super) fn request(api: &ApiState, view: &RequestView) -> Request {
    let validity_ms = api.wallet.journal().view(|book| {
        let held = book.request_numbered(view.request_id);
        held.map_or(0, |held| held.intent.terms.validity.as_ms())
    });

    Request {
        id: view.request_id.to_string(),
        amount: Money::of(view.amount, view.currency),
        memo: view.memo.clone(),
        state: request_state(view),
        issued_ms: view.at.as_ms(),
        validity_ms,
        uri: view.uri.as_ref().map(|uri| uri.to_string()),
        code: view.code.as_ref().map(ToString::to_string),
        payment: view.payments.first().map(ToString::to_string),
        refund_of: view.refund_of.map(|hash| hash.to_string()),
        replaced_by: view.replaced_by.as_ref().map(ToString::to_string),
        warning: is_open(view).then(|| warning(api, view)).flatten(),
    }
}

/// Tells what keeps payers from a request, as far as this device knows.
fn warning(api: &ApiState, view: &RequestView) -> Option<String> {
    match api.wallet.radio_state() {
        RadioState::Absent(reason) => Some(format!("nobody can find it: {reason}")),
        RadioState::Present {
            hidden: Some(reason),
            ..
        } => Some(format!(
            "nobody can find it: the Bluetooth adapter cannot be seen by others, BlueZ says {reason:?}"
        )),
        RadioState::Present { hidden: None, .. } => too_large(api, view),
    }
}

/// Tells of a request that nobody whom this wallet's provider certified can pay.
fn too_large(api: &ApiState, view: &RequestView) -> Option<String> {
    let (provider, limits) = api.wallet.journal().view(|book| {
        let provider = book.enrolled()?.provider.body();
        let Role::Provider { limits_max, .. } = &provider.role else {
            return None;
        };

        Some((provider.name.clone(), *limits_max))
    })?;
    let (most, asked) = (limits.payment_max, view.amount);

    (asked > most).then(|| {
        format!(
            "no wallet of {provider} can pay more than {} at a time, and {} is asked",
            words(most.minor_units(), view.currency),
            words(asked.minor_units(), view.currency)
        )
    })
}

pub(super) fn is_open(view: &RequestView) -> bool {
    match request_state(view) {
        RequestState::Open | RequestState::Locked => true,
        RequestState::Paid | RequestState::Cancelled | RequestState::Expired => false,
    }
}

const fn request_state(view: &RequestView) -> RequestState {
    match view.shown {
        RequestShown::Paid => RequestState::Paid,
        RequestShown::Cancelled => RequestState::Cancelled,
        RequestShown::Open if view.code.is_some() => RequestState::Locked,
        RequestShown::Open if view.expired => RequestState::Expired,
        RequestShown::Open => RequestState::Open,
    }
}
