//! `blepay`: the command line. Everything it knows it asks of the daemon's local API.
//!
//! Data goes to stdout, all else to stderr; with `--json` errors are data too.

#![allow(
    missing_docs,
    reason = "nothing in here is published; a name that says it all needs no sentence"
)]

pub mod args;
mod commands;
pub mod failure;
mod help;
pub mod protection_args;
pub mod terminal;
mod when;

use std::ffi::OsString;
use std::process::ExitCode;

use api_types::client::Client;
use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command, PolicyChange};
use failure::{Exit, Failure};
use terminal::Terminal;

/// Runs one command line and returns its exit code.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(json, &error),
    };
    let mut terminal = Terminal::new(cli.global.json, cli.global.no_input);
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(cli, &mut terminal)));

    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let failure = terminal.outcome(failure);
            terminal.failure(&failure);
            failure.exit.into()
        }
    }
}

async fn run(cli: Cli, terminal: &mut Terminal) -> Result<(), Failure> {
    let client = Client::new(&cli.global.socket);
    match cli.command {
        Command::Init(args) => commands::init::run(&client, terminal, args).await,
        Command::Status => commands::status::run(&client, terminal).await,
        Command::Deposit(args) => commands::deposit::run(&client, terminal, args).await,
        Command::Withdraw(args) => commands::withdraw::run(&client, terminal, args).await,
        Command::Retire(args) => commands::ending::retire(&client, terminal, args).await,
        Command::Recover(args) => commands::ending::recover(&client, terminal, args).await,
        Command::Request(args) => commands::request::run(&client, terminal, args).await,
        Command::Nearby(args) => commands::nearby::run(&client, terminal, args).await,
        Command::Pay(args) => commands::pay::run(&client, terminal, args).await,
        Command::History(args) => commands::history::list(&client, terminal, args).await,
        Command::Show(args) => commands::history::show(&client, terminal, args).await,
        Command::Receipt(args) => commands::history::receipt(&client, terminal, args).await,
        Command::Refund(args) => commands::refund::run(&client, terminal, args).await,
        Command::Pin(args) => commands::pin::run(&client, terminal, args).await,
        Command::Lists => commands::lists::run(&client, terminal).await,
        Command::Sync => commands::sync::run(&client, terminal).await,
        Command::Policy(args) => commands::policy::run(&client, terminal, args.change).await,
        Command::Trust(args) => {
            let change = Some(PolicyChange::Trust(args));
            commands::policy::run(&client, terminal, change).await
        }
        Command::Watch(args) => commands::watch::run(&client, terminal, args).await,
        Command::Doctor => commands::doctor::run(&client, terminal).await,
        Command::Radio(args) => commands::radio::run(&client, terminal, args).await,
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "blepay", &mut script);
            terminal.bytes(&script)
        }
        Command::Man(args) => commands::man::run(terminal, args),
    }
}

/// Says what clap has to say: help on stdout, a mistake on stderr, or as JSON where asked.
fn misunderstood(json: bool, error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || !json {
        let _closed_pipe = error.print();
        return if error.use_stderr() {
            Exit::Usage.into()
        } else {
            ExitCode::SUCCESS
        };
    }
    let failure = Failure::usage(sentence_of(&error.to_string()), "see blepay --help");
    Terminal::new(true, true).failure(&failure);

    failure.exit.into()
}

/// Returns what clap says before it shows the usage; what is missing stands in the lines below the first.
fn sentence_of(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let said: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();

    said.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_to_programs_with_what_is_missing() {
        let error = Cli::try_parse_from(["blepay", "deposit", "--json"]).expect_err("no amount");

        let said = sentence_of(&error.to_string());

        assert!(said.contains("<AMOUNT>"), "{said}");
        assert!(!said.contains("Usage"), "{said}");
    }
}
