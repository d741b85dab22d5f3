//! A board: a Debian machine with its own disk, radio, network and power.

mod agent;
mod machine;
mod monitor;
mod power;
mod snapshot;
mod tpm;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::air::Place;
use crate::cache::Image;
use crate::failure::{Failure, Outcome};
use crate::process::{Process, command, run_tool};
use agent::{Agent, JobState};
pub(crate) use snapshot::{RUN_DISK_BYTES, Snapshot};

/// Where a board reaches the servers, whatever ports they have on the host.
pub(crate) const SERVER_ADDRESSES: [&str; 2] = ["192.0.2.100:8443", "192.0.2.100:9443"];

/// Where the packages and test programs of this run are in a board.
pub(crate) const RUN_DISK: &str = "/mnt/run";

/// A shell condition: BlueZ has an adapter and it has power.
pub(crate) const ADAPTER_IS_ON: &str =
    "busctl get-property org.bluez /org/bluez/hci0 org.bluez.Adapter1 Powered | grep -q true";

const COPY_LIMIT: Duration = Duration::from_secs(120);
/// How long a command in a board may take unless it says otherwise.
pub(crate) const RUN_LIMIT: Duration = Duration::from_secs(600);
/// The first question whether a command has ended; later ones come ever more slowly, since each
/// costs the board a few milliseconds of its emulated processor.
const ASK_FIRST: Duration = Duration::from_millis(30);
const ASK_SLOWEST: Duration = Duration::from_millis(300);

/// What every board of a run shares.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The base image.
    pub(crate) image: Image,
    /// A booted board from which boards go on instead of booting, if there is one.
    pub(crate) snapshot: Option<Snapshot>,
    /// Disks and console logs.
    pub(crate) folder: PathBuf,
    /// Sockets, in a folder with a short path.
    pub(crate) sockets: PathBuf,
    /// The disk with the packages and test programs.
    pub(crate) run_disk: PathBuf,
    /// The host ports on which the servers listen.
    pub(crate) server_ports: [u16; 2],
}

/// One board, with or without power.
#[derive(Debug)]
pub(crate) struct Board {
    place: Place,
    surroundings: Surroundings,
    machine: Option<Machine>,
    /// What NetworkManager was last seen to do since the board has power.
    network: Option<Network>,
}

/// A command that runs in a board.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pid: i64,
    command: String,
    started: Instant,
}

/// What a command in a board printed and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// The exit code; -1 after a signal.
    pub(crate) code: i64,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Whether a board's NetworkManager runs the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Connected to the server, and nothing else.
    On,
    /// No connection, and NetworkManager says so.
    Off,
}

#[derive(Debug)]
struct Machine {
    process: Process,
    // Nothing until the board is up.
    agent: Option<Agent>,
    // Ends after the machine that uses it.
    _tpm: Process,
}

impl Board {
    /// Makes a board with a fresh copy of the disk that it starts from, without power.
    pub(crate) fn create(place: Place, surroundings: Surroundings) -> Outcome<Self> {
        let board = Self {
            place,
            surroundings,
            machine: None,
            network: None,
        };
        let around = &board.surroundings;
        let kept = around.snapshot.as_ref().map(Snapshot::disk);
        board.copy_disk(kept.as_deref().unwrap_or(&around.image.root))?;

        Ok(board)
    }

    /// Takes the power away: what the board had not synced to its disk is gone.
    pub(crate) fn cut_power(&mut self) -> Outcome<()> {
        match self.machine.take() {
            Some(mut machine) => machine.process.kill(),
            None => Ok(()),
        }
    }

    /// Returns the address of the board's radio.
    pub(crate) fn address(&self) -> &str {
        &self.place.address
    }

    /// Returns whether the board has power.
    pub(crate) fn has_power(&self) -> bool {
        self.machine.is_some()
    }

    /// Stops the board's processor between two instructions; its disk, clock and radio stay.
    pub(crate) fn freeze(&mut self) -> Outcome<()> {
        monitor::execute(&self.socket("monitor"), "stop", &json!({})).map(drop)
    }

