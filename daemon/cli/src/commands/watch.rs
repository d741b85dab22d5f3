//! `blepay watch`.

use std::time::Duration;

use api_types::client::Client;
use api_types::{Direction, Event, Payment, Request, RequestState};

use super::short;
use crate::args::Watch as Args;
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    let mut events = client.events("/v1/events").await?;
    terminal.note("Watching; end with Ctrl-C.");
    let print = async {
        while let Some(event) = events.next().await? {
            terminal.data(&event, &text(&event))?;
        }

        Err(Failure::refused(
            "daemon-ended",
            "the daemon has stopped",
            "see its log: journalctl -u blepayd",
        ))
    };
    match args.timeout {
        Some(seconds) => tokio::time::timeout(Duration::from_secs(seconds), print)
            .await
            .unwrap_or(Ok(())),
        None => print.await,
    }
}

fn text(event: &Event) -> String {
    match event {
        Event::Payment { payment } => payment_text(payment),
        Event::Request { request } => request_text(request),
        Event::Sync { sync } => {
            let failed = sync.parts.iter().find_map(|part| part.error.as_ref());
            failed.map_or_else(
                || "sync      succeeded".to_owned(),
                |error| format!("sync      {}", error.message),
            )
        }
        Event::Radio { radio } if radio.present => "radio     present".to_owned(),
        Event::Radio { radio } => {
            let reason = radio.reason.as_deref().unwrap_or("unknown");
            format!("radio     none: {reason}")
        }
        Event::Lost => "…         some events were lost".to_owned(),
    }
}

fn payment_text(payment: &Payment) -> String {
    let direction = match payment.direction {
        Direction::Out => "to",
        Direction::In => "from",
    };
    let amount = payment
        .amount
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let peer = payment.peer.as_deref().unwrap_or("unknown");
    let state = format!("{:?}", payment.state).to_lowercase();
    let settlement = payment.settlement.as_deref().unwrap_or_default();

    format!(
        "payment   {}  {amount} {direction} {peer}  {state} {settlement}",
        short(&payment.id)
    )
}

fn request_text(request: &Request) -> String {
    let state = format!("{:?}", request.state).to_lowercase();
    let code = request
        .code
        .as_ref()
        .map(|code| format!("  code {code}"))
        .unwrap_or_default();

    let replaced = request
        .replaced_by
        .as_ref()
        .map(|by| format!("  replaced by {by}"))
        .unwrap_or_default();
    // what the payer scans, while it may be scanned
    let uri = request
        .uri
        .as_ref()
        .filter(|_| request.state == RequestState::Open)
        .map(|uri| format!("  {uri}"))
        .unwrap_or_default();

    format!(
        "request   {}  {}  {state}{code}{replaced}{uri}",
        request.id, request.amount
    )
}
