//! Requests of this wallet.

use api_types::{OUTCOME_UNKNOWN, Request, RequestOrder};
use axum::Json;
use axum::extract::{Path, State};
use ops_proto::RequestId;
use ops_proto::time::Validity;
use wallet::{Mode, WalletError};

use super::{Api, JsonAnswer};
use crate::api::asked;
use crate::api::error::{ApiError, STOPPING};
use crate::api::extract::JsonBody;
use crate::api::state::ApiState;

/// Requests that are listed at once.
const LIST_MAX: usize = 1000;

pub(super) async fn list(State(api): Api) -> Json<Vec<Request>> {
    let requests = api.wallet.requests(LIST_MAX);

    Json(
        requests
            .iter()
            .map(|request| asked::request(&api, request))
            .collect(),
    )
}

pub(super) async fn open(
    State(api): Api,
    JsonBody(order): JsonBody<RequestOrder>,
) -> JsonAnswer<Request> {
    let amount = api.amount(&order.amount)?;
    let validity = order.validity_s.map(validity).transpose()?;
    let replaces = order.replaces.as_deref().map(parse).transpose()?;
    // nobody could find it; one that is open waits for the radio
    api.wallet.radio_present().await?;
    let opened = api
        .wallet
        .open_request(wallet::RequestOrder {
            amount,
            memo: order.memo,
            validity,
            mode: if order.by_uri {
                Mode::Uri
            } else {
                Mode::Announced
            },
            replaces,
            refund_of: None,
        })
        .await
        .map_err(not_opened)?;

    find(&api, opened.request_id).map(Json)
}

pub(super) async fn show(State(api): Api, Path(id): Path<String>) -> JsonAnswer<Request> {
    find(&api, parse(&id)?).map(Json)
}

pub(super) async fn cancel(State(api): Api, Path(id): Path<String>) -> JsonAnswer<Request> {
    let id = parse(&id)?;
    api.wallet.cancel_request(id).await?;

    find(&api, id).map(Json)
}

pub(super) fn find(api: &ApiState, id: RequestId) -> Result<Request, ApiError> {
    let request = api.wallet.request(id).ok_or_else(|| unknown(&id))?;

    Ok(asked::request(api, &request))
}

/// Tells why a request is not open; one that was signed when the daemon stopped is, once it runs again.
pub(super) fn not_opened(error: WalletError) -> ApiError {
    let ApiError { status, mut body } = error.into();
    if body.code == STOPPING {
        OUTCOME_UNKNOWN.clone_into(&mut body.code);
        "when the daemon runs again: blepay request --list".clone_into(&mut body.hint);
    }

    ApiError { status, body }
}

fn validity(seconds: u64) -> Result<Validity, ApiError> {
    Validity::try_from(seconds.saturating_mul(1000))
        .map_err(|error| ApiError::malformed(error, "give a time between 1 s and 30 days"))
}

fn parse(id: &str) -> Result<RequestId, ApiError> {
    id.parse().map(RequestId).map_err(|_| unknown(&id))
}

fn unknown(id: &dyn std::fmt::Display) -> ApiError {
    ApiError::not_found(
        format!("there is no request {id}"),
        "see them: blepay request --list",
    )
}
