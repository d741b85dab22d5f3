//! `cargo verify`: everything that a change has to pass, cheapest first, in one order for all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::early::Early;
use crate::install::{self, CARGO_DEB, CARGO_DENY};
use crate::machine::Speed;
use crate::step::{Outcome, Step, Tally};
use crate::times::{Kind, Times};

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo verify                    every step; the last line is `N passed, N failed`
  cargo verify fmt clippy test    these steps alone

Logs are kept in target/verify, and in times.json beside them what the time went into. CONTRIBUTING.md says what each
step costs.";

/// The steps by name, in the order in which they run.
pub(crate) const STEP_NAMES: [&str; 11] = [
    "fmt",
    "clippy",
    "doc",
    "policy",
    "units",
    "build",
    "test",
    "demo",
    "schemathesis",
    "sim",
    "boards",
];

/// The steps that run what `build` has built.
const USE_PROGRAMS: [&str; 4] = ["test", "demo", "schemathesis", "boards"];

/// All steps together. They share this one bound, so that none fails for being slow while there is time, and the
/// last line always comes before the 90 minutes of CI are over.
const ALL_STEPS_MAX: Duration = Duration::from_secs(80 * 60);

/// Highest exposure that `systemd-analyze security` may find, in tenths.
const UNITS: [(&str, u8); 3] = [("blepayd", 20), ("blepay-server", 15), ("blepay-ta", 5)];

/// Runs the steps in `names`, or all of them, and prints the tally as the last line.
///
/// # Errors
///
/// When a log cannot be written; a tool that cannot be installed and a failed step are an exit code.
pub(crate) fn run(names: &[String]) -> anyhow::Result<ExitCode> {
    let logs = crate::target()?.join("verify");
    fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let speed = Speed::measure();
    crate::say(&format!("this machine: {speed}"));

    let mut run = Run {
        logs: &logs,
        speed,
        started: Instant::now(),
        times: Times::default(),
        boards: None,
    };
    let named = |name: &str| names.is_empty() || names.iter().any(|other| other == name);
    let wanted =
        |name: &&str| named(name) || (*name == "build" && USE_PROGRAMS.into_iter().any(named));
    let names: Vec<&'static str> = STEP_NAMES.into_iter().filter(wanted).collect();
    let failed = |name: &str, error: &anyhow::Error| {
        crate::say(&format!("{name}: FAILED, {error:#}"));
        Tally::one(false)
    };
    // all at first, so that whoever is asked for a password is asked now
    let installed: Vec<_> = names.iter().map(|name| run.install(name)).collect();
    let mut tally = Tally::default();
    for (name, installed) in names.into_iter().zip(installed) {
        let counted = installed.and_then(|()| run.step(name));
        tally = tally.and(counted.unwrap_or_else(|error| failed(name, &error)));
        if name == "build" && wanted(&"boards") {
            run.boards = Early::start(&logs)?;
        }
    }
    run.report()?;
    writeln!(io::stdout().lock(), "{tally}")?;

    Ok(ExitCode::from(u8::from(tally.failed != 0)))
}

/// One run of all steps that were wanted.
struct Run<'a> {
    logs: &'a Path,
    speed: Speed,
    started: Instant,
    times: Times,
    /// What the boards need, made while the tests run.
    boards: Option<Early>,
}

