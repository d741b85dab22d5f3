//! `blepay request`.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use api_types::client::{Client, ClientError, Events};
use api_types::{Event, OUTCOME_UNKNOWN, Payment, Request, RequestOrder, RequestState};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::{ASK_REQUESTS, amount, ask, currency, short, warn};
use crate::args::Request as Args;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;
use crate::when::{ago, now_ms};

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    if args.all && args.cancel.as_deref() == Some("") {
        return cancel_all(client, terminal).await;
    }
    if let Some(id) = &args.cancel {
        if id.is_empty() || args.all {
            let hint = "blepay request --cancel ID, or --cancel --all";
            return Err(Failure::usage(
                "it is not clear which request is to be cancelled",
                hint,
            ));
        }
        let request = cancel(client, id).await?;
        terminal.acted(ASK_REQUESTS);
        let text = format!("Request {} of {} is cancelled.", request.id, request.amount);
        return terminal.data(&request, &text);
    }
    let Some(text) = &args.amount else {
        let requests: Vec<Request> = ask(client, terminal, "/v1/requests").await?;
        return terminal.data(&requests, &list(&requests));
    };
    let order = RequestOrder {
        amount: amount(text, currency(client, terminal).await?)?,
        memo: args.memo.clone(),
        validity_s: args.validity.or_else(|| args.wait.then_some(WAITED_FOR_S)),
        replaces: args.replaces.clone(),
        by_uri: args.uri,
    };
    let waiting = match args.wait {
        true => Some(RequestWait::begin(client).await?),
        false => None,
    };
    let opening = client.post("/v1/requests", &order);
    let request: Request = terminal.patient("Opening the request…", opening).await?;
    terminal.acted(ASK_REQUESTS);

    let end = if args.keep {
        WaitEnd::Keep
    } else {
        WaitEnd::Cancel
    };

    show(client, terminal, request, waiting, (args.timeout, end)).await
}

/// How long a request may be paid that somebody waits for, in seconds, where nothing is said: a customer who walks away does
/// not leave it behind for a day.
const WAITED_FOR_S: u64 = 15 * 60;

/// What becomes of a request when nobody waits for it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitEnd {
    /// It stays open.
    Keep,
    /// It is cancelled.
    Cancel,
}

/// What is waited for. It begins before the request is open, so that no event of it is missed, and no signal leaves it behind.
pub(super) struct RequestWait {
    events: Events,
    stops: Stops,
}

impl RequestWait {
    pub(super) async fn begin(client: &Client) -> Result<Self, ClientError> {
        Ok(Self {
            events: client.events("/v1/events").await?,
            stops: Stops::catch(),
        })
    }
}

async fn cancel(client: &Client, id: &str) -> Result<Request, ClientError> {
    client.delete(&format!("/v1/requests/{id}")).await
}

async fn cancel_all(client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    let requests: Vec<Request> = ask(client, terminal, "/v1/requests").await?;
    let is_open =
        |request: &&Request| matches!(request.state, RequestState::Open | RequestState::Locked);
    let mut cancelled = Vec::new();
    for request in requests.iter().filter(is_open) {
        cancelled.push(cancel(client, &request.id).await?);
        terminal.acted(ASK_REQUESTS);
    }
    let text = match cancelled.len() {
        0 => "No request is open.".to_owned(),
        1 => "1 request is cancelled.".to_owned(),
        many => format!("{many} requests are cancelled."),
    };

    terminal.data(&cancelled, &text)
}

/// Shows a request that is open; with something to wait for, waits until it is paid.
pub(super) async fn show(
    client: &Client,
    terminal: &mut Terminal,
    request: Request,
    waiting: Option<RequestWait>,
    (timeout, end): (Option<u64>, WaitEnd),
) -> Result<(), Failure> {
    warn(client, terminal).await;
    if let Some(warning) = &request.warning {
        terminal.note(&format!("Note: {warning}"));
    }
    let Some(RequestWait { events, mut stops }) = waiting else {
        return terminal.data(&request, &opened(&request, terminal));
    };
    terminal.note(&opened(&request, terminal));
    let deadline =
        timeout.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));

    let mut shown = request;
    let over = tokio::select! {
        biased; // a payment that has come counts, whatever else ends the wait
        waited = wait(client, terminal, events, &mut shown) => return waited,
        () = sleep_until(deadline) => Over::Time,
        () = stops.next() => Over::Stopped,
    };
    terminal.done();

    leave(client, terminal, &shown, end, over).await
}

/// Why nobody waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The time is over.
    Time,
    /// Ctrl-C, the end of the terminal, or a stop of the machine.
    Stopped,
}