    /// Lets a frozen board go on.
    pub(crate) fn resume(&mut self) -> Outcome<()> {
        monitor::execute(&self.socket("monitor"), "cont", &json!({})).map(drop)
    }

    /// Switches the network of boards, as their owners would, and waits until NetworkManager has followed.
    pub(crate) fn switch_networks(boards: &mut [&mut Self], network: Network) -> Outcome<()> {
        let mut jobs = Vec::new();
        for board in boards
            .iter_mut()
            .filter(|board| board.network != Some(network))
        {
            let job = board.start(&switching(network))?;
            jobs.push((board, job));
        }
        for (board, job) in jobs {
            board.must_end(&job, RUN_LIMIT)?;
            board.network = Some(network);
        }

        Ok(())
    }

    /// Runs a shell command and returns its output, however it ended.
    pub(crate) fn run(&mut self, command: &str, limit: Duration) -> Outcome<Output> {
        let job = self.start(command)?;

        self.wait(&job, limit)
    }

    /// Runs a shell command that has to succeed and returns its standard output.
    pub(crate) fn must(&mut self, command: &str) -> Outcome<String> {
        self.must_within(command, RUN_LIMIT)
    }

    /// Runs a shell command that has to succeed within a limit and returns its standard output.
    pub(crate) fn must_within(&mut self, command: &str, limit: Duration) -> Outcome<String> {
        let job = self.start(command)?;

        self.must_end(&job, limit)
    }

    /// Waits until a started command, which has to succeed, has ended, and returns its standard output.
    pub(crate) fn must_end(&mut self, job: &Job, limit: Duration) -> Outcome<String> {
        let output = self.wait(job, limit)?;
        if output.code == 0 {
            return Ok(output.stdout);
        }

        Err(self.failed(&job.command, &output))
    }

    /// Starts a shell command and leaves it running.
    pub(crate) fn start(&mut self, command: &str) -> Outcome<Job> {
        self.start_with(command, &[])
    }

    fn start_with(&mut self, command: &str, input: &[u8]) -> Outcome<Job> {
        let started = Instant::now();
        let pid = self.agent()?.start(command, input)?;

        Ok(Job {
            pid,
            command: command.to_owned(),
            started,
        })
    }

    /// Waits until a started command has ended. One that is late is killed.
    pub(crate) fn wait(&mut self, job: &Job, limit: Duration) -> Outcome<Output> {
        let mut pause = ASK_FIRST;
        loop {
            if let Some(output) = self.ended(job)? {
                self.note(job, output.code);
                return Ok(output);
            }
            if job.started.elapsed() > limit {
                self.agent()?
                    .start(&format!("kill -KILL {}", job.pid), &[])?;
                let what = format!("{}: `{}` ends", self.place.name, job.command);
                return Err(Failure::Late { what, limit });
            }
            sleep(pause);
            pause = pause.saturating_mul(2).min(ASK_SLOWEST);
        }
    }

