//! The demo that `cargo demo` plays: a provider, a payer and two payees as processes of their own, on the
//! simulated radio, and a payment whose link is cut at the worst moment. It is in no package.

mod books;
mod device;
mod full;
mod payment;
mod processes;
mod provider;
mod script;
mod stage;
mod transcript;

use std::process::ExitCode;

use blepay::failure::{Exit, Failure};
use blepay::terminal::Terminal;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use books::Outcome;
use processes::Folder;
use stage::Stage;

const EXAMPLES: &str = "\
Examples:
  cargo demo
  cargo demo -- --full
  cargo demo -- --json | tail -1         its outcome as one line of JSON

Starts a server, a payer and two payees as processes of their own in a temporary folder, on a
simulated radio. Exit code 0 only if the server's and the TAs' own answers add up.";

/// Plays a payment between processes of this machine, with a link that is cut at the worst moment
#[derive(Debug, Parser)]
#[command(bin_name = "cargo demo --", disable_version_flag = true, after_help = EXAMPLES)]
struct Arguments {
    /// Play everything: two providers under one root, PIN, refund, mailbox, a forger, and the ends of TAs
    #[arg(long)]
    full: bool,
    /// Also show each process's part in full: certificates, statements, every sync
    #[arg(long)]
    verbose: bool,
    /// Keep the folder with state and logs, and print where
    #[arg(long)]
    keep: bool,
    /// Write the outcome to stdout as one line of JSON, and everything else to stderr
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut terminal = Terminal::of("cargo demo", arguments.json, true);
    let played = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(&mut terminal, &arguments)));

    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.failure(&failure);
            failure.exit.into()
        }
    }
}

/// Plays the demo; every process that it starts ends with it.
async fn run(terminal: &mut Terminal, args: &Arguments) -> Result<(), Failure> {
    let mut folder = Folder::make()?;
    let mut stage = Stage::new(terminal, folder.path(), args.verbose);
    let played = tokio::select! {
        played = play(&mut stage, args.full) => played,
        () = interrupted() => Err(Failure::new(
            Exit::Refused,
            INTERRUPTED,
            "the demo was interrupted",
            "",
        )),
    };
    let step = stage.step().to_owned();
    let ended = match played {
        Ok(outcome) => ended(terminal, &outcome),
        Err(failure) => Err(at_step(failure, &step)),
    };
    let has_failed = matches!(&ended, Err(failure) if failure.body.code != INTERRUPTED);
    if has_failed || args.keep {
        folder.keep();
        terminal.note(&format!(
            "State and logs of every process: {}",
            folder.path().display()
        ));
    }

    ended
}

async fn play(stage: &mut Stage<'_>, is_full: bool) -> Result<Outcome, Failure> {
    if is_full {
        return full::play(stage).await;
    }

    script::play(stage).await
}

fn ended(terminal: &mut Terminal, outcome: &Outcome) -> Result<(), Failure> {
    let sentence = if outcome.conserved {
        "Every cent is accounted for."
    } else {
        "MONEY IS NOT CONSERVED."
    };
    terminal.data(outcome, sentence)?;
    if !outcome.conserved {
        return Err(Failure::refused(
            "not-conserved",
            "the server's and the TAs' own answers do not add up",
            "the books above say where; the logs are kept",
        ));
    }

    Ok(())
}

fn at_step(failure: Failure, step: &str) -> Failure {
    let message = format!("the demo failed at {step:?}: {}", failure.body.message);

    Failure::new(
        Exit::Refused,
        &failure.body.code,
        message,
        failure.body.hint,
    )
}

/// The code of a demo that somebody ended: there is nothing to look into.
const INTERRUPTED: &str = "interrupted";

/// Returns when somebody wants the demo to end.
async fn interrupted() {
    let mut signals = Vec::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        signals.extend(signal(kind));
    }
    let any = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
    let _first = futures::future::select_all(any).await;
}
