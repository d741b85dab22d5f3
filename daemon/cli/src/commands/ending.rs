//! `blepay retire` and `blepay recover`.

use api_types::OUTCOME_UNKNOWN;
use api_types::client::Client;
use api_types::{EndState, Recovery, RecoveryOrder, Retirement, Status, TaCondition, TaStatus};
use serde_json::json;

use super::status::held;
use super::{ASK_STATUS, ask, short};
use crate::args::End as Args;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

/// Ends a TA that works.
pub(crate) async fn retire(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    let ta = ta(client, terminal).await?;
    let holds = ta
        .balance
        .as_ref()
        .map_or_else(|| "what it holds".to_owned(), ToString::to_string);
    let question = format!(
        "Retire the trusted application? It never signs again; {holds} goes to the online \
         account. [yes/no]"
    );
    agreed(terminal, &args, &question)?;
    terminal.waiting("Carrying everything to the provider…");
    let retirement: Retirement = client.post("/v1/retirement", &json!({})).await?;
    terminal.acted(ASK_STATUS);
    match retirement.state {
        EndState::Booked => terminal.data(&retirement, &retired(&retirement)),
        EndState::Open => Err(Failure::new(
            Exit::OutcomeUnknown,
            OUTCOME_UNKNOWN,
            format!(
                "the trusted application has retired and the provider has not booked it yet: {}",
                retirement.reason.as_deref().unwrap_or("no answer yet"),
            ),
            "do not repeat it: the daemon finishes it by itself; see blepay status",
        )),
    }
}

/// Reports a TA dead that will never work again.
pub(crate) async fn recover(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    let ta = ta(client, terminal).await?;
    match ta.state {
        TaCondition::Unreachable | TaCondition::Dead => {}
        TaCondition::Ready | TaCondition::Uncertified => {
            return Err(Failure::refused(
                "ta-works",
                "the trusted application works",
                "blepay retire ends it and pays what it holds at once",
            ));
        }
        TaCondition::None | TaCondition::Retired => return Err(nothing_to_end()),
    }
    let Some(key) = ta.key else {
        return Err(nothing_to_end());
    };
    let reason = ta.reason.unwrap_or_else(|| "no reason is known".to_owned());
    let question = format!(
        "The trusted application cannot be used: {reason}.\n\
         Report it dead? It is never used again, and what it held is paid only when its \
         certificate and the time for claims are over. [yes/no]"
    );
    agreed(terminal, &args, &question)?;
    terminal.waiting("Telling the provider…");
    let recovery: Recovery = client
        .post("/v1/recovery", &RecoveryOrder { ta: key })
        .await?;
    terminal.acted(ASK_STATUS);
    match recovery.state {
        EndState::Booked => terminal.data(&recovery, &recovered(&recovery)),
        EndState::Open => Err(Failure::new(
            Exit::OutcomeUnknown,
            OUTCOME_UNKNOWN,
            format!(
                "the trusted application is not used any more and the provider has not booked its \
                 death yet: {}",
                recovery.reason.as_deref().unwrap_or("no answer yet"),
            ),
            "do not repeat it: the daemon finishes it by itself; see blepay status",
        )),
    }
}

async fn ta(client: &Client, terminal: &mut Terminal) -> Result<TaStatus, Failure> {
    let status: Status = ask(client, terminal, "/v1/status").await?;

    Ok(status.ta)
}

fn nothing_to_end() -> Failure {
    Failure::refused(
        "no-ta",
        "this wallet uses no trusted application",
        "see blepay status",
    )
}

fn agreed(terminal: &mut Terminal, args: &Args, question: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !terminal.can_ask() {
        return Err(Failure::refused(
            "no-input",
            "this cannot be undone, and nobody can be asked",
            "give --yes, or run it on a terminal",
        ));
    }
    let answer = terminal.ask(question)?;
    if answer.eq_ignore_ascii_case("yes") || answer.eq_ignore_ascii_case("y") {
        return Ok(());
    }

    Err(Failure::new(
        Exit::Declined,
        "declined",
        "nothing has changed",
        "",
    ))
}

fn retired(retirement: &Retirement) -> String {
    let paid = retirement
        .paid
        .as_ref()
        .map(|paid| format!("; {paid} is in the online account"))
        .unwrap_or_default();
    let waits = retirement
        .held
        .as_ref()
        .filter(|held| held.minor_units > 0)
        .map(|held| format!(", {held} waits at the provider"))
        .unwrap_or_default();

    format!(
        "Retired the trusted application {}{paid}{waits}.\n{NEXT}",
        short(&retirement.ta)
    )
}

fn recovered(recovery: &Recovery) -> String {
    let waits = recovery
        .waiting
        .as_ref()
        .map(|waiting| format!(" Waiting: {}.", held(waiting)))
        .unwrap_or_default();

    format!(
        "Reported the trusted application {} dead.{waits}\n{NEXT}",
        short(&recovery.ta)
    )
}

const NEXT: &str = "\
Without a new one this wallet is receive-only. For a new one: stop blepay-ta, move its
state directory away, and start it; the daemon registers it by itself (see blepay recover --help).";
