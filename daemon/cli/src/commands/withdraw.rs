//! `blepay withdraw`.

use std::time::{Duration, Instant};

use api_types::OUTCOME_UNKNOWN;
use api_types::client::Client;
use api_types::{Withdrawal, WithdrawalOrder, WithdrawalState};

use super::{ASK_STATUS, amount, currency};
use crate::args::Withdraw as Args;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

/// How often the daemon is asked while `--wait` waits.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    let currency = currency(client, terminal).await?;
    let order = WithdrawalOrder {
        amount: args
            .amount
            .as_deref()
            .map(|text| amount(text, currency))
            .transpose()?,
        all: args.all,
    };
    terminal.waiting("Asking the provider…");
    let mut withdrawal: Withdrawal = client.post("/v1/withdrawals", &order).await?;
    terminal.acted(ASK_STATUS);
    if args.wait && withdrawal.state == WithdrawalState::Open {
        terminal.waiting("It has left the device; waiting until the provider has booked it…");
        withdrawal = booked(client, withdrawal, args.timeout).await?;
    }
    match withdrawal.state {
        WithdrawalState::Booked => {
            let text = format!(
                "Withdrew {}; it is in the online account.",
                withdrawal.amount
            );
            terminal.data(&withdrawal, &text)
        }
        WithdrawalState::Open => Err(Failure::new(
            Exit::OutcomeUnknown,
            OUTCOME_UNKNOWN,
            format!(
                "{} has left the device and is not booked yet: {}",
                withdrawal.amount,
                withdrawal.reason.as_deref().unwrap_or("no answer yet"),
            ),
            "do not repeat it: the daemon finishes it by itself, and the provider never refuses it",
        )),
    }
}

async fn booked(
    client: &Client,
    withdrawal: Withdrawal,
    timeout_s: Option<u64>,
) -> Result<Withdrawal, Failure> {
    let begun = Instant::now();
    let is_over = || timeout_s.is_some_and(|limit| begun.elapsed().as_secs() >= limit);
    loop {
        let all: Vec<Withdrawal> = client.get("/v1/withdrawals").await?;
        let held = all.into_iter().find(|held| held.i == withdrawal.i);
        match held {
            Some(held) if held.state == WithdrawalState::Booked => return Ok(held),
            Some(_) | None if is_over() => return Ok(withdrawal),
            Some(_) | None => tokio::time::sleep(ASK_INTERVAL).await,
        }
    }
}