impl Run<'_> {
    /// Installs what the step called `name` needs.
    fn install(&mut self, name: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        install(name)?;
        let took = started.elapsed();
        if took >= WORTH_A_LINE {
            let what = format!("what {name} needs");
            self.times.add(Kind::Download, &what, took);
        }

        Ok(())
    }

    /// Runs the step called `name`.
    fn step(&mut self, name: &'static str) -> anyhow::Result<Tally> {
        if name == "boards"
            && let Some(early) = self.boards.take()
        {
            let started = Instant::now();
            early.wait()?;
            let what = "what boards keeps, after the tests";
            self.times.add(Kind::Download, what, started.elapsed());
        }
        let step = step(name, self.logs)?;
        // a run that dies early must not report the parts of the previous one
        let _absent = fs::remove_file(parts(self.logs, name));
        let left = ALL_STEPS_MAX.saturating_sub(self.started.elapsed());
        let outcome = step.run(self.logs, left)?;
        if outcome.ran_out_of_time {
            self.explain_time(name, outcome);
        }
        self.times.add(Kind::Step, name, outcome.took);
        self.times.add_parts(name, &parts(self.logs, name));

        Ok(outcome.tally)
    }

    /// Says of a step that was stopped which step took the time, and whether the machine is slow.
    fn explain_time(&self, name: &str, outcome: Outcome) {
        let minutes = ALL_STEPS_MAX.as_secs() / 60;
        let seconds = outcome.took.as_secs();
        crate::say(&format!(
            "{name}: stopped after {seconds} s, since all steps together may take {minutes} minutes"
        ));
        if let Some((slowest, seconds)) = self.times.slowest_step() {
            crate::say(&format!(
                "  of the steps before it, {slowest} took longest: {seconds:.0} s"
            ));
        }
        crate::say(&format!("  this machine at the start: {}", self.speed));
        crate::say(&format!("  this machine now: {}", Speed::measure()));
    }

    /// Shows what the time went into and keeps it for programs.
    fn report(&self) -> anyhow::Result<()> {
        self.times.lines().iter().for_each(|line| crate::say(line));
        let (total, downloads) = (self.started.elapsed(), self.times.downloads());
        crate::say(&format!(
            "all steps: {} s, and apart from them {} s for what is fetched or made once; logs in {}",
            total.saturating_sub(downloads).as_secs(),
            downloads.as_secs(),
            self.logs.display()
        ));

        self.times
            .write(&self.logs.join("times.json"), self.speed, total)
    }
}

/// Installing that found everything there already is not shown.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

/// Returns where a step leaves the times of its parts.
fn parts(logs: &Path, name: &str) -> PathBuf {
    logs.join(format!("{name}.times.json"))
}

/// Fetches and installs what the step called `name` needs, so that its time is that of its work.
fn install(name: &str) -> anyhow::Result<()> {
    match name {
        "clippy" | "build" | "sim" => {
            crate::run(crate::command("cargo")?.args(["fetch", "--quiet", "--locked"]))
        }
        "policy" => install::tool(CARGO_DENY).map(drop),
        "units" => install::debian_packages(&[("systemd-analyze", "systemd")]),
        // a TPM in software, for the tests of ta-sim; a database, for the server's
        "test" => install::debian_packages(&[("swtpm", "swtpm"), ("pg_ctlcluster", "postgresql")]),
        "schemathesis" => install::schemathesis().map(drop),
        "boards" => install::tool(CARGO_DEB).map(drop),
        _ => Ok(()),
    }
}

/// Returns the step called `name`, one of [`STEP_NAMES`].
fn step(name: &'static str, logs: &Path) -> anyhow::Result<Step> {
    let (script, count): (String, fn(&str, bool) -> Tally) = match name {
        "fmt" => ("cargo fmt --all --check".into(), one),
        "clippy" => (
            "cargo clippy --workspace --all-targets -- -D warnings".into(),
            one,
        ),
        "doc" => (
            "RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items"
                .into(),
            one,
        ),
        "policy" => (
            format!(
                "{} check bans licenses sources",
                install::tool(CARGO_DENY)?.display()
            ),
            one,
        ),
        "units" => (units(), one),
        "build" => ("cargo test --workspace --no-run".into(), one),
        "test" => ("cargo test --workspace --no-fail-fast".into(), libtest),
        "demo" => (
            "cargo demo --built -- --json && cargo demo --built -- --full --json".into(),
            demos,
        ),
        "schemathesis" => (
            "cargo run --quiet --package xtask -- schemathesis --built".into(),
            last_tally,
        ),
        "sim" => {
            let times = parts(logs, name);
            (
                format!("cargo sim --verify --times '{}'", times.display()),
                last_tally,
            )
        }
        _ => {
            let times = parts(logs, name);
            (
                format!("cargo boards --built -- --times '{}'", times.display()),
                last_tally,
            )
        }
    };

    Ok(Step {
        name,
        script,
        count,
    })
}

