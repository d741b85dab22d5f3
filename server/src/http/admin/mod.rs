//! The admin API: JSON for the people and programs of the provider, on a listener of its own.
//!
//! Everything under `/v1/admin` and `/metrics` wants the token; who only looks whether the server lives
//! does not. Unknown fields are refused, so that a misspelt one is not taken for a default.

mod extract;
mod handlers;
mod jobs;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::rate::Rates;
use super::{Host, openapi, route};
use crate::admin::{AdminError, Office};
use crate::limits::{ADMIN_REQUESTS_MAX, ADMIN_WRONG_TOKENS_PER_SECOND, REQUEST_TIMEOUT};
use crate::meter;
use crate::readiness::Readiness;
use crate::refusal::{Code, Refusal};
use crate::store::StoreAddress;
use jobs::Audits;

pub(crate) use token::{AdminToken, own_file as token_file};

/// What admin requests share.
#[derive(Clone, Debug)]
pub(crate) struct AdminShared {
    data: Arc<PathBuf>,
    address: StoreAddress,
    token: AdminToken,
    readiness: Readiness,
    tasks: TaskTracker,
    stop: CancellationToken,
    works: Arc<Semaphore>,
    wrong_tokens: Arc<Rates<Host>>,
    audits: Audits,
    /// One backup at a time.
    backup: Arc<Mutex<()>>,
}

impl AdminShared {
    pub(crate) fn new(
        data: PathBuf,
        address: StoreAddress,
        token: AdminToken,
        readiness: Readiness,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self {
            data: Arc::new(data),
            address,
            token,
            readiness,
            tasks,
            stop,
            works: Arc::new(Semaphore::new(ADMIN_REQUESTS_MAX)),
            wrong_tokens: Arc::new(Rates::new(ADMIN_WRONG_TOKENS_PER_SECOND)),
            audits: Audits::default(),
            backup: Arc::default(),
        }
    }

    /// Opens the books for one request, beside the writer.
    async fn office(&self) -> Result<Office, Refusal> {
        Ok(Office::open_at(&self.data, &self.address).await?)
    }
}

/// Returns the paths of the admin listener.
pub(crate) fn router(shared: AdminShared) -> Router {
    let (router, _) = described().split_for_parts();
    let guarded = router
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(shared.clone(), guard));

    guarded
        .route("/openapi.json", get(async || Json(description())))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(async || Refusal::new(Code::NotFound, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Refusal::new(Code::Method, "the path takes another method")
        })
        .layer(middleware::from_fn(count))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(|_panic| {
            Refusal::new(Code::Internal, "the server failed on this request").into_response()
        }))
        .with_state(shared)
}

fn described() -> OpenApiRouter<AdminShared> {
    OpenApiRouter::new()
        .routes(routes!(handlers::health))
        .routes(routes!(handlers::accounts))
        .routes(routes!(handlers::account))
        .routes(routes!(handlers::credit))
        .routes(routes!(handlers::suspend))
        .routes(routes!(handlers::unsuspend))
        .routes(routes!(handlers::revoke))
        .routes(routes!(handlers::findings))
        .routes(routes!(handlers::positions))
        .routes(routes!(handlers::ledger))
        .routes(routes!(handlers::start_audit))
        .routes(routes!(handlers::audit))
        .routes(routes!(handlers::make_backup))
}

/// Returns the description of the admin listener.
#[must_use]
pub(crate) fn description() -> OpenApi {
    let (_, mut api) = described().split_for_parts();
    api.info = openapi::info(
        "blepay-server admin",
        "What the people and programs of a provider do. Amounts in answers are minor units of the \
         provider's currency; amounts in requests are as people write them, such as \"12.50\".",
    );
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The content of the file admin-token"))
        .build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));

    api
}

async fn metrics() -> Response {
    let text = meter::meter().render();

    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn ready(State(shared): State<AdminShared>) -> Result<&'static str, Refusal> {
    shared.readiness.check().await?;

    Ok("ready\n")
}

/// Demands the token, and bounds how many requests are under way and how long each takes.
async fn guard(
    State(shared): State<AdminShared>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .map(|value| value.to_str().unwrap_or_default());
    if !token
        .and_then(bearer)
        .is_some_and(|token| shared.token.admits(token))
    {
        let host = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let host = host.map(|ConnectInfo(address)| Host::of(address.ip()));
        // Who sends none learns nothing by it.
        let guesses = host.filter(|_| token.is_some());
        if guesses.is_some_and(|host| !shared.wrong_tokens.admit(host, Instant::now())) {
            let message = "this address sent too many wrong tokens";
            return Err(Refusal::new(Code::TooMany, message));
        }
        let message = "the token is missing or another";
        return Err(Refusal::new(Code::Unauthorized, message));
    }
    let busy = || Refusal::new(Code::Busy, "too many admin requests are under way");
    let _work = shared.works.try_acquire().map_err(|_| busy())?;

    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request))
        .await
        .map_err(|_| Refusal::new(Code::Timeout, "the request took too long"))
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;

    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

async fn count(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = route(&request);
    let response = next.run(request).await;
    meter::answered(&path, response.status().as_u16(), begun.elapsed());

    response
}

impl From<AdminError> for Refusal {
    fn from(error: AdminError) -> Self {
        let code = match &error {
            AdminError::ClientUnknown(_) => Code::ClientUnknown,
            AdminError::TaUnknown(_) => Code::TaUnknown,
            AdminError::Ambiguous { .. } => Code::Ambiguous,
            AdminError::ReferenceUsed { .. } => Code::ReferenceUsed,
            AdminError::Reference => Code::Value,
            AdminError::Standing { .. }
            | AdminError::ClientStanding { .. }
            | AdminError::Convicted => Code::Standing,
            AdminError::Tool(_) => Code::Tool,
            AdminError::InUse => Code::UnderWay,
            AdminError::Store(error) if error.may_pass() => Code::Busy,
            AdminError::Life(_)
            | AdminError::File(_)
            | AdminError::Store(_)
            | AdminError::NewerBooks { .. }
            | AdminError::NoBackup { .. }
            | AdminError::Measurement(_)
            | AdminError::Currency(_) => Code::Internal,
        };
        if code == Code::Internal {
            tracing::warn!(%error, "An admin request failed");
            return Self::new(code, "the server failed on this request");
        }

        Self::new(code, error)
    }
}
