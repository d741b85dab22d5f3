//! The program `blepay-ta` with a TPM, killed around every command that it gives to it.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Output as Ended, Stdio};
use std::time::{Duration, Instant};

use ops_proto::contract::{Command, Mark, Output, TrustedApplication as _};
use rustix::process::Pid;
use ta_sim::client::SocketTa;

use crate::bus::{Bus, Trouble, What};
use crate::raw::{self, EXTEND, NV_READ};
use crate::ta::Disk;
use crate::world::Bank;

#[test]
fn the_program_killed_around_any_tpm_command_restarts_before_or_after_its_payment() {
    // Which command, the how manieth of a payment, and whether the payment counts when it is killed
    // before the TPM has the command, and after.
    let cases = [(NV_READ, 0, 0, 0), (EXTEND, 0, 0, 1), (NV_READ, 1, 1, 1)];
    let cases = cases.into_iter().flat_map(|(code, skip, before, after)| {
        let kills: [(Kill, u64); 2] = [(What::KillBefore, before), (What::KillAfter, after)];
        kills.map(|(kill, moved)| (code, skip, kill, moved))
    });
    let (bus, disk) = (Bus::new(), Disk::new());
    disk.start(&bus.choice()).fund(&Bank::new(1), 5_000);
    for (nonce, (code, skip, what, moved)) in (1..).zip(cases) {
        let process = Process::start(&disk.path(), bus.path());
        let mut ta = SocketTa::connect(&process.socket).expect("it listens");
        let before = begin(&mut ta);
        let what = what(Pid::from_child(&process.child));
        bus.trouble(Trouble { code, skip, what });

        let answer = ta.invoke(Command::StatusOpen {
            close: ops_proto::list::List::empty(),
            nonce: [nonce; 16],
        });
        assert!(answer.is_err(), "{what:?} at {code:#x}");
        drop(process);

        let process = Process::start(&disk.path(), bus.path());
        let mut ta = SocketTa::connect(&process.socket).expect("it listens");
        let after = begin(&mut ta);
        assert_eq!(after.o - before.o, moved, "{what:?} at {code:#x}");
    }
}

#[test]
fn the_program_refuses_a_restored_copy_in_a_sentence_and_listens_nowhere() {
    let (bus, disk, bank) = (Bus::new(), Disk::new(), Bank::new(1));
    let mut ta = disk.start(&bus.choice());
    ta.fund(&bank, 5_000);
    let old = disk.copy();
    ta.pay(&bank, 100).expect("it is sound");
    drop(ta);
    disk.restore(&old);

    let socket = disk.path().join("ta.sock");
    let ended = run(
        &disk.path(),
        &socket,
        &format!("swtpm:path={}", bus.path().display()),
    );

    // The unit starts it again after any other code than this one.
    assert_eq!(ended.status.code(), Some(78));
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    let sentence = "the state is not the one the TPM committed to; it was restored or copied";
    assert!(error.contains(sentence), "{error}");
    assert!(!socket.exists());

    raw::remove_index(&bus.tpm.socket());
    raw::make_index(&bus.tpm.socket());
    let ended = run(
        &disk.path(),
        &socket,
        &format!("swtpm:path={}", bus.path().display()),
    );
    assert_eq!(
        ended.status.code(),
        Some(78),
        "what TPM and disk say is final"
    );
}

#[test]
fn an_address_of_no_tpm_is_refused_with_examples() {
    let disk = Disk::new();
    let ended = run(&disk.path(), &disk.path().join("ta.sock"), "/dev/tpm0");

    assert!(!ended.status.success());
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(error.contains("device:/dev/tpmrm0"), "{error}");
    assert!(!disk.path().exists());
}

/// How the process is killed.
type Kill = fn(Pid) -> What;

/// Begins a session and returns where the TA stands.
fn begin(ta: &mut SocketTa) -> Mark {
    let answer = ta.invoke(Command::Inspect).expect("it answers");
    let Ok(Output::State(state)) = answer.map(|answer| answer.output) else {
        panic!("Inspect is never refused");
    };
    let mark = state.mark;
    let begun = ta.invoke(Command::OperationsSince { mark });
    assert!(matches!(begun, Ok(Ok(_))), "{begun:?}");

    mark
}

struct Process {
    child: Child,
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

impl Process {
    fn start(state: &Path, tpm: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("ta.sock");
        let child = program(state, &socket)
            .env("BLEPAY_TA_TPM", format!("swtpm:path={}", tpm.display()))
            .stderr(Stdio::null())
            .spawn()
            .expect("it was built");
        let begun = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            let waited = begun.elapsed();
            assert!(waited < Duration::from_secs(20), "it never listened");
            std::thread::sleep(Duration::from_millis(5));
        }

        Self {
            child,
            socket,
            _directory: directory,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, as most of these tests want.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn run(state: &Path, socket: &Path, tpm: &str) -> Ended {
    program(state, socket)
        .args(["--tpm", tpm])
        .output()
        .expect("it runs")
}

fn program(state: &Path, socket: &Path) -> Program {
    let mut program = Program::new(env!("CARGO_BIN_EXE_blepay-ta"));
    program
        .arg("--state-directory")
        .arg(state)
        .arg("--socket")
        .arg(socket);

    program
}