    /// Writes down what the board was told, for who wants to know afterwards what took how long.
    fn note(&self, job: &Job, code: i64) {
        let seconds = job.started.elapsed().as_secs_f64();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.file("commands.log"));
        if let Ok(mut log) = log {
            // It explains failures; it is no reason for one.
            drop(writeln!(log, "{seconds:7.2} s [{code}] {}", job.command));
        }
    }

    /// Returns the output of a started command if it has ended.
    pub(crate) fn ended(&mut self, job: &Job) -> Outcome<Option<Output>> {
        match self.agent()?.state(job.pid)? {
            JobState::Running => Ok(None),
            JobState::Ended {
                code,
                stdout,
                stderr,
            } => Ok(Some(Output {
                code,
                stdout: String::from_utf8_lossy(&stdout).into_owned(),
                stderr: String::from_utf8_lossy(&stderr).into_owned(),
            })),
        }
    }

    /// Waits until a shell condition holds in the board.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        condition: &str,
        limit: Duration,
    ) -> Outcome<()> {
        let seconds = limit.as_secs().max(1);
        let inner = condition.replace('\'', r"'\''");
        let waiting = format!(
            "timeout {seconds} sh -c 'until {{ {inner}; }} >/dev/null 2>&1; do sleep 0.1; done'"
        );
        let output = self.run(&waiting, limit.saturating_add(RUN_LIMIT))?;
        if output.code == 0 {
            return Ok(());
        }

        Err(Failure::Late {
            what: format!("{}: {what}", self.place.name),
            limit,
        })
    }

    /// Writes a file in the board and syncs it to the board's disk.
    pub(crate) fn put(&mut self, path: &str, bytes: &[u8]) -> Outcome<()> {
        let job = self.start_with(&format!("cat > {path} && sync {path}"), bytes)?;
        self.must_end(&job, RUN_LIMIT)?;

        Ok(())
    }

    /// Saves what explains a failure: console, journal and the state of our services.
    pub(crate) fn keep_evidence(&mut self, folder: &Path) -> Outcome<()> {
        let name = self.place.name.clone();
        let keep = |suffix: &str, bytes: &[u8]| {
            let path = folder.join(format!("{name}-{suffix}"));
            std::fs::write(&path, bytes).map_err(Failure::host(format!("write {}", path.display())))
        };
        if let Ok(console) = std::fs::read(self.file("console.log")) {
            keep("console.log", &console)?;
        }
        if self.machine.is_none() {
            return self.keep_disk(folder);
        }
        let journal = self.run(
            "journalctl --no-pager -o short-precise --boot=all",
            RUN_LIMIT,
        )?;
        keep("journal.log", journal.stdout.as_bytes())?;
        let states = self.run(
            "tar -cz -C / $(ls -d /var/lib/blepay* /var/lib/private/blepay* /etc/blepay* 2>/dev/null | sed s,^/,,) | base64 -w0",
            RUN_LIMIT,
        )?;

        keep("var-lib.tar.gz.base64", states.stdout.as_bytes())
    }

    fn keep_disk(&self, folder: &Path) -> Outcome<()> {
        let target = folder.join(format!("{}-disk", self.place.name));
        std::fs::create_dir_all(&target)
            .map_err(Failure::host("create the folder for a dead board's files"))?;
        for path in ["/var/log/journal", "/var/lib"] {
            let mut dump = command("debugfs");
            dump.arg("-R")
                .arg(format!("rdump {path} {}", target.display()))
                .arg(self.disk());
            run_tool(&mut dump, &self.file("dump.log"), COPY_LIMIT)?;
        }

        Ok(())
    }

    fn copy_disk(&self, from: &Path) -> Outcome<()> {
        let mut copy = command("cp");
        copy.args(["--sparse=always", "--reflink=auto", "--"])
            .arg(from)
            .arg(self.disk());
        run_tool(&mut copy, &self.file("copy.log"), COPY_LIMIT)?;

        Ok(())
    }

    fn agent(&mut self) -> Outcome<&mut Agent> {
        match self
            .machine
            .as_mut()
            .and_then(|machine| machine.agent.as_mut())
        {
            Some(agent) => Ok(agent),
            None => Err(Failure::Unexpected(format!(
                "{}: the board has no power",
                self.place.name
            ))),
        }
    }

    fn failed(&self, command: &str, output: &Output) -> Failure {
        Failure::Command {
            place: self.place.name.clone(),
            command: command.to_owned(),
            ended: format!("ended with code {}", output.code),
            printed: format!("{}{}", output.stdout, output.stderr),
        }
    }

    fn disk(&self) -> PathBuf {
        self.file("disk.img")
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.surroundings
            .folder
            .join(format!("{}-{suffix}", self.place.name))
    }

    fn socket(&self, suffix: &str) -> PathBuf {
        self.surroundings
            .sockets
            .join(format!("{}.{suffix}", self.place.name))
    }
}

/// The shell command that switches the network and ends when NetworkManager says so.
fn switching(network: Network) -> String {
    let (word, is_so) = match network {
        Network::On => ("on", "grep -q ^connected"),
        Network::Off => ("off", "grep -qv ^connected"),
    };

    format!(
        "nmcli networking {word} && until nmcli -t -f STATE general | {is_so}; do sleep 0.2; done"
    )
}
