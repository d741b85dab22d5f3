//! The demo's folder and the processes in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use blepay::failure::Failure;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// How long a process may take to start, or to stop when it is told to.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The folder of one demo; removed at the end unless it is kept.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    /// Makes a folder that no other demo uses. Its name is short: sockets lie in it.
    pub(super) fn make() -> Result<Self, Failure> {
        let mut random = [0_u8; 4];
        host::entropy::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("blepay-demo-{}", hex::encode(random));
        let path = std::env::temp_dir().join(name);
        if path.as_os_str().len() > FOLDER_PATH_SIZE_MAX {
            return Err(Failure::usage(
                format!("{} is too long for the sockets in it", path.display()),
                "run the demo with a shorter TMPDIR, such as TMPDIR=/tmp",
            ));
        }
        fs::DirBuilder::new().mode(0o700).create(&path)?;

        Ok(Self {
            path,
            is_kept: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder there at the end.
    pub(super) const fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            let _left_behind = fs::remove_dir_all(&self.path);
        }
    }
}

/// Finds a program of this workspace beside the one that runs.
pub(super) fn program(name: &str) -> Result<PathBuf, Failure> {
    let this = std::env::current_exe()?;
    let path = this.with_file_name(name);
    if !path.is_file() {
        return Err(Failure::refused(
            "no-program",
            format!("{name} is not beside {}", this.display()),
            "run cargo demo, which builds all; or install the packages blepayd, blepay-ta and blepay-server",
        ));
    }

    Ok(path)
}

/// A process of the demo; killed by its id when dropped.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; its output goes to `<log>.out`, its log to `<log>.log`.
    pub(super) fn start<S: AsRef<OsStr>>(
        name: &str,
        program_name: &str,
        log: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self, Failure> {
        let log_path = log.with_extension("log");
        let append = |path: &Path| File::options().append(true).create(true).open(path);
        let child = Command::new(program(program_name)?)
            .args(arguments)
            .env("RUST_LOG", LOG_FILTER)
            .env("BLEPAY_LOG", LOG_FILTER)
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(append(&log.with_extension("out"))?)
            .stderr(append(&log_path)?)
            .spawn()?;

        Ok(Self {
            name: name.to_owned(),
            child,
            log: log_path,
        })
    }

    /// Waits until `ready` returns something, or the process ends.
    pub(super) async fn wait_for<T>(
        &mut self,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, Failure> {
        let deadline = deadline();
        loop {
            if let Some(value) = ready() {
                return Ok(value);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failure(&format!("has ended ({status})")));
            }
            if Instant::now() > deadline {
                return Err(self.failure("does not get ready"));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Tells the process to stop and waits until it has.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(io::Error::from)?;
        }
        let deadline = deadline();
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(self.failure("does not stop"));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }

        Ok(())
    }

    /// Returns where its log is.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    fn failure(&self, what: &str) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().last().unwrap_or("its log is empty");

        Failure::refused(
            "process",
            format!("{} {what}: {last}", self.name),
            "see its log",
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended, or ends now; either way nothing of the demo is left running.
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Runs a program to its end and returns what it wrote.
pub(super) fn output<S: AsRef<OsStr>>(
    program_name: &str,
    arguments: impl IntoIterator<Item = S>,
) -> Result<String, Failure> {
    let output = Command::new(program(program_name)?)
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::refused(
            "process",
            format!("{program_name}: {}", error.trim()),
            "see the message",
        ));
    }

    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns when to give up on something that begins now.
pub(super) fn deadline() -> Instant {
    let now = Instant::now();

    now.checked_add(PATIENCE).unwrap_or(now)
}

const LOG_FILTER: &str = "info,ops=debug";
/// Sockets' paths end at 107 bytes; the longest in the folder takes the rest.
const FOLDER_PATH_SIZE_MAX: usize = 60;
