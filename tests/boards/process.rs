//! Processes of the host: every one ends with the bench, and every wait for one has a limit.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Failure, Outcome};

/// How often a process is asked whether it has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How often is asked what costs a command, here or in a board: the boards need the processor more.
const COSTLY_INTERVAL: Duration = Duration::from_millis(300);

/// Prepares a command that the kernel kills when the bench's main thread dies, however it dies.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A process that is killed, by its id, when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a command made with [`command`].
    pub(crate) fn start(name: &str, command: &mut Command) -> Outcome<Self> {
        let child = command
            .spawn()
            .map_err(Failure::host(format!("start {name}")))?;

        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// Takes the standard output that the command piped.
    pub(crate) fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Returns how the process ended, if it did.
    pub(crate) fn ended(&mut self) -> Outcome<Option<ExitStatus>> {
        self.child
            .try_wait()
            .map_err(Failure::host(format!("wait for {}", self.name)))
    }

    /// Kills the process at once, as a power cut does.
    pub(crate) fn kill(&mut self) -> Outcome<()> {
        self.child
            .kill()
            .map_err(Failure::host(format!("kill {}", self.name)))?;
        self.child
            .wait()
            .map_err(Failure::host(format!("wait for {}", self.name)))?;

        Ok(())
    }

    /// Asks the process to stop and waits for it.
    pub(crate) fn stop(&mut self, limit: Duration) -> Outcome<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)
                .map_err(|error| error.into())
                .map_err(Failure::host(format!("stop {}", self.name)))?;
        }
        let name = self.name.clone();

        wait_until(&format!("{name} stops"), limit, || self.ended())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after this.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks again and again until there is an answer, or fails with what was waited for.
pub(crate) fn wait_until<T>(
    what: &str,
    limit: Duration,
    ask: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    ask_until(what, limit, POLL_INTERVAL, ask)
}

/// Like [`wait_until`], for questions that each run a command.
pub(crate) fn wait_at_leisure<T>(
    what: &str,
    limit: Duration,
    ask: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    ask_until(what, limit, COSTLY_INTERVAL, ask)
}

fn ask_until<T>(
    what: &str,
    limit: Duration,
    interval: Duration,
    mut ask: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if started.elapsed() > limit {
            return Err(Failure::Late {
                what: what.to_owned(),
                limit,
            });
        }
        sleep(interval);
    }
}

/// Runs a command of the host to its end and returns what it printed on standard output.
pub(crate) fn run_tool(command: &mut Command, log: &Path, limit: Duration) -> Outcome<String> {
    let shown = shown(command);
    let out = File::create(log).map_err(Failure::host(format!("create {}", log.display())))?;
    let err = out
        .try_clone()
        .map_err(Failure::host("share the log of a tool"))?;
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let mut process = Process::start(&shown, command)?;
    let status = wait_until(&shown, limit, || process.ended())?;
    let printed =
        std::fs::read_to_string(log).map_err(Failure::host(format!("read {}", log.display())))?;
    if status.success() {
        return Ok(printed);
    }

    Err(Failure::Command {
        place: "this machine".to_owned(),
        command: shown,
        ended: format!("ended with {status}"),
        printed,
    })
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    let own = words
        .iter()
        .position(|word| word == "--")
        .map_or(0, |at| at.saturating_add(1));

    words.get(own..).unwrap_or_default().join(" ")
}
