//! A bare echo over bluer and btleplug, as large as a payment and without its contents.
//!
//! `board-echo serve` is the peripheral, `board-echo run` the central. Both are told the same
//! flights; they send them in turn and time them. No handshake, no signature, no disk: what remains
//! is what BlueZ, the kernel and the radio take.

mod conform;
mod cost;
mod flights;
mod run;
mod serve;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use flights::Flight;
use uuid::Uuid;

/// The service that only this echo uses.
const SERVICE: Uuid = Uuid::from_u128(0xecb0_b1e9_5e1d_4f0a_9c1b_0a5d_0f5e_7b01);
/// Written without response by the central.
const TO_PERIPHERAL: Uuid = Uuid::from_u128(0xecb0_b1e9_5e1d_4f0a_9c1b_0a5d_0f5e_7b02);
/// Notified by the peripheral.
const TO_CENTRAL: Uuid = Uuid::from_u128(0xecb0_b1e9_5e1d_4f0a_9c1b_0a5d_0f5e_7b03);

#[derive(Parser)]
#[command(
    name = "board-echo",
    about = "A bare echo over BlueZ: the same writes, notifications and turns as a payment",
    after_help = "Example, on two boards:\n  \
        board-echo serve --rounds 5 --flights c:100 s:512+288 c:510+50 s:120 c:440 s:200\n  \
        board-echo run   --rounds 5 --flights c:100 s:512+288 c:510+50 s:120 c:440 s:200"
)]
struct Options {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Advertise, and answer each of the central's flights (as the payee does).
    Serve(Plan),
    /// Find, connect, and start each round (as the payer does); prints one line of JSON.
    Run(Plan),
    /// Try what every radio promises with the daemon's own radio, which must not run beside; prints what was kept.
    Radio {
        /// Which of the two devices this is.
        side: Side,
    },
    /// Measure one signature, one verification and one fsync in a folder; prints one line of JSON.
    Cost {
        /// Where to write.
        folder: PathBuf,
    },
}

/// The sides of a link.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Side {
    /// It advertises and answers.
    Serve,
    /// It scans and connects.
    Visit,
}

#[derive(Args, Clone, Debug)]
struct Plan {
    /// How many times the flights are flown.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// The flights in order: c: central to peripheral, s: back; sizes of its frames joined by +.
    #[arg(long, num_args = 1.., required = true)]
    flights: Vec<Flight>,
    /// The peripheral's address: BlueZ adds no service to a device whose services it has read before,
    /// so one that also serves something else is known by its address alone.
    #[arg(long)]
    address: Option<String>,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 60)]
    limit_s: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("start the runtime: {error}")),
    };
    let result = runtime.block_on(async {
        match options.role {
            Role::Serve(plan) => limited(&plan, serve::serve(&plan)).await,
            Role::Run(plan) => limited(&plan, run::run(&plan)).await,
            Role::Radio { side } => conform::conform(side).await,
            Role::Cost { folder } => cost::cost(&folder),
        }
    });
    match result {
        Ok(line) => {
            // A closed standard output is no reason to fail.
            drop(writeln!(std::io::stdout().lock(), "{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

async fn limited(
    plan: &Plan,
    work: impl Future<Output = Result<String, String>>,
) -> Result<String, String> {
    let limit = Duration::from_secs(plan.limit_s);
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_elapsed| Err(format!("not done within {} s", plan.limit_s)))
}

fn fail(error: &str) -> ExitCode {
    drop(writeln!(std::io::stderr().lock(), "board-echo: {error}"));
    ExitCode::FAILURE
}
