//! `blepay-server bench`: what is measured, and how it is printed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::output;
use crate::bench::{self, BenchOptions, Comparison, Figures, Loads, Report};

/// What books in a file are called.
const SQLITE: &str = "sqlite";

pub(super) const EXAMPLES: &str = "Examples:
  blepay-server bench
  blepay-server bench --loads batches --claims 20000 --json
  blepay-server bench --store postgresql://bench@localhost/bench
  blepay-server bench seed --claims 10000000 --data /var/tmp/many
  blepay-server bench --against-seeded /var/tmp/many

A server of its own is started with a data directory of its own, which is removed afterwards. Rounds
alternate: signatures alone, then claims over HTTPS. The ratio says how much of the machine is left for
signatures; both ends of the load run on the same processors.";

/// What to measure.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    #[command(flatten)]
    measure: Measure,
}

/// What goes before measuring.
#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Make books with many claims, for --against-seeded; about 1.6 KB each
    #[command(after_help = "Example:
  blepay-server bench seed --claims 10000000 --data /var/tmp/many

What is written was never signed: the directory is good for measuring alone.")]
    Seed {
        /// How many claims
        #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        claims: u64,
        /// The directory to make
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Where the books are: sqlite, or the address of an empty PostgreSQL database
        #[arg(long, default_value = SQLITE, value_name = "STORE")]
        store: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Measure {
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
    #[arg(long, default_value = SQLITE, value_name = "STORE")]
    store: String,
    /// Measure batches on these books, which `bench seed` made, beside books with 100 thousand claims
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "store", "loads"])]
    against_seeded: Option<PathBuf>,
    /// A directory to make and keep, or one that an earlier run made
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub(super) async fn execute(bench: Bench) -> anyhow::Result<()> {
    let args = match bench.command {
        Some(BenchCommand::Seed {
            claims,
            data,
            store,
            json,
        }) => return seed(claims, &data, &store, json).await,
        None => bench.measure,
    };
    let options = BenchOptions {
        data: args.data,
        store: (args.store != SQLITE).then_some(args.store),
        claims: usize::try_from(args.claims)?,
        batch: usize::try_from(args.batch)?,
        round_time_max: Duration::from_secs(args.seconds),
        rounds: usize::try_from(args.rounds)?,
        loads: args.loads,
    };
    if let Some(many) = &args.against_seeded {
        let comparison = bench::compare(&options, many).await?;
        if args.json {
            return Ok(output::json(&comparison)?);
        }
        return Ok(print_comparison(&comparison)?);
    }
    let report = bench::run(&options).await?;
    if args.json {
        return Ok(output::json(&report)?);
    }

    Ok(print(&report)?)
}

async fn seed(claims: u64, data: &Path, store: &str, json: bool) -> anyhow::Result<()> {
    let store = (store != SQLITE).then_some(store);
    let seeded = bench::seed(data, store, claims).await?;
    if json {
        return Ok(output::json(&seeded)?);
    }

    Ok(output::line(&format!(
        "{} claims in {} s, {:.0}/s",
        seeded.claims, seeded.seconds, seeded.per_second
    ))?)
}

fn print_comparison(comparison: &Comparison) -> io::Result<()> {
    print_figures("few claims stored", &comparison.few)?;
    print_figures("many claims stored", &comparison.many)?;
    let mib = comparison.server_rss_high_water_kib / 1024;

    output::line(&format!(
        "with many, ratio {:.3} of the rate with {}; server memory: at most {mib} MiB",
        comparison.ratio, comparison.few_claims
    ))
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
        "  median: limit {:.0}/s, load {:.0}/s, ratio {:.3}; signatures take {:.3} of the processor time; told to wait {} times",
        figures.limit, figures.load, figures.ratio, figures.cpu_ratio, figures.told_to_wait
    ))
}
