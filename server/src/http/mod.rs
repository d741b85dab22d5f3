//! The HTTP side: paths, bounds, rates. Bodies are the signed bytes as they flew.

pub(crate) mod admin;
mod body;
mod guests;
mod messages;
pub(crate) mod openapi;
mod rate;
mod signer;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use ops_proto::message::{BatchAnswer, ItemOutcome, SettlementState};
use ops_proto::{PublicKey, Signed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::limits::{
    BODY_SIZE_MAX, KEYS_PER_HOST, LARGE_BODIES_KIB_MAX, LARGE_BODIES_KIB_PER_HOST_MAX,
    REQUEST_TIMEOUT, REQUESTS_MAX, REQUESTS_PER_HOST_MAX, ROOM_TIMEOUT,
};
use crate::meter;
use crate::provider::Provider;
use crate::readiness::Readiness;
use crate::refusal::{Code, Refusal};
use crate::service::{Announced, ChainKind, MessageKind, Order};
use crate::writer::{Writer, now};
use messages::{MESSAGES, size_max};
use rate::Rates;
use signer::signer_of;

pub(crate) use guests::{Guest, Guests, Host};

/// What requests share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    provider: Arc<Provider>,
    writer: Writer,
    readiness: Readiness,
    tasks: TaskTracker,
    rates: Arc<Rates<Host>>,
    rates_of_keys: Arc<Rates<PublicKey>>,
    requests: Arc<Semaphore>,
    requests_of: Guests,
    large_bodies: Arc<Semaphore>,
    large_bodies_of: Guests,
}

impl Shared {
    pub(crate) fn new(
        provider: Arc<Provider>,
        writer: Writer,
        readiness: Readiness,
        tasks: TaskTracker,
    ) -> Self {
        let per_second = provider.config().requests_per_second;
        let of_a_key = per_second.checked_div(KEYS_PER_HOST).unwrap_or(0).max(1);

        Self {
            provider,
            writer,
            readiness,
            tasks,
            rates: Arc::new(Rates::new(per_second)),
            rates_of_keys: Arc::new(Rates::new(of_a_key)),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            requests_of: Guests::new(REQUESTS_PER_HOST_MAX),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_KIB_MAX)),
            large_bodies_of: Guests::new(LARGE_BODIES_KIB_PER_HOST_MAX),
        }
    }
}

impl Shared {
    /// Admits a message whose signature fits: one key may send only so many, from however many hosts.
    fn admit_signer(&self, signer: Option<PublicKey>) -> Result<(), Refusal> {
        if signer.is_some_and(|key| !self.rates_of_keys.admit(key, Instant::now())) {
            let message = "this key signs too many messages";
            return Err(Refusal::new(Code::TooMany, message));
        }

        Ok(())
    }
}

/// Returns the paths of the server: those of [`MESSAGES`], and what anybody may read.
pub(crate) fn router(shared: Shared) -> Router {
    let messages = MESSAGES.iter().fold(Router::new(), |router, message| {
        router.route(message.path, take(message.kind))
    });

    messages
        .route("/v1/provider", get(provider_certificate))
        .route("/openapi.json", get(openapi::public_json))
        .fallback(async || Refusal::new(Code::NotFound, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Refusal::new(Code::Method, "the path takes another method")
        })
        .layer(middleware::from_fn_with_state(shared.clone(), bound))
        // After the bounds and so outside them: a flood must not look like a server that failed.
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(|_panic| {
            Refusal::new(Code::Internal, "the server failed on this message").into_response()
        }))
        .with_state(shared)
}

fn take(kind: MessageKind) -> MethodRouter<Shared> {
    let handler = async move |State(shared): State<Shared>, request: Request| {
        answer(kind, size_max(kind), shared, request).await
    };

    post(handler).layer(DefaultBodyLimit::disable())
}

async fn answer(
    kind: MessageKind,
    size_max: usize,
    shared: Shared,
    request: Request,
) -> Result<Response, Refusal> {
    let host = host(&request);
    let body = request.into_body();
    let room = room(&shared, host, size(&body, size_max)).await?;
    let body = body::read(body, size_max).await?;
    // A peer that hangs up frees its room only when its message is gone.
    let tasks = shared.tasks.clone();
    let work = host::task::spawn_for(&tasks, async move {
        let bytes = book(kind, body, &shared).await;
        drop(room);

        bytes
    });
    let bytes = work
        .await
        .map_err(|_| Refusal::new(Code::Internal, "the server failed on this message"))??;

    Ok(octets(bytes))
}

