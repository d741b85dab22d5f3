//! `cargo verify`: everything that a change has to pass, cheapest first, in one order for all.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::install::{self, CARGO_DEB, CARGO_DENY};
use crate::step::{Step, Tally};

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo verify               every step; the last line is `N passed, N failed`
  cargo verify fmt clippy    these steps alone

Logs are kept in target/verify. With nothing built yet it takes up to 60 minutes on two cores.";

/// The steps by name, in the order in which they run.
pub(crate) const STEP_NAMES: [&str; 9] = [
    "fmt",
    "clippy",
    "doc",
    "policy",
    "units",
    "test",
    "demo",
    "schemathesis",
    "boards",
];

/// All steps together; what is left of it bounds each, so that the last line always comes, even where CI
/// (90 minutes) is slower than the machine on which the whole took under 60.
const ALL_STEPS_MAX: Duration = Duration::from_secs(80 * 60);

/// Highest exposure that `systemd-analyze security` may find, in tenths.
const UNITS: [(&str, u8); 3] = [("blepayd", 20), ("blepay-server", 15), ("blepay-ta", 5)];

/// Runs the steps in `names`, or all of them, and prints the tally as the last line.
///
/// # Errors
///
/// When a tool cannot be installed or a log cannot be written; a failed step is an exit code.
pub(crate) fn run(names: &[String]) -> anyhow::Result<ExitCode> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|other| other == name);
    let logs = crate::target()?.join("verify");
    fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;

    let started = Instant::now();
    let mut tally = Tally::default();
    for name in STEP_NAMES.into_iter().filter(|name| wanted(name)) {
        let left = || ALL_STEPS_MAX.saturating_sub(started.elapsed());
        let outcome = step(name).and_then(|step| step.run(&logs, left()));
        let counted = outcome.unwrap_or_else(|error| {
            crate::say(&format!("{name}: FAILED, {error:#}"));
            Tally::one(false)
        });
        tally = tally.and(counted);
    }

    let seconds = started.elapsed().as_secs();
    crate::say(&format!(
        "all steps: {seconds} s, logs in {}",
        logs.display()
    ));
    writeln!(io::stdout().lock(), "{tally}")?;

    Ok(ExitCode::from(u8::from(tally.failed != 0)))
}

/// Returns the step called `name`, its tools installed.
fn step(name: &str) -> anyhow::Result<Step> {
    Ok(match name {
        "fmt" => Step {
            name: "fmt",
            seconds_max: 60,
            script: "cargo fmt --all --check".into(),
            count: one,
        },
        "clippy" => Step {
            name: "clippy",
            seconds_max: 1500,
            script: "cargo clippy --workspace --all-targets -- -D warnings".into(),
            count: one,
        },
        "doc" => Step {
            name: "doc",
            seconds_max: 600,
            script:
                "RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items"
                    .into(),
            count: one,
        },
        "policy" => Step {
            name: "policy",
            seconds_max: 120,
            script: format!(
                "{} check bans licenses sources",
                install::tool(CARGO_DENY)?.display()
            ),
            count: one,
        },
        "units" => units()?,
        "test" => {
            // a TPM in software, for the tests of ta-sim; a database, for the server's
            install::debian_packages(&[("swtpm", "swtpm"), ("pg_ctlcluster", "postgresql")])?;
            Step {
                name: "test",
                seconds_max: 1500,
                script: "cargo test --workspace --no-fail-fast".into(),
                count: libtest,
            }
        }
        "demo" => Step {
            name: "demo",
            seconds_max: 600,
            script: "cargo demo -- --json && cargo demo -- --full --json".into(),
            count: demos,
        },
        "schemathesis" => {
            // installed here, so that the bound holds for the requests alone
            install::schemathesis()?;
            Step {
                name: "schemathesis",
                seconds_max: 600,
                script: "cargo run --quiet --package xtask -- schemathesis".into(),
                count: last_tally,
            }
        }
        _ => {
            // installed here, so that the bound holds for the boards alone
            install::tool(CARGO_DEB)?;
            Step {
                name: "boards",
                seconds_max: 2700,
                script: "cargo boards".into(),
                count: last_tally,
            }
        }
    })
}

/// Returns the step that measures how little a unit may do.
fn units() -> anyhow::Result<Step> {
    install::debian_packages(&[("systemd-analyze", "systemd")])?;
    let checks = UNITS.map(|(unit, exposure_max)| {
        format!("systemd-analyze security --offline=true --no-pager --threshold={exposure_max} systemd/{unit}.service")
    });

    Ok(Step {
        name: "units",
        seconds_max: 60,
        script: checks.join(" && "),
        count: one,
    })
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
