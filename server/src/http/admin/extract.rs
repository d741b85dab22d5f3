//! What a request says: JSON and queries without unknown fields, within bounds.

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::http::body;
use crate::limits::ADMIN_BODY_SIZE_MAX;
use crate::provider::HexKey;
use crate::refusal::{Code, Refusal};
use ops_proto::PublicKey;

/// A body in JSON.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            let message = "the body is not application/json";
            return Err(Refusal::new(Code::Malformed, message));
        }
        let bytes = body::read(request.into_body(), ADMIN_BODY_SIZE_MAX).await?;

        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Refusal::new(Code::Malformed, error))
    }
}

/// A query.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(value)| Self(value))
            .map_err(|rejection| Refusal::new(Code::Malformed, rejection.body_text()))
    }
}

/// Takes a key out of a path or query.
pub(super) fn key(text: &str) -> Result<PublicKey, Refusal> {
    text.parse::<HexKey>()
        .map(|HexKey(key)| key)
        .map_err(|error| Refusal::new(Code::Value, error))
}

/// Takes a page's size, which is at most `max`.
pub(super) fn page_size(limit: Option<u16>, max: u16) -> Result<u16, Refusal> {
    let limit = limit.unwrap_or(max);
    if limit == 0 || limit > max {
        let message = format!("a page has 1 to {max} items");
        return Err(Refusal::new(Code::Value, message));
    }

    Ok(limit)
}