async fn book(kind: MessageKind, body: Vec<u8>, shared: &Shared) -> Result<Vec<u8>, Refusal> {
    let chain = match kind {
        MessageKind::Status => ChainKind::Status,
        MessageKind::Retire => ChainKind::Retire,
        MessageKind::Challenge
        | MessageKind::RegisterClient
        | MessageKind::RegisterTa
        | MessageKind::Deposit
        | MessageKind::Withdraw
        | MessageKind::Batch
        | MessageKind::Death
        | MessageKind::Renew
        | MessageKind::Mailbox
        | MessageKind::Credited
        | MessageKind::Lists
        | MessageKind::Remembered
        | MessageKind::Forward
        | MessageKind::Settlement
        | MessageKind::Settlements
        | MessageKind::Account => {
            let begun = Instant::now();
            let signer = signer_of(kind, &body);
            let order = Order::prepare(kind, body, &shared.provider, now()).await?;
            meter::verified(begun.elapsed());
            shared.admit_signer(signer)?;
            let answer = shared.writer.book(order).await?;
            if kind == MessageKind::Batch {
                count_pairs(&answer);
            }
            return Ok(answer);
        }
    };
    let announced = Announced::open(chain, body).await?;
    shared.admit_signer(Some(announced.ta()))?;
    shared.writer.book(Order::Knock(announced.knock())).await?;
    let order = announced.check(&shared.provider).await?;

    shared.writer.book(order).await
}

/// Counts what became of the pairs of a batch.
fn count_pairs(answer: &[u8]) {
    let Ok(answer) = Signed::<BatchAnswer>::decode(answer) else {
        return;
    };
    for (_, outcome) in answer.body().items.iter() {
        meter::pair(match outcome {
            ItemOutcome::Held(SettlementState::Credited) => "credited",
            ItemOutcome::Held(SettlementState::Collected) => "collected",
            ItemOutcome::Held(SettlementState::Waiting) => "waiting",
            ItemOutcome::Held(SettlementState::Waived) => "waived",
            ItemOutcome::Refused(_) => "refused",
        });
    }
}

/// Room for a large body: only so much of them is in memory at a time, and less of one host.
#[derive(Debug)]
struct Room {
    _of_all: OwnedSemaphorePermit,
    _of_host: Option<Guest>,
}

/// Returns how large a body may become, as far as its head tells, in bytes.
fn size(body: &Body, size_max: usize) -> usize {
    let upper = body.size_hint().upper().map(usize::try_from);

    upper
        .and_then(Result::ok)
        .map_or(size_max, |upper| upper.min(size_max))
}

/// Waits for room for a body, if it is large.
async fn room(shared: &Shared, host: Option<Host>, size: usize) -> Result<Option<Room>, Refusal> {
    if size <= BODY_SIZE_MAX {
        return Ok(None);
    }
    let kib = u32::try_from(size.div_ceil(1024)).unwrap_or(u32::MAX);
    let room = async {
        let of_host = match host {
            Some(host) => Some(shared.large_bodies_of.wait(host, kib).await),
            None => None,
        };
        let of_all = Arc::clone(&shared.large_bodies)
            .acquire_many_owned(kib)
            .await;

        Some(Room {
            _of_all: of_all.ok()?,
            _of_host: of_host,
        })
    };
    let room = tokio::time::timeout(ROOM_TIMEOUT, room).await;

    room.ok()
        .flatten()
        .map(Some)
        .ok_or_else(|| Refusal::new(Code::Busy, "there is no room for so large a body now"))
}

fn host(request: &Request) -> Option<Host> {
    let ConnectInfo(address) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;

    Some(Host::of(address.ip()))
}

fn octets(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}

async fn provider_certificate(State(shared): State<Shared>) -> Response {
    octets(shared.provider.certificate().to_wire())
}

/// Ready means that messages would be booked.
async fn ready(State(shared): State<Shared>) -> Result<&'static str, Refusal> {
    shared.readiness.check().await?;

    Ok("ready\n")
}

/// Bounds the requests of one host, all requests at a time, and how long each may take.
async fn bound(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let path = route(&request);
    let response = admit(&shared, request, next)
        .await
        .unwrap_or_else(IntoResponse::into_response);
    tracing::debug!(
        %method,
        path,
        status = response.status().as_u16(),
        ms = begun.elapsed().as_millis(),
        "Answered a request"
    );
    meter::answered(&path, response.status().as_u16(), begun.elapsed());

    response
}

/// Returns the path that took the request; what a peer made up is one path.
fn route(request: &Request) -> String {
    request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .to_owned()
}

async fn admit(shared: &Shared, request: Request, next: Next) -> Result<Response, Refusal> {
    let host = host(&request);
    if host.is_some_and(|host| !shared.rates.admit(host, Instant::now())) {
        let message = "this address sends too many requests";
        return Err(Refusal::new(Code::TooMany, message));
    }
    let _of_host = host
        .map(|host| {
            let busy = || Refusal::new(Code::Busy, "this address has too many requests under way");
            shared.requests_of.admit(host).ok_or_else(busy)
        })
        .transpose()?;
    let _of_all = shared
        .requests
        .try_acquire()
        .map_err(|_| Refusal::new(Code::Busy, "the server has too much to do"))?;

    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request))
        .await
        .map_err(|_| Refusal::new(Code::Timeout, "the request took too long"))
}
