//! A board: a Debian machine with its own disk, radio, network and power.

mod agent;
mod monitor;
mod tpm;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::air::Place;
use crate::cache::Image;
use crate::failure::{Failure, Outcome};
use crate::process::{Process, command, run_tool, wait_until};
use agent::{Agent, JobState};

/// Where a board reaches the servers, whatever ports they have on the host.
pub(crate) const SERVER_ADDRESSES: [&str; 2] = ["192.0.2.100:8443", "192.0.2.100:9443"];

/// Where the packages and test programs of this run are in a board.
pub(crate) const RUN_DISK: &str = "/mnt/run";

/// A shell condition: BlueZ has an adapter and it has power.
pub(crate) const ADAPTER_IS_ON: &str =
    "busctl get-property org.bluez /org/bluez/hci0 org.bluez.Adapter1 Powered | grep -q true";

const BOOT_LIMIT: Duration = Duration::from_secs(240);
const RADIO_LIMIT: Duration = Duration::from_secs(60);
const COPY_LIMIT: Duration = Duration::from_secs(120);
/// How long a command in a board may take unless it says otherwise.
pub(crate) const RUN_LIMIT: Duration = Duration::from_secs(60);
/// The first question whether a command has ended; later ones come ever more slowly, since each
/// costs the board a few milliseconds of its emulated processor.
const ASK_FIRST: Duration = Duration::from_millis(30);
const ASK_SLOWEST: Duration = Duration::from_millis(300);
const MEMORY_MIB: u32 = 1024;

/// What every board of a run shares.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The base image.
    pub(crate) image: Image,
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
}

/// A command that runs in a board.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pid: i64,
    command: String,
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
#[derive(Clone, Copy, Debug)]
pub(crate) enum Network {
    /// Connected to the server, and nothing else.
    On,
    /// No connection, and NetworkManager says so.
    Off,
}

#[derive(Debug)]
struct Machine {
    process: Process,
    agent: Agent,
    // Ends after the machine that uses it.
    _tpm: Process,
}

impl Board {
    /// Makes a board with a fresh copy of the base image, without power.
    pub(crate) fn create(place: Place, surroundings: Surroundings) -> Outcome<Self> {
        let board = Self {
            place,
            surroundings,
            machine: None,
        };
        let mut copy = command("cp");
        copy.args(["--sparse=always", "--reflink=auto", "--"])
            .arg(&board.surroundings.image.root)
            .arg(board.disk());
        run_tool(&mut copy, &board.file("copy.log"), COPY_LIMIT)?;

        Ok(board)
    }

    /// Gives several boards power at once and waits until each has its radio.
    pub(crate) fn boot_all(boards: &mut [&mut Self]) -> Outcome<()> {
        let mut started = Vec::new();
        for board in &mut *boards {
            started.push((board.start_tpm()?, board.start_machine()?));
        }
        for (board, (tpm, machine)) in boards.iter_mut().zip(started) {
            board.attach(tpm, machine)?;
        }

        Ok(())
    }

    /// Gives the board power and waits until it has its radio.
    pub(crate) fn boot(&mut self) -> Outcome<()> {
        let tpm = self.start_tpm()?;
        let process = self.start_machine()?;

        self.attach(tpm, process)
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
        monitor::execute(&self.socket("monitor"), "stop")
    }

    /// Lets a frozen board go on.
    pub(crate) fn resume(&mut self) -> Outcome<()> {
        monitor::execute(&self.socket("monitor"), "cont")
    }

    /// Switches the board's network, as its owner would.
    pub(crate) fn network(&mut self, network: Network) -> Outcome<()> {
        let word = match network {
            Network::On => "on",
            Network::Off => "off",
        };
        self.must(&format!("nmcli networking {word}"))?;

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
        let pid = self.agent()?.start(command, &[])?;

        Ok(Job {
            pid,
            command: command.to_owned(),
        })
    }

