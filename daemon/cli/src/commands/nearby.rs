//! `blepay nearby`.

use std::time::Duration;

use api_types::Nearby;
use api_types::client::Client;

use crate::args::Nearby as Args;
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    if args.timeout > LISTEN_S_MAX {
        return Err(Failure::usage(
            format!("one can listen for 1 to {LISTEN_S_MAX} seconds at a time"),
            format!("--timeout {LISTEN_S_MAX}s"),
        ));
    }
    terminal.waiting("Listening…");
    let heard = listen(client, args.timeout).await?;

    terminal.data(&heard, &text(&heard))
}

/// Listens for that many seconds.
pub(super) async fn listen(client: &Client, seconds: u64) -> Result<Vec<Nearby>, Failure> {
    let patient = client
        .clone()
        .with_timeout(Duration::from_secs(seconds.saturating_add(ANSWER_MARGIN_S)));

    Ok(patient
        .get(&format!("/v1/nearby?seconds={seconds}"))
        .await?)
}

/// Writes who was heard, with a number to choose by.
pub(super) fn text(heard: &[Nearby]) -> String {
    if heard.is_empty() {
        return "Nobody near here is asking for a payment.".to_owned();
    }
    let lines = heard.iter().enumerate().map(|(index, nearby)| {
        let number = index.saturating_add(1);
        let refund = if nearby.refund_of.is_some() {
            "  (refund)"
        } else {
            ""
        };
        format!(
            "{number:>3}  {:>14}  {} · {}{refund}\n",
            nearby.amount.to_string(),
            nearby.payee,
            nearby.provider
        )
    });

    lines.collect()
}

const ANSWER_MARGIN_S: u64 = 30;
/// The longest time that the daemon listens for one question.
const LISTEN_S_MAX: u64 = 60;
