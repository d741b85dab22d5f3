//! The HTTP side: paths, bounds, rates. Bodies are the signed bytes as they flew.

mod guests;
mod rate;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use tokio::sync::Semaphore;

use crate::limits::{
    BATCH_SIZE_MAX, BODY_SIZE_MAX, LARGE_BODIES_MAX, REQUEST_TIMEOUT, REQUESTS_MAX, STATUS_SIZE_MAX,
};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::service::{MessageKind, Order};
use crate::writer::{Writer, now};
use rate::Rates;

pub(crate) use guests::Guests;

/// What requests share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    provider: Arc<Provider>,
    writer: Writer,
    rates: Arc<Rates>,
    requests: Arc<Semaphore>,
    large_bodies: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(provider: Arc<Provider>, writer: Writer) -> Self {
        let rates = Rates::new(provider.config().requests_per_second);

        Self {
            provider,
            writer,
            rates: Arc::new(rates),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)),
        }
    }
}

/// Returns the paths of the server.
pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/challenge", message(MessageKind::Challenge))
        .route("/v1/clients", message(MessageKind::RegisterClient))
        .route("/v1/tas", message(MessageKind::RegisterTa))
        .route("/v1/deposits", message(MessageKind::Deposit))
        .route("/v1/claims", message(MessageKind::Batch))
        .route("/v1/reports", message(MessageKind::Batch))
        .route("/v1/statuses", message(MessageKind::Status))
        .route("/v1/account", message(MessageKind::Account))
        .route("/v1/provider", get(provider_certificate))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(async || Refusal::new(Code::NotFound, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Refusal::new(Code::Method, "the path takes another method")
        })
        .layer(middleware::from_fn_with_state(shared.clone(), bound))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(|_panic| {
            Refusal::new(Code::Internal, "the server failed on this message").into_response()
        }))
        .with_state(shared)
}

fn message(kind: MessageKind) -> MethodRouter<Shared> {
    let size_max = match kind {
        MessageKind::Batch => BATCH_SIZE_MAX,
        MessageKind::Status => STATUS_SIZE_MAX,
        MessageKind::Challenge
        | MessageKind::RegisterClient
        | MessageKind::RegisterTa
        | MessageKind::Deposit
        | MessageKind::Account => BODY_SIZE_MAX,
    };
    let handler = async move |State(shared): State<Shared>, request: Request| {
        answer(kind, size_max, shared, request).await
    };

    post(handler).layer(DefaultBodyLimit::disable())
}

async fn answer(
    kind: MessageKind,
    size_max: usize,
    shared: Shared,
    request: Request,
) -> Result<Response, Refusal> {
    let body = read_body(size_max, &shared, request).await?;
    let order = Order::prepare(kind, body, &shared.provider, now()).await?;
    let bytes = shared.writer.book(order).await?;

    Ok(octets(bytes))
}

/// Reads a body of at most `size_max` bytes; few large ones are in memory at a time.
async fn read_body(size_max: usize, shared: &Shared, request: Request) -> Result<Vec<u8>, Refusal> {
    let body = request.into_body();
    if size_max <= BODY_SIZE_MAX {
        return collect(body, size_max).await;
    }
    let _permit = shared
        .large_bodies
        .acquire()
        .await
        .map_err(|_| Refusal::new(Code::Busy, "the server is stopping"))?;

    collect(body, size_max).await
}

async fn collect(body: Body, size_max: usize) -> Result<Vec<u8>, Refusal> {
    let bytes: Bytes = axum::body::to_bytes(body, size_max)
        .await
        .map_err(|error| {
            let source = std::error::Error::source(&error);
            if source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
                return Refusal::new(
                    Code::BodyTooLarge,
                    "the body is larger than any such message",
                );
            }

            Refusal::new(Code::Malformed, "the body did not arrive whole")
        })?;

    Ok(bytes.into())
}

fn octets(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}

async fn provider_certificate(State(shared): State<Shared>) -> Response {
    octets(shared.provider.certificate().to_wire())
}

/// Ready means that messages would be booked.
async fn ready(State(shared): State<Shared>) -> Result<&'static str, Refusal> {
    if !shared.writer.is_open() {
        return Err(Refusal::new(Code::Busy, "the writer has stopped"));
    }

    Ok("ready\n")
}

/// Bounds the requests of one address, all requests at a time, and how long each may take.
async fn bound(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let address = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip());
    let response = admit(&shared, address, request, next)
        .await
        .unwrap_or_else(IntoResponse::into_response);
    tracing::debug!(
        %method,
        path,
        status = response.status().as_u16(),
        ms = begun.elapsed().as_millis(),
        "Answered a request"
    );

    response
}

async fn admit(
    shared: &Shared,
    address: Option<IpAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if address.is_some_and(|address| !shared.rates.admit(address, Instant::now())) {
        let message = "this address sends too many requests";
        return Err(Refusal::new(Code::TooMany, message));
    }
    let _permit = shared
        .requests
        .try_acquire()
        .map_err(|_| Refusal::new(Code::Busy, "the server has too much to do"))?;

    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request))
        .await
        .map_err(|_| Refusal::new(Code::Timeout, "the request took too long"))
}
