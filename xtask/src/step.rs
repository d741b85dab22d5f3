//! One step of `cargo verify`: a command with a log, a bound on its time, and a tally.

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::failures::failures;

/// How often a waiting reader sees what the step is doing.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Given to a step that runs out of time, between SIGTERM and SIGKILL.
const KILL_AFTER: &str = "--kill-after=20";
/// The exit code of `timeout` when it had to stop its command.
const STOPPED_BY_TIMEOUT: i32 = 124;
const TAIL_LINES: usize = 40;
const LINE_CHARS_MAX: usize = 100;

/// How many promises held and how many did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// Returns the tally of a step that counts as one.
    pub(crate) fn one(holds: bool) -> Self {
        Self {
            passed: usize::from(holds),
            failed: usize::from(!holds),
        }
    }

    /// Returns the sum of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            passed: self.passed.saturating_add(other.passed),
            failed: self.failed.saturating_add(other.failed),
        }
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) took: Duration,
    /// Whether it was stopped because no time was left.
    pub(crate) ran_out_of_time: bool,
}

/// A step: what runs, and how its standard output is counted.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// The command, run by `sh -c`, so that it is shown as somebody would type it.
    pub(crate) script: String,
    /// Counts from the standard output and from whether the command succeeded.
    pub(crate) count: fn(&str, bool) -> Tally,
}

impl Step {
    /// Runs the step with its output in `logs` to its end, or until the time that is left for all steps is over.
    ///
    /// # Errors
    ///
    /// When the step cannot be started or its log cannot be written; a step that fails is an outcome.
    pub(crate) fn run(&self, logs: &Path, left: Duration) -> anyhow::Result<Outcome> {
        let out = logs.join(format!("{}.out", self.name));
        let log = logs.join(format!("{}.log", self.name));
        crate::say(&format!("{}: {}", self.name, self.script));
        let started = Instant::now();
        let mut child = self.start(left.as_secs().max(1), &out, &log)?;
        let status = self.wait(&mut child, [&out, &log])?;

        let mut tally = (self.count)(&lossy(&out), status.success());
        if tally.failed == 0 && !(status.success() && tally.passed > 0) {
            // it ended before it could count what went wrong, or counted nothing at all
            tally.failed = 1;
        }
        let took = started.elapsed();
        let outcome = if tally.failed == 0 { "ok" } else { "FAILED" };
        if tally.failed != 0 {
            self.explain([&out, &log]);
        }
        let seconds = took.as_secs();
        crate::say(&format!("{}: {outcome}, {tally}, {seconds} s", self.name));

        Ok(Outcome {
            tally,
            took,
            ran_out_of_time: status.code() == Some(STOPPED_BY_TIMEOUT),
        })
    }

    /// Starts the command in a process group that ends with its time, or with us.
    fn start(&self, seconds_max: u64, out: &Path, log: &Path) -> anyhow::Result<Child> {
        crate::command("setpriv")?
            .args(["--pdeathsig", "TERM", "timeout", KILL_AFTER])
            .arg(seconds_max.to_string())
            .args(["sh", "-c", &self.script])
            .stdin(Stdio::null())
            .stdout(File::create(out)?)
            .stderr(File::create(log)?)
            .spawn()
            .with_context(|| format!("cannot start the step {}", self.name))
    }

    fn wait(&self, child: &mut Child, logs: [&PathBuf; 2]) -> anyhow::Result<ExitStatus> {
        let started = Instant::now();
        let mut shown = started;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if shown.elapsed() >= PROGRESS_INTERVAL {
                shown = Instant::now();
                let seconds = started.elapsed().as_secs();
                let line = newest_line(logs);
                crate::say(&format!("{}: {seconds} s … {line}", self.name));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Shows what failed in a step, the end of what it wrote, and where the whole of it is.
    fn explain(&self, logs: [&PathBuf; 2]) {
        let [out, log] = logs.map(|path| lossy(path));
        for line in failures(&out, &log) {
            crate::say(&format!("  ! {line}"));
        }
        for path in logs {
            let text = lossy(path);
            let skipped = text.lines().count().saturating_sub(TAIL_LINES);
            for line in text.lines().skip(skipped) {
                crate::say(&format!("    {line}"));
            }
            crate::say(&format!("{}: see {}", self.name, path.display()));
        }
    }
}

/// Returns the last line of the file that was written to last, cut to a line of a terminal.
fn newest_line(logs: [&PathBuf; 2]) -> String {
    let newest = logs
        .into_iter()
        .max_by_key(|path| fs::metadata(path).and_then(|file| file.modified()).ok());
    let text = newest.map(|path| lossy(path)).unwrap_or_default();
    let last = text.lines().rfind(|line| !line.trim().is_empty());

    last.unwrap_or_default()
        .trim()
        .chars()
        .take(LINE_CHARS_MAX)
        .collect()
}

fn lossy(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_hangs_is_stopped_fails_and_is_told_from_one_that_breaks() {
        let hangs = outcome("hangs", "sleep 600 & sleep 600", Duration::from_secs(1));

        assert_eq!(hangs.tally, Tally::one(false));
        assert!(hangs.ran_out_of_time);
        assert!(!outcome("breaks", "exit 3", LONG).ran_out_of_time);
    }

    #[test]
    fn a_step_that_ends_badly_or_counts_nothing_fails() {
        let tally = |name, script| outcome(name, script, LONG).tally;

        assert_eq!(tally("good", "echo 1"), Tally::one(true));
        assert_eq!(tally("bad", "echo 1; exit 3").failed, 1);
        assert_eq!(tally("empty", "true"), Tally::one(false));
    }

    /// Longer than any machine needs for a shell that says one word.
    const LONG: Duration = Duration::from_secs(300);

    /// Runs a step that counts its lines as promises that held.
    fn outcome(name: &'static str, script: &str, left: Duration) -> Outcome {
        let logs = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        fs::create_dir_all(&logs).expect("the temporary folder is writable");
        let step = Step {
            name,
            script: script.into(),
            count: |output, _| Tally {
                passed: output.lines().count(),
                failed: 0,
            },
        };
        let outcome = step.run(&logs, left).expect("sh starts");
        fs::remove_dir_all(&logs).expect("the folder is ours");

        outcome
    }
}