/// Returns the commands that measure how little a unit may do.
fn units() -> String {
    let checks = UNITS.map(|(unit, exposure_max)| {
        format!("systemd-analyze security --offline=true --no-pager --threshold={exposure_max} systemd/{unit}.service")
    });

    checks.join(" && ")
}

/// Counts a step as one.
fn one(_: &str, success: bool) -> Tally {
    Tally::one(success)
}

/// Sums what every test program says of itself: `test result: ok. 3 passed; 0 failed; …`.
fn libtest(output: &str, _: bool) -> Tally {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("test result: "))
        .map(|line| Tally {
            passed: number_before(line, " passed"),
            failed: number_before(line, " failed"),
        })
        .fold(Tally::default(), Tally::and)
}

/// Takes the last `N passed, N failed` of the output.
fn last_tally(output: &str, _: bool) -> Tally {
    output
        .lines()
        .rfind(|line| line.contains(" passed, ") && line.contains(" failed"))
        .map(|line| Tally {
            passed: number_before(line, " passed"),
            failed: number_before(line, " failed"),
        })
        .unwrap_or_default()
}

/// Counts the plays of the demo: each ends with one line of JSON.
fn demos(output: &str, success: bool) -> Tally {
    let played: Vec<Value> = output
        .lines()
        .filter(|line| line.starts_with('{'))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let passed = played.iter().filter(|outcome| adds_up(outcome)).count();
    let passed = if success { passed } else { 0 };

    Tally {
        passed,
        failed: PLAYS.saturating_sub(passed),
    }
}

/// The short play and the full one.
const PLAYS: usize = 2;

/// Checks that every unit of money is somewhere, and that everybody got theirs.
fn adds_up(outcome: &Value) -> bool {
    let amount = |field: &str| outcome.get(field).and_then(Value::as_u64);
    let places = ["online", "ta", "in_flight", "held"].map(amount);
    let found = places.into_iter().sum();
    let payments = outcome.get("payments").and_then(Value::as_array);
    let is = |value: &Value, field: &str| value.get(field) == Some(&Value::Bool(true));
    let settled = |payment| is(payment, "receipt_verified") && is(payment, "settled");

    is(outcome, "conserved")
        && amount("issued").is_some_and(|issued| issued > 0 && Some(issued) == found)
        && payments.is_some_and(|all| all.iter().all(settled))
        && payments.is_some_and(|all| all.iter().any(|payment| is(payment, "resumed")))
}

/// Returns the number that stands before the first `word` in `line`, or 0.
fn number_before(line: &str, word: &str) -> usize {
    let number = line
        .split_once(word)
        .and_then(|(before, _)| before.rsplit(' ').next());

    number.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_program_is_counted() {
        let output = "\
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s
test a ... ok
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
";

        let expected = Tally {
            passed: 15,
            failed: 2,
        };
        assert_eq!(libtest(output, true), expected);
    }

    #[test]
    fn scenarios_are_counted_from_their_last_line() {
        let output = "payment: ok\ncut: failed\n1 passed, 1 failed\n";

        let expected = Tally {
            passed: 1,
            failed: 1,
        };
        assert_eq!(last_tally(output, true), expected);
    }

    #[test]
    fn a_demo_that_lost_money_or_never_resumed_fails() {
        let says = |conserved: bool, resumed: bool| {
            format!(
                "transcript\n{{\"issued\":9,\"online\":3,\"ta\":5,\"in_flight\":0,\"held\":1,\"conserved\":{conserved},\
                 \"payments\":[{{\"resumed\":{resumed},\"receipt_verified\":true,\"settled\":true}}]}}\n"
            )
        };
        let good = says(true, true);
        let minted = good.replace("\"ta\":5", "\"ta\":6");
        let plays = |passed| Tally {
            passed,
            failed: 2 - passed,
        };

        assert_eq!(demos(&format!("{good}{good}"), true), plays(2));
        assert_eq!(demos(&good, true), plays(1));
        for bad in [minted, says(false, true), says(true, false)] {
            assert_eq!(demos(&format!("{good}{bad}"), true), plays(1));
        }
        assert_eq!(demos(&format!("{good}{good}"), false), plays(0));
        assert_eq!(demos("no json", true), plays(0));
        assert_eq!(demos("", true), plays(0));
    }
}
