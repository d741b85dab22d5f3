//! How a board gets power: it boots from its disk, or goes on where a kept board stopped.

use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::agent::Agent;
use super::machine::{self, Begin, Wires};
use super::{
    ADAPTER_IS_ON, Board, Machine, RUN_DISK, RUN_LIMIT, SERVER_ADDRESSES, Snapshot, monitor, tpm,
};
use crate::failure::{Failure, Outcome};
use crate::process::{Process, command, wait_until};
use crate::progress::say;

const BOOT_LIMIT: Duration = Duration::from_secs(900);
/// Two seconds on an idle machine.
const GO_ON_LIMIT: Duration = Duration::from_secs(60);
const RADIO_LIMIT: Duration = Duration::from_secs(300);

impl Board {
    /// Gives new boards power at once and waits until each has its radio: they go on from the kept board,
    /// or boot if they cannot.
    pub(crate) fn start_all(boards: &mut [&mut Self]) -> Outcome<()> {
        let kept = boards
            .first()
            .and_then(|board| board.surroundings.snapshot.clone());
        let Some(snapshot) = kept else {
            return Self::boot_all(boards);
        };
        let Err(failure) = Self::go_on_all(boards, &snapshot) else {
            return Ok(());
        };
        say(&format!(
            "the boards boot, since they cannot go on from the kept board: {failure}"
        ));
        snapshot.discard()?;
        for board in &mut *boards {
            board.cut_power()?;
            board.copy_disk(&board.surroundings.image.root)?;
        }

        Self::boot_all(boards)
    }

    fn boot_all(boards: &mut [&mut Self]) -> Outcome<()> {
        for board in &mut *boards {
            board.give_power(Begin::Boot)?;
        }
        for board in boards {
            board.attach(BOOT_LIMIT)?;
            board.wait_for_run()?;
        }

        Ok(())
    }

    fn go_on_all(boards: &mut [&mut Self], snapshot: &Snapshot) -> Outcome<()> {
        let (memory, devices) = (snapshot.memory(), snapshot.devices());
        for board in &mut *boards {
            board.give_power(Begin::GoOn { memory: &memory })?;
        }
        let mut jobs = Vec::new();
        for board in &mut *boards {
            let monitor = board.socket("monitor");
            board.wait_for_monitor()?;
            monitor::take_up_state(&monitor, &devices)?;
            board.resume()?;
            board.attach(GO_ON_LIMIT)?;
            jobs.push(board.start(&wake_up())?);
        }
        for (board, job) in boards.iter_mut().zip(&jobs) {
            board.must_end(job, RUN_LIMIT)?;
            board.wait_for_run()?;
        }

        Ok(())
    }

    /// Gives the board power and waits until it has its radio.
    pub(crate) fn boot(&mut self) -> Outcome<()> {
        self.begin(Begin::Boot)?;

        self.wait_for_run()
    }

    /// Gives the board power and waits until it takes commands.
    pub(super) fn begin(&mut self, begin: Begin<'_>) -> Outcome<()> {
        self.give_power(begin)?;

        self.attach(BOOT_LIMIT)
    }

    /// Starts the board's TPM and machine.
    fn give_power(&mut self, begin: Begin<'_>) -> Outcome<()> {
        self.cut_power()?;
        self.network = None;
        let name = self.place.name.clone();
        let tpm = tpm::start(
            &name,
            &self.file("tpm"),
            &self.socket("tpm"),
            &self.file("tpm.log"),
        )?;
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.file("qemu.log"))
            .map_err(Failure::host("open the machine's log"))?;
        let mut qemu = command("qemu-system-x86_64");
        qemu.args(machine::options(
            &self.surroundings.image,
            &self.wires(),
            begin,
        ));
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // What a machine left that lost its power: nobody listens there any more.
        for socket in ["agent", "monitor"] {
            drop(std::fs::remove_file(self.socket(socket)));
        }
        self.machine = Some(Machine {
            process: Process::start(&format!("board {name}"), &mut qemu)?,
            agent: None,
            _tpm: tpm,
        });

        Ok(())
    }

    fn wires(&self) -> Wires {
        let radio = &self.place.socket;
        Wires {
            disk: self.disk(),
            run_disk: self.surroundings.run_disk.clone(),
            console: self.file("console.log"),
            agent: self.socket("agent"),
            monitor: self.socket("monitor"),
            tpm: self.socket("tpm"),
            radio: (!radio.as_os_str().is_empty()).then(|| radio.clone()),
            network: self.network_device(),
        }
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

    fn wait_for_monitor(&mut self) -> Outcome<()> {
        let socket = self.socket("monitor");
        let what = format!("{}: the machine has a monitor", self.place.name);
        wait_until(&what, GO_ON_LIMIT, || {
            self.must_run()?;
            Ok(UnixStream::connect(&socket).ok().map(drop))
        })
    }

    /// Waits until the board takes commands.
    fn attach(&mut self, limit: Duration) -> Outcome<()> {
        let name = self.place.name.clone();
        let socket = self.socket("agent");
        let what = format!(
            "{name}: the board takes commands (console: {})",
            self.file("console.log").display()
        );
        let agent = wait_until(&what, limit, || {
            self.must_run()?;
            Ok(Agent::connect(&name, &socket))
        })?;
        if let Some(machine) = &mut self.machine {
            machine.agent = Some(agent);
        }

        Ok(())
    }

    fn must_run(&mut self) -> Outcome<()> {
        let ended = match &mut self.machine {
            Some(machine) => machine.process.ended()?,
            None => None,
        };

        match ended {
            None => Ok(()),
            Some(status) => Err(Failure::Unexpected(format!(
                "{}: the machine ended with {status}; see {}",
                self.place.name,
                self.file("qemu.log").display()
            ))),
        }
    }

    fn wait_for_run(&mut self) -> Outcome<()> {
        self.wait_until(
            "the run's disk is there and the adapter is on",
            &format!("mountpoint -q {RUN_DISK} && {ADAPTER_IS_ON}"),
            RADIO_LIMIT,
        )
    }
}

/// The shell command with which a board that goes on begins: it slept for as long as it was kept.
fn wake_up() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();

    format!(
        "date -s @{}.{:03} && systemctl start --no-block board.target",
        now.as_secs(),
        now.subsec_millis()
    )
}
