//! `blepay-server bench`: what is measured, and how it is printed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output;
use crate::bench::{self, BenchOptions, Figures, Loads, Report};

pub(super) const EXAMPLES: &str = "Examples:
  blepay-server bench
  blepay-server bench --loads batches --claims 20000 --json
  blepay-server bench --store postgresql://bench@localhost/bench

A server of its own is started with a data directory of its own, which is removed afterwards. Rounds
alternate: signatures alone, then claims over HTTPS. The ratio says how much of the machine is left for
signatures; both ends of the load run on the same processors.";

/// What to measure.
#[derive(Debug, Args)]
pub struct Bench {
    /// Claims sent in batches, of all rounds together
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    claims: u32,
    /// Claims in a request
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    batch: u32,
    /// Rounds, each of them limit and load
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How long the load of one round may take, in seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Which loads
    #[arg(long, value_enum, default_value_t = Loads::Both)]
    loads: Loads,
    /// Where the books are: sqlite, or the address of an empty PostgreSQL database
    #[arg(long, default_value = "sqlite", value_name = "STORE")]
    store: String,
    /// A directory to make and keep, or one that an earlier run made
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub(super) async fn execute(args: Bench) -> anyhow::Result<()> {
    let options = BenchOptions {
        data: args.data,
        store: (args.store != "sqlite").then_some(args.store),
        claims: usize::try_from(args.claims)?,
        batch: usize::try_from(args.batch)?,
        round_time_max: Duration::from_secs(args.seconds),
        rounds: usize::try_from(args.rounds)?,
        loads: args.loads,
    };
    let report = bench::run(&options).await?;
    if args.json {
        return Ok(output::json(&report)?);
    }

    Ok(print(&report)?)
}

fn print(report: &Report) -> io::Result<()> {
    output::line(&format!(
        "{} on {} processors, synchronous=FULL, TLS on loopback",
        report.store, report.processors
    ))?;
    for (name, figures) in [("batches", &report.batches), ("singles", &report.singles)] {
        if let Some(figures) = figures {
            print_figures(name, figures)?;
        }
    }
    let mib = report.server_rss_high_water_kib / 1024;

    output::line(&format!("server memory: at most {mib} MiB"))
}

fn print_figures(name: &str, figures: &Figures) -> io::Result<()> {
    output::line(&format!(
        "{name}: {} claims, {} in a request, {} connections",
        figures.claims, figures.batch, figures.connections
    ))?;
    for (limit, load) in figures.limits.iter().zip(&figures.loads) {
        output::line(&format!(
            "  limit {limit:8.0}/s   load {load:8.0}/s   ratio {:.3}",
            load / limit
        ))?;
    }

    output::line(&format!(
        "  median: limit {:.0}/s, load {:.0}/s, ratio {:.3}; told to wait {} times",
        figures.limit, figures.load, figures.ratio, figures.told_to_wait
    ))
}
