//! The boards: two virtual machines that pay each other over one simulated air.
//!
//! Each board is a plain Debian with systemd, BlueZ and NetworkManager, its own disk, radio, network
//! and power. The packages are installed on them, as an owner would, and what happens between them
//! crosses everything that a payment between two real boards crosses, but the antenna.

mod air;
mod bench;
mod board;
mod cache;
mod failure;
mod flights;
mod folder;
mod lanes;
mod postgres;
mod process;
mod progress;
mod scenario;
mod server;
mod shell;
mod strangers;
mod times;
mod wallet;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use bench::{Bench, Parts};
use cache::Cache;
use failure::Outcome;
use lanes::Lane;
use progress::say;
use scenario::{Depth, Scenario};
use times::{Kind, Times};

#[derive(Parser)]
#[command(
    name = "boards",
    about = "Two virtual machines pay each other over real BlueZ, with virtual radios",
    after_help = "Examples:\n  \
        boards --list                     what there is to run\n  \
        boards payment cut                two scenarios on one pair of boards\n  \
        boards latency                    measure how long a payment takes\n  \
        boards --prepare                  only what later runs keep\n  \
        boards --shell                    start the boards and run commands in them\n\n\
        Console, journal, states and the air's trace of a failed scenario are kept; the path is printed."
)]
struct Options {
    /// Scenarios to run, in this order; without a name all that `cargo verify` plays.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
    /// The folder with the Debian packages to install on the boards.
    #[arg(long, value_name = "DIR", env = "BLEPAY_DEBS")]
    debs: Option<PathBuf>,
    /// The blepay-server program; it runs on this machine.
    #[arg(long, value_name = "PATH", env = "BLEPAY_SERVER")]
    server: Option<PathBuf>,
    /// The board-echo program; it runs on the boards.
    #[arg(long, value_name = "PATH", env = "BLEPAY_ECHO")]
    echo: Option<PathBuf>,
    /// Where images and tools are kept between runs [default: blepay in the user's cache folder].
    #[arg(long, value_name = "DIR", env = "BLEPAY_CACHE")]
    cache: Option<PathBuf>,
    /// Keep the boards' disks and logs even when all is well.
    #[arg(long)]
    keep: bool,
    /// Print the scenarios and stop.
    #[arg(long)]
    list: bool,
    /// Make what is kept between runs, where it is missing, and stop: tools, the image, a booted board. Several may do
    /// so at once.
    #[arg(long)]
    prepare: bool,
    /// Write how long each part took into a file, as JSON.
    #[arg(long, value_name = "FILE")]
    times: Option<PathBuf>,
    /// How long the packages took that are given, for --times.
    #[arg(long, value_name = "SECONDS", hide = true)]
    packing_seconds: Option<f64>,
    /// Start the boards, run the scenarios that are named, then carry out lines from standard input: `payer COMMAND`, `payee COMMAND`,
    /// or instead of a command one of `!freeze`, `!resume`, `!cut`, `!boot`.
    #[arg(long)]
    shell: bool,
    /// Print one line of JSON for each scenario.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        for scenario in Scenario::ALL {
            print(&format!("{:<10} {}", scenario.name(), scenario.about()));
        }
        return ExitCode::SUCCESS;
    }
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<bool> {
    let folder = options.cache.clone().unwrap_or_else(default_cache);
    let mut times = Times::default();
    let started = Instant::now();
    let cache = Cache::prepare(&folder)?;
    times.add("cache", Kind::Download, started.elapsed());
    if options.prepare {
        return write_times(options, &times).map(|()| true);
    }
    if let Some(seconds) = options.packing_seconds {
        let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        times.add("packages", Kind::Prepare, took);
    }
    let parts = Parts {
        debs: options.debs.clone(),
        server: options.server.clone(),
        echo: options.echo.clone(),
    };
    let (lanes, depth) = match options.scenarios.as_slice() {
        [] if options.shell => (vec![Lane::alone(Vec::new())], Depth::Measure),
        [] => (lanes::of_every_run(), Depth::Check),
        named => (vec![Lane::alone(named.to_vec())], Depth::Measure),
    };
    let played = lanes::play(lanes, |lane| play(options, &cache, &parts, lane, depth));
    let mut tally = Tally::default();
    for lane in played {
        let (of_lane, its_times) = lane?;
        tally.passed = tally.passed.saturating_add(of_lane.passed);
        tally.failed = tally.failed.saturating_add(of_lane.failed);
        times.extend(its_times);
    }
    say(&format!("times: {}", times.line()));
    write_times(options, &times)?;
    print(&format!("{} passed, {} failed", tally.passed, tally.failed));

    Ok(tally.failed == 0)
}

