//! The simulated air that the boards share, and the record of what crossed it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use crate::failure::{Failure, Outcome};
use crate::process::{Process, command};

const PROGRAM: &str = include_str!("air.py");
const START_LIMIT: Duration = Duration::from_secs(300);

/// A place on the air, of a board or a stranger.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The name, as the trace has it.
    pub(crate) name: String,
    /// The controller's public address.
    pub(crate) address: String,
    /// The Unix socket that the board's serial port, or the stranger, connects to.
    pub(crate) socket: PathBuf,
}

/// The running air.
#[derive(Debug)]
pub(crate) struct Air {
    process: Process,
    /// Where the trace grows.
    pub(crate) trace: PathBuf,
}

impl Air {
    /// Starts the air with a controller for each place, and returns when it listens.
    pub(crate) fn start(python: &Path, folder: &Path, places: &[Place]) -> Outcome<Self> {
        let program = folder.join("air.py");
        std::fs::write(&program, PROGRAM).map_err(Failure::host("write the air's program"))?;
        let trace = folder.join("air.jsonl");
        let log =
            File::create(folder.join("air.log")).map_err(Failure::host("create the air's log"))?;

        let mut start = command(python);
        start.arg(&program).arg("--trace").arg(&trace);
        for place in places {
            start.arg(format!(
                "{}={}={}",
                place.name,
                place.address,
                place.socket.display()
            ));
        }
        start
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut process = Process::start("the air", &mut start)?;
        let stdout = process
            .take_stdout()
            .ok_or_else(|| Failure::Unexpected("the air has no standard output".to_owned()))?;
        wait_for_ready("the air", stdout)?;

        Ok(Self { process, trace })
    }

    /// Fails if the air has ended, since nothing that boards do means anything without it.
    pub(crate) fn must_run(&mut self) -> Outcome<()> {
        match self.process.ended()? {
            None => Ok(()),
            Some(status) => Err(Failure::Unexpected(format!(
                "the air ended with {status}; see air.log"
            ))),
        }
    }
}

/// Waits until a program has said that it is ready, which is all that it ever says.
pub(crate) fn wait_for_ready(name: &str, stdout: std::process::ChildStdout) -> Outcome<()> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line).map(|_| line);
        // The bench may have given up waiting.
        drop(sender.send(read));
    });
    let late = || Failure::Late {
        what: format!("{name} starts"),
        limit: START_LIMIT,
    };
    let line = receiver
        .recv_timeout(START_LIMIT)
        .map_err(|_elapsed| late())?
        .map_err(Failure::host(format!("hear from {name}")))?;
    if line.trim() == "ready" {
        return Ok(());
    }

    Err(Failure::Unexpected(format!(
        "{name} did not start; see its log"
    )))
}
