//! A PostgreSQL of the run's own, from Debian's package, on a Unix socket.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, Outcome};
use crate::process::{Process, command, run_tool, wait_until};

/// Where Debian's package puts its programs, in a folder for each version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// PostgreSQL refuses to run as root, so the bench, when it is root, starts it as this user.
const USER: &str = "postgres";
const MAKE_LIMIT: Duration = Duration::from_secs(300);
const START_LIMIT: Duration = Duration::from_secs(100);
const STOP_LIMIT: Duration = Duration::from_secs(100);
const ASK_LIMIT: Duration = Duration::from_secs(100);

/// A running PostgreSQL with one empty database. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    process: Process,
    folder: PathBuf,
}

impl Postgres {
    /// Makes a cluster in a new folder with a short path, and starts it.
    pub(crate) fn start(folder: &Path, logs: &Path) -> Outcome<Self> {
        let programs = programs()?;
        // Nobody else may connect.
        DirBuilder::new()
            .mode(0o700)
            .create(folder)
            .map_err(Failure::host("create the database's folder"))?;
        if is_root() {
            let mut give = command("chown");
            give.arg(USER).arg(folder);
            run_tool(&mut give, &logs.join("postgres-chown.log"), MAKE_LIMIT)?;
        }
        let data = folder.join("data");
        let mut make = unprivileged(&programs.join("initdb"));
        make.arg("-D").arg(&data).current_dir("/");
        make.args([
            "-U",
            "blepay",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        run_tool(&mut make, &logs.join("postgres-initdb.log"), MAKE_LIMIT)?;

        let log = File::create(logs.join("postgres.log"))
            .map_err(Failure::host("create the database's log"))?;
        let out = log
            .try_clone()
            .map_err(Failure::host("share the database's log"))?;
        let mut run = unprivileged(&programs.join("postgres"));
        run.arg("-D").arg(&data).arg("-k").arg(folder);
        run.args(["-c", "listen_addresses=", "-c", "shared_buffers=32MB"]);
        run.current_dir("/").stdout(out).stderr(log);
        let process = Process::start("postgres", &mut run)?;
        let mut database = Self {
            process,
            folder: folder.to_owned(),
        };
        database.wait_until_it_answers(&programs, logs)?;

        Ok(database)
    }

    /// Returns the address for `blepay-server init --store`.
    pub(crate) fn url(&self) -> String {
        format!(
            "postgresql://blepay@localhost/postgres?host={}",
            self.folder.display()
        )
    }

    /// Lets it write everything down and end.
    pub(crate) fn stop(&mut self) -> Outcome<()> {
        self.process.stop(STOP_LIMIT)?;

        Ok(())
    }

    fn wait_until_it_answers(&mut self, programs: &Path, logs: &Path) -> Outcome<()> {
        let folder = self.folder.clone();
        wait_until("PostgreSQL answers", START_LIMIT, || {
            if let Some(status) = self.process.ended()? {
                return Err(Failure::Unexpected(format!(
                    "PostgreSQL ended with {status}; see postgres.log"
                )));
            }
            let mut ask = command(programs.join("pg_isready"));
            ask.args(["-q", "-h"]).arg(&folder);
            Ok(run_tool(&mut ask, &logs.join("postgres-ready.log"), ASK_LIMIT).ok())
        })?;

        Ok(())
    }
}

/// Returns where the newest version's programs are.
pub(crate) fn programs() -> Outcome<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(PROGRAMS)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version = entry.file_name().to_string_lossy().parse().ok()?;
            let programs = entry.path().join("bin");
            programs
                .join("initdb")
                .exists()
                .then_some((version, programs))
        })
        .collect();
    versions.sort();

    versions
        .pop()
        .map(|(_, programs)| programs)
        .ok_or_else(|| Failure::Unexpected("there is no PostgreSQL: install postgresql".to_owned()))
}

/// Prepares a command like [`command`], as a user who is not root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return command(program);
    }
    // One call: a change of user takes back what was asked of the kernel before it.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--init-groups"]);
    command
        .args(["--reuid", USER, "--regid", USER, "--"])
        .arg(program);
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
