//! What the API answers, by path.

mod checks;
mod doctor;
mod ending;
mod events;
mod init;
mod money;
mod payments;
mod policy;
mod protection;
mod refund;
mod requests;

use std::sync::Arc;

use api_types::{RadioOrder, RadioStatus, Status};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};

use super::error::ApiError;
use super::extract::JsonBody;
use super::state::ApiState;
use super::views;

/// The daemon's state, as every route gets it.
type Api = State<Arc<ApiState>>;

/// What a route answers.
type JsonAnswer<T> = Result<Json<T>, ApiError>;

/// Returns every route.
pub(super) fn all() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/init", post(init::init))
        .route("/v1/deposits", post(money::deposit))
        .route("/v1/withdrawals", get(ending::list).post(ending::withdraw))
        .route("/v1/retirement", post(ending::retire))
        .route("/v1/recovery", post(ending::recover))
        .route("/v1/sync", post(money::sync))
        .route("/v1/requests", get(requests::list).post(requests::open))
        .route(
            "/v1/requests/{id}",
            get(requests::show).delete(requests::cancel),
        )
        .route("/v1/nearby", get(payments::nearby))
        .route("/v1/payments", get(payments::list).post(payments::start))
        .route("/v1/payments/{id}", get(payments::show))
        .route("/v1/payments/{id}/events", get(events::of_payment))
        .route("/v1/payments/{id}/approve", post(payments::approve))
        .route("/v1/payments/{id}/decline", post(payments::decline))
        .route("/v1/payments/{id}/receipt", get(payments::receipt))
        .route("/v1/payments/{id}/refund", post(refund::ask))
        .route("/v1/policy", get(policy::show))
        .route(
            "/v1/policy/payees/{key}",
            put(policy::approve).delete(policy::end),
        )
        .route("/v1/pin", put(protection::set_pin))
        .route("/v1/lists", get(protection::lists))
        .route("/v1/events", get(events::all))
        .route("/v1/radio", post(radio))
        .route("/v1/doctor", get(doctor::doctor))
}

/// Refuses an unknown path.
pub(super) async fn unknown_path() -> ApiError {
    ApiError::not_found(
        "there is nothing at this path",
        "see docs/api.md for the paths",
    )
}

/// Refuses a method that a path does not have.
pub(super) async fn unknown_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "this path does not have this method",
        "see docs/api.md for the methods",
    )
}

async fn status(State(api): Api) -> Json<Status> {
    Json(views::status(&api).await)
}

async fn radio(State(api): Api, JsonBody(order): JsonBody<RadioOrder>) -> JsonAnswer<RadioStatus> {
    let sim = api.sim.as_ref().ok_or_else(|| {
        ApiError::conflict(
            "real-radio",
            "only the simulated radio can be cut",
            "run the daemon with [radio] kind = \"sim\"",
        )
    })?;
    if order.cut_at_frame == 0 {
        return Err(ApiError::malformed(
            "frames are counted from 1",
            "give 1 or more",
        ));
    }
    sim.cut_at_frame(order.cut_at_frame);
    let status = api.wallet.status().await;

    Ok(Json(views::radio(&status.radio)))
}