/// Ends the wait for a request that nobody has paid, unless somebody has at the last moment.
async fn leave(
    client: &Client,
    terminal: &mut Terminal,
    request: &Request,
    end: WaitEnd,
    over: Over,
) -> Result<(), Failure> {
    let exit = match over {
        Over::Time => Exit::Nobody,
        Over::Stopped => Exit::Declined,
    };
    if end == WaitEnd::Keep {
        let hint = format!("blepay request --cancel {}", request.id);
        let message = "nobody has paid yet; the request stays open";
        return Err(Failure::new(exit, "nobody", message, hint));
    }
    let path = format!("/v1/requests/{}", request.id);
    let before: Request = client.get(&path).await?;
    let cancelled = match cancel(client, &request.id).await {
        Ok(cancelled) => cancelled,
        Err(refused) => {
            let now: Request = client.get(&path).await?;
            return match changed(client, terminal, &now).await? {
                Some(done) => terminal.data(&done, &paid(&done)),
                None => Err(refused.into()),
            };
        }
    };
    // who has locked a request may pay it after it was cancelled
    if before.code.is_some() || cancelled.code.is_some() {
        return Err(Failure::new(
            Exit::OutcomeUnknown,
            OUTCOME_UNKNOWN,
            format!(
                "request {} is cancelled while a payer was at it; a payment that still comes is kept",
                request.id
            ),
            "blepay history says whether it came",
        ));
    }

    Err(Failure::new(
        exit,
        "nobody",
        format!("nobody has paid; request {} is cancelled", request.id),
        "a payment that still comes is kept: blepay history. --keep leaves a request open",
    ))
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// What ends a program from outside, caught from when this is made.
struct Stops(Vec<Signal>);

impl Stops {
    fn catch() -> Self {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        // one that cannot be caught ends the program as ever
        let caught = kinds.into_iter().filter_map(|kind| signal(kind).ok());

        Self(caught.collect())
    }

    /// Returns when one has come. Cancel safe.
    async fn next(&mut self) {
        poll_fn(|cx| {
            let has_come = self.0.iter_mut().any(|it| it.poll_recv(cx).is_ready());

            if has_come {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

async fn wait(
    client: &Client,
    terminal: &mut Terminal,
    mut events: Events,
    request: &mut Request,
) -> Result<(), Failure> {
    let mut earlier = Vec::new();
    terminal.waiting("Waiting for the payment…");
    loop {
        let now = match events.next().await? {
            Some(Event::Request { request: now }) if now.id == request.id => now,
            // a payer who was there before the code was changed
            Some(Event::Request { request: now })
                if earlier.contains(&now.id) && now.state == RequestState::Paid =>
            {
                now
            }
            Some(Event::Lost) => client.get(&format!("/v1/requests/{}", request.id)).await?,
            Some(
                Event::Request { .. }
                | Event::Payment { .. }
                | Event::Sync { .. }
                | Event::Radio { .. },
            ) => continue,
            None => {
                return Err(Failure::new(
                    Exit::OutcomeUnknown,
                    OUTCOME_UNKNOWN,
                    "the daemon has stopped; the request stays open, and may have been paid",
                    "when it runs again: blepay request --list, blepay history",
                ));
            }
        };
        if let Some(by) = replacement(client, &now).await? {
            terminal.note("Strangers keep this request busy; the payer scans this code instead.");
            terminal.note(&opened(&by, terminal));
            terminal.waiting("Waiting for the payment…");
            earlier.push(std::mem::replace(request, by).id);
            continue;
        }
        if let Some(done) = changed(client, terminal, &now).await? {
            return terminal.data(&done, &paid(&done));
        }
    }
}

/// Returns the request that stands in the place of one that is no longer shown.
async fn replacement(client: &Client, now: &Request) -> Result<Option<Request>, Failure> {
    match (now.state, &now.replaced_by) {
        (RequestState::Cancelled, Some(by)) => {
            Ok(Some(client.get(&format!("/v1/requests/{by}")).await?))
        }
        (
            RequestState::Open
            | RequestState::Locked
            | RequestState::Paid
            | RequestState::Cancelled
            | RequestState::Expired,
            _,
        ) => Ok(None),
    }
}

async fn changed(
    client: &Client,
    terminal: &mut Terminal,
    now: &Request,
) -> Result<Option<Payment>, Failure> {
    match (now.state, &now.payment) {
        (RequestState::Paid, Some(payment)) => {
            Ok(Some(client.get(&format!("/v1/payments/{payment}")).await?))
        }
        (RequestState::Locked, _) => {
            let code = now.code.as_deref().unwrap_or("------");
            terminal.waiting(&format!("A payer approves; compare the code: {code}"));
            Ok(None)
        }
        (RequestState::Open | RequestState::Paid, _) => {
            terminal.waiting("Waiting for the payment…");
            Ok(None)
        }
        (RequestState::Cancelled | RequestState::Expired, _) => Err(Failure::nobody(
            "the request is no longer open and nobody has paid",
            "a payment that still comes is kept: blepay history",
        )),
    }
}

fn opened(request: &Request, terminal: &Terminal) -> String {
    let mut text = format!("Request {}: {}", request.id, request.amount);
    if !request.memo.is_empty() {
        text.push_str(&format!(" for {:?}", request.memo));
    }
    if let Some(of) = &request.refund_of {
        text.push_str(&format!("\nrefund of payment {}", short(of)));
    }
    if let Some(uri) = &request.uri {
        if terminal.shows_pictures() {
            text.push_str(&format!("\n{}", picture(uri)));
        }
        text.push_str(&format!("\n{uri}"));
    }
    if let Some(code) = &request.code {
        text.push_str(&format!("\ncode {code}"));
    }

    text
}

/// Draws a URI, dark on light whatever the terminal's colours.
fn picture(uri: &str) -> String {
    QrCode::new(uri.to_ascii_uppercase().as_bytes()).map_or_else(
        |_too_long| String::new(),
        |code| {
            code.render::<Dense1x2>()
                .dark_color(Dense1x2::Light)
                .light_color(Dense1x2::Dark)
                .build()
        },
    )
}

fn list(requests: &[Request]) -> String {
    if requests.is_empty() {
        return "No requests.".to_owned();
    }
    let now = now_ms();
    let lines = requests.iter().map(|request| {
        let state = format!("{:?}", request.state).to_lowercase();
        let issued = ago(request.issued_ms, now);
        let Request {
            id, amount, memo, ..
        } = request;
        format!(
            "{id:>20}  {:>14}  {state:<9}  {issued:<12}  {memo}\n",
            amount.to_string()
        )
    });

    lines.collect()
}

fn paid(payment: &Payment) -> String {
    let amount = payment
        .amount
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let peer = payment.peer.as_deref().unwrap_or("somebody");

    format!(
        "Received {amount} from {peer}. Payment {}.",
        short(&payment.id)
    )
}