    /// Waits until a started command has ended. One that is late is killed.
    pub(crate) fn wait(&mut self, job: &Job, limit: Duration) -> Outcome<Output> {
        let started = Instant::now();
        let mut pause = ASK_FIRST;
        loop {
            if let Some(output) = self.ended(job)? {
                return Ok(output);
            }
            if started.elapsed() > limit {
                self.agent()?
                    .start(&format!("kill -KILL {}", job.pid), &[])?;
                let what = format!("{}: `{}` ends", self.place.name, job.command);
                return Err(Failure::Late { what, limit });
            }
            sleep(pause);
            pause = pause.saturating_mul(2).min(ASK_SLOWEST);
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
        let command = format!("cat > {path} && sync {path}");
        let pid = self.agent()?.start(&command, bytes)?;
        let output = self.wait(
            &Job {
                pid,
                command: command.clone(),
            },
            RUN_LIMIT,
        )?;
        if output.code == 0 {
            return Ok(());
        }

        Err(self.failed(&command, &output))
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

    fn start_tpm(&mut self) -> Outcome<Process> {
        self.cut_power()?;
        let socket = self.socket("tpm");

        tpm::start(
            &self.place.name,
            &self.file("tpm"),
            &socket,
            &self.file("tpm.log"),
        )
    }

    fn start_machine(&mut self) -> Outcome<Process> {
        let around = &self.surroundings;
        let mut qemu = command("qemu-system-x86_64");
        qemu.args([
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-smp",
            "1",
            "-m",
            &MEMORY_MIB.to_string(),
        ])
        .args(["-display", "none", "-no-reboot", "-nodefaults"])
        .arg("-kernel")
        .arg(&around.image.kernel)
        .arg("-initrd")
        .arg(&around.image.initrd)
        .args([
            "-append",
            "console=ttyS0 root=/dev/vda rw quiet panic=-1 net.ifnames=0",
        ]);
        for part in self.devices() {
            let (option, value) = part;
            qemu.arg(option).arg(value);
        }
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.file("qemu.log"))
            .map_err(Failure::host("open the machine's log"))?;
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);

        Process::start(&format!("board {}", self.place.name), &mut qemu)
    }

    /// The machine's devices, as QEMU's options.
    fn devices(&self) -> Vec<(&'static str, String)> {
        let around = &self.surroundings;
        let disk =
            |path: &Path, more: &str| format!("file={},if=virtio,format=raw{more}", path.display());
        let socket = |id: &str| {
            format!(
                "socket,id={id},path={},server=on,wait=off",
                self.socket(id).display()
            )
        };
        let console = self.file("console.log");
        vec![
            (
                "-chardev",
                format!("file,id=console,path={},append=on", console.display()),
            ),
            ("-serial", "chardev:console".to_owned()),
            (
                "-chardev",
                format!("socket,id=radio,path={}", self.place.socket.display()),
            ),
            ("-serial", "chardev:radio".to_owned()),
            ("-drive", disk(&self.disk(), "")),
            ("-drive", disk(&around.run_disk, ",readonly=on")),
            ("-device", "virtio-rng-pci".to_owned()),
            ("-device", "virtio-serial-pci".to_owned()),
            ("-chardev", socket("agent")),
            (
                "-device",
                "virtserialport,chardev=agent,name=org.qemu.guest_agent.0".to_owned(),
            ),
            ("-chardev", socket("monitor")),
            ("-mon", "chardev=monitor,mode=control".to_owned()),
            (
                "-chardev",
                format!("socket,id=tpm,path={}", self.socket("tpm").display()),
            ),
            ("-tpmdev", "emulator,id=tpm0,chardev=tpm".to_owned()),
            ("-device", "tpm-tis,tpmdev=tpm0".to_owned()),
            ("-netdev", self.network_device()),
            ("-device", "virtio-net-pci,netdev=net".to_owned()),
        ]
    }

    /// A network that reaches the servers and nothing else.
    fn network_device(&self) -> String {
        let mut device = "user,id=net,restrict=on,net=192.0.2.0/24".to_owned();
        for (address, port) in SERVER_ADDRESSES.iter().zip(self.surroundings.server_ports) {
            device.push_str(&format!(
                ",guestfwd=tcp:{address}-cmd:socat STDIO TCP:127.0.0.1:{port}"
            ));
        }

        device
    }

    fn attach(&mut self, tpm: Process, mut process: Process) -> Outcome<()> {
        let name = self.place.name.clone();
        let socket = self.socket("agent");
        let what = format!(
            "{name}: the board boots (console: {})",
            self.file("console.log").display()
        );
        let agent = wait_until(&what, BOOT_LIMIT, || {
            if let Some(status) = process.ended()? {
                return Err(Failure::Unexpected(format!(
                    "{name}: the machine ended with {status}; see {}",
                    self.file("qemu.log").display()
                )));
            }
            Ok(Agent::connect(&name, &socket))
        })?;
        self.machine = Some(Machine {
            process,
            agent,
            _tpm: tpm,
        });

        self.wait_until(
            "the run's disk is there",
            &format!("mountpoint -q {RUN_DISK}"),
            RADIO_LIMIT,
        )?;
        self.wait_until("the adapter is on", ADAPTER_IS_ON, RADIO_LIMIT)
    }

    fn agent(&mut self) -> Outcome<&mut Agent> {
        match &mut self.machine {
            Some(machine) => Ok(&mut machine.agent),
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
