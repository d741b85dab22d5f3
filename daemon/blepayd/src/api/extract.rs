//! Reads bodies, queries and paths, and refuses them in the API's own words.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A JSON body.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<S, T> FromRequest<S> for JsonBody<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Json::from_request(request, state)
            .await
            .map(|Json(body)| Self(body))
            .map_err(|rejection: JsonRejection| refused(rejection.status(), &rejection.body_text()))
    }
}

/// The part of the address after `?`.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for Params<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(params)| Self(params))
            .map_err(|rejection: QueryRejection| {
                refused(rejection.status(), &rejection.body_text())
            })
    }
}

fn refused(status: StatusCode, text: &str) -> ApiError {
    // axum's own wording says what it was doing; only the cause helps the caller.
    let what = match text.split_once(": ") {
        Some((doing, what)) if doing.starts_with("Failed to ") => what,
        Some(_) | None => text,
    };

    ApiError::new(
        status,
        "malformed",
        what,
        "see docs/api.md for the fields; send JSON as application/json",
    )
}
