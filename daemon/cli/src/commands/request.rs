//! `blepay request`.

use std::time::Duration;

use api_types::client::{Client, Events};
use api_types::{Event, Payment, Request, RequestOrder, RequestState};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tokio::time::Instant;

use super::{amount, currency, short, warn};
use crate::args::Request as Args;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::when::{ago, now_ms};

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    if let Some(id) = &args.cancel {
        let request: Request = client.delete(&format!("/v1/requests/{id}")).await?;
        let text = format!("Request {} of {} is cancelled.", request.id, request.amount);
        return terminal.data(&request, &text);
    }
    let Some(text) = &args.amount else {
        let requests: Vec<Request> = client.get("/v1/requests").await?;
        return terminal.data(&requests, &list(&requests));
    };
    let order = RequestOrder {
        amount: amount(text, currency(client).await?)?,
        memo: args.memo.clone(),
        validity_s: args.validity,
        replaces: args.replaces.clone(),
        by_uri: args.uri,
    };
    // Listening begins before the request is open, so that no event of it is missed.
    let events = match args.wait {
        true => Some(client.events("/v1/events").await?),
        false => None,
    };
    let request: Request = client.post("/v1/requests", &order).await?;

    show(client, terminal, request, events, args.timeout).await
}

/// Shows a request that is open; with events, waits until it is paid.
pub(super) async fn show(
    client: &Client,
    terminal: &mut Terminal,
    request: Request,
    events: Option<Events>,
    timeout: Option<u64>,
) -> Result<(), Failure> {
    warn(client, terminal).await;
    let Some(events) = events else {
        return terminal.data(&request, &opened(&request, terminal));
    };
    terminal.note(&opened(&request, terminal));
    let deadline =
        timeout.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));

    wait(client, terminal, events, request, deadline).await
}

async fn wait(
    client: &Client,
    terminal: &mut Terminal,
    mut events: Events,
    mut request: Request,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    let mut earlier = Vec::new();
    terminal.waiting("Waiting for the payment…");
    loop {
        let next = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, events.next())
                .await
                .map_err(|_elapsed| {
                    Failure::nobody(
                        "nobody has paid yet; the request stays open",
                        format!("blepay request --cancel {}", request.id),
                    )
                })?,
            None => events.next().await,
        };
        let now = match next? {
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
                return Err(Failure::nobody(
                    "the daemon has stopped; the request stays open",
                    "when it runs again: blepay request --list",
                ));
            }
        };
        if let Some(by) = replacement(client, &now).await? {
            terminal.note("Strangers keep this request busy; the payer scans this code instead.");
            terminal.note(&opened(&by, terminal));
            terminal.waiting("Waiting for the payment…");
            earlier.push(std::mem::replace(&mut request, by).id);
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