/// How many scenarios ended how.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    passed: u32,
    failed: u32,
}

/// Plays scenarios one after the other on a pair of boards.
fn play(
    options: &Options,
    cache: &Cache,
    parts: &Parts,
    lane: Lane,
    depth: Depth,
) -> Outcome<(Tally, Times)> {
    let started = Instant::now();
    let mut bench = Bench::start(cache.clone(), parts.clone())?;
    bench.times.add("boards", Kind::Prepare, started.elapsed());
    if options.keep {
        bench.keep();
    }
    let mut tally = Tally::default();
    let last = lane.scenarios.len().saturating_sub(1);
    for (at, scenario) in lane.scenarios.into_iter().enumerate() {
        bench.more_to_come = at < last || options.shell;
        if run_one(&mut bench, scenario, depth, options.json) {
            tally.passed = tally.passed.saturating_add(1);
        } else {
            tally.failed = tally.failed.saturating_add(1);
        }
    }
    if options.shell {
        shell::run(&mut bench)?;
    }
    bench.end()?;

    Ok((tally, std::mem::take(&mut bench.times)))
}

fn write_times(options: &Options, times: &Times) -> Outcome<()> {
    match &options.times {
        Some(file) => times.write(file),
        None => Ok(()),
    }
}

fn run_one(bench: &mut Bench, scenario: Scenario, depth: Depth, as_json: bool) -> bool {
    let name = scenario.name();
    say(&format!("{name}: {}", scenario.about()));
    let started = Instant::now();
    let before = bench.times.of(Kind::Prepare);
    let result = bench.ready().and_then(|()| scenario.run(bench, depth));
    // The first scenario with wallets makes them for all.
    let prepared = bench.times.of(Kind::Prepare).saturating_sub(before);
    let took = started.elapsed().saturating_sub(prepared);
    bench.times.add(name, Kind::Scenario, took);
    let seconds = took.as_secs_f64();
    let mut line = json!({ "scenario": name, "seconds": (seconds * 10.0).round() / 10.0 });
    let mut add = |key: &str, value: Value| {
        if let Some(object) = line.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
    };
    match &result {
        Ok(found) => {
            add("passed", json!(true));
            add("found", found.facts.clone());
            if !as_json {
                print(&format!("PASS {name} ({seconds:.1} s)"));
                found
                    .lines
                    .iter()
                    .for_each(|line| print(&format!("     {line}")));
            }
        }
        Err(failure) => {
            let evidence = bench.keep_evidence(name);
            add("passed", json!(false));
            add("reason", json!(failure.to_string()));
            add("evidence", json!(evidence));
            if !as_json {
                print(&format!("FAIL {name} ({seconds:.1} s): {failure}"));
                print(&format!("     kept: {}", evidence.display()));
            }
        }
    }
    if as_json {
        print(&line.to_string());
    }

    result.is_ok()
}

fn default_cache() -> PathBuf {
    let home =
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache");
    std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(home, PathBuf::from)
        .join("blepay")
}

fn print(line: &str) {
    // A closed standard output is no reason to stop; the exit code still tells.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}
