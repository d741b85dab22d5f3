//! `blepay deposit`.

use api_types::OUTCOME_UNKNOWN;
use api_types::client::Client;
use api_types::{Deposit, DepositOrder, DepositState};

use super::{ASK_STATUS, amount, currency};
use crate::args::Deposit as Args;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    let amount = amount(&args.amount, currency(client, terminal).await?)?;
    terminal.waiting("Asking the provider…");
    let deposit: Deposit = client
        .post("/v1/deposits", &DepositOrder { amount })
        .await?;
    terminal.acted(ASK_STATUS);
    let reason = deposit.reason.as_deref().unwrap_or("no answer yet");
    match deposit.state {
        DepositState::Granted => terminal.data(&deposit, &granted(&deposit)),
        DepositState::Refused => Err(Failure::refused(
            "deposit-refused",
            format!("the provider refused the deposit: {reason}"),
            "nothing has moved; see what the account holds: blepay status",
        )),
        DepositState::Open => Err(Failure::new(
            Exit::OutcomeUnknown,
            OUTCOME_UNKNOWN,
            format!("the deposit of {} is open: {reason}", deposit.amount),
            "do not repeat it: the daemon finishes it by itself; see blepay status",
        )),
    }
}

fn granted(deposit: &Deposit) -> String {
    let balance = deposit
        .balance
        .as_ref()
        .map(|balance| format!("; the device holds {balance}"))
        .unwrap_or_default();

    format!("Deposited {}{balance}.", deposit.amount)
}
