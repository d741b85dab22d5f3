//! The command line.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;

use crate::figures;
use crate::marks::Switches;
use crate::panics;
use crate::report::say;
use crate::seeds::{self, Seeds};
use crate::stories;
use crate::until;

/// How many seeds are played when nothing is said.
const SEEDS_DEFAULT: u64 = 40;

/// Plays devices, a server, radio, network and clocks in one process, from seeds
#[derive(Debug, Parser)]
#[command(bin_name = "cargo sim", disable_version_flag = true)]
struct Arguments {
    /// How many seeds to play; 40 if neither this nor anything else is said
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed; alone: the only one, and everything that happens is told
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many at a time; as many as there are processors if nothing is said
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Begin no seed after so many minutes
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
    /// Play the story of a file, under 20 schedules, or under that of --seed
    #[arg(long, value_name = "FILE")]
    story: Option<PathBuf>,
    /// Play every story that is kept, under 20 schedules each
    #[arg(long)]
    stories: bool,
    /// Under how many schedules each of --stories is played; a known fault that none has shown gets up to 20
    #[arg(long, value_name = "N", default_value_t = stories::SCHEDULES)]
    schedules: u64,
    /// Do not look for the shortest story of what is found
    #[arg(long)]
    no_shrink: bool,
    /// Measure what a simulated day costs, with devices off and idle
    #[arg(long)]
    figures: bool,
    /// Without the switches that keep known faults out of the way
    #[arg(long)]
    all: bool,
    /// Play seeds until this check (`C5`, or `C5 SHAPE`) finds what is not known; succeed if it does
    #[arg(long, value_name = "CHECK")]
    finds: Option<String>,
    /// Write the traces of both runs of --seed to FOLDER/1 and FOLDER/2
    #[arg(long, value_name = "FOLDER")]
    traces: Option<PathBuf>,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    panics::install();
    let arguments = Arguments::parse();
    let done = run(&arguments);

    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all is as it should be.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let jobs = arguments.jobs.or_else(|| available_parallelism().ok());
    let jobs = jobs.map_or(1, NonZero::get);
    if let Some(file) = &arguments.story {
        return stories::play_file(file, arguments.seed);
    }
    if arguments.stories {
        return stories::play_all(jobs, arguments.schedules, arguments.json);
    }
    if arguments.figures {
        return figures::measure();
    }
    let switches = if arguments.all {
        Switches::Off
    } else {
        Switches::On
    };
    let minutes = arguments.minutes.map(|minutes| minutes.saturating_mul(60));
    let seeds = |many| Seeds {
        first: arguments.seed.unwrap_or(1),
        many,
        jobs,
        time: minutes.map(Duration::from_secs),
        switches,
        json: arguments.json,
        shrinks: !arguments.no_shrink,
    };
    if let Some(check) = &arguments.finds {
        return until::find(check, &seeds(arguments.seeds.unwrap_or(SEEDS_DEFAULT)));
    }
    if let (Some(seed), None, None) = (arguments.seed, arguments.seeds, arguments.minutes) {
        return seeds::tell(seed, switches, arguments.traces.as_deref());
    }
    let many = match (arguments.seeds, arguments.minutes) {
        (Some(seeds), _) => seeds,
        (None, Some(_)) => u64::MAX,
        (None, None) => SEEDS_DEFAULT,
    };

    seeds::run(&seeds(many))
}
