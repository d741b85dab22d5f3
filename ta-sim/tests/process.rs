//! The process `blepay-ta`, and the client that reaches it.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ops_proto::contract::{Answer, Command, Mark, Output, TaRefused, TrustedApplication};
use ops_proto::signed::{decode_canonical, encode};
use rustix::process::{Pid, Signal, kill_process};
use ta_sim::client::SocketTa;
use ta_sim::limits::COMMAND_SIZE_MAX;
use ta_sim::service::{Access, Heartbeat, Service};
use ta_sim::{Ta, frame};

use crate::world::{Bank, Disk, Repeatable};

const BEGIN: Command = Command::OperationsSince { mark: Mark::START };

#[test]
fn the_process_keeps_its_state_over_a_kill_and_answers_only_in_a_session() {
    let mut process = Process::start();
    let mut ta = process.connect();
    assert_eq!(ask(&mut ta, init()), Err(TaRefused::SessionNotOpen));
    ask(&mut ta, BEGIN).expect("it is new");
    let first = ask(&mut ta, init()).expect("it has no key yet");

    process.kill();
    assert!(ta.invoke(init()).is_err(), "nobody answers");
    process.start_again();

    // The client connects again by itself; that is a new session.
    let refused = ask(&mut ta, init());
    assert_eq!(refused, Err(TaRefused::SessionNotOpen));
    let Ok(Output::Operations(later)) = ask(&mut ta, BEGIN) else {
        panic!("the journal is a past of the TA");
    };
    assert_eq!(later.len(), 1);
    assert_eq!(ask(&mut ta, init()), Ok(first));
}

#[test]
fn connections_are_served_one_after_the_other_each_in_a_session_of_its_own() {
    let process = Process::start();
    let mut first = process.connect();
    ask(&mut first, BEGIN).expect("it is new");
    let mut second = process.connect();

    let waiting = std::thread::spawn(move || ask(&mut second, init()));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!waiting.is_finished(), "the first has its turn");
    ask(&mut first, init()).expect("its session goes on");
    first.end_session();

    let answer = waiting.join().expect("it does not panic");
    assert_eq!(answer, Err(TaRefused::SessionNotOpen));
}

#[test]
fn bytes_that_are_no_command_are_refused_and_a_frame_that_is_too_long_ends_the_session() {
    let process = Process::start();
    let mut stream = UnixStream::connect(&process.socket).expect("it listens");
    let zero_deposit = [[3; 1].as_slice(), &[9; 16], &[0]].concat();
    let overlong_varint = vec![0x8c, 0x00];
    let trailing = [encode(&Command::Inspect), vec![0]].concat();
    for bytes in [
        vec![],
        vec![0xff; 64],
        zero_deposit,
        overlong_varint,
        trailing,
    ] {
        frame::write(&mut stream, &bytes).expect("it reads");
        let answer = frame::read(&mut stream, 64).expect("it answers");
        let answer: Result<Answer, TaRefused> =
            decode_canonical(&answer.expect("the session goes on")).expect("an answer");
        assert_eq!(answer, Err(TaRefused::Malformed), "{bytes:?}");
    }

    let length = u32::try_from(COMMAND_SIZE_MAX + 1).expect("small");
    stream.write_all(&length.to_le_bytes()).expect("it reads");
    let mut rest = Vec::new();
    // The end, or a reset when bytes were left unread.
    let ended = stream.read_to_end(&mut rest);
    assert!(ended.is_err() || rest.is_empty());
    assert!(ask(&mut process.connect(), BEGIN).is_ok());
}

#[test]
fn a_stop_is_graceful_and_leaves_no_socket_behind() {
    let mut process = Process::start();
    let mut ta = process.connect();
    ask(&mut ta, BEGIN).expect("it is new");

    let status = process.stop();

    assert!(status.success());
    assert!(!process.socket.exists());
}

#[test]
fn a_ta_that_cannot_store_ends_its_process_without_an_answer() {
    let mut process = Process::start();
    let mut ta = process.connect();
    ask(&mut ta, BEGIN).expect("it is new");
    // A directory stands where the slot belongs, whoever runs this test.
    std::fs::create_dir(process.state.join("slot-0")).expect("a directory");

    assert!(ta.invoke(init()).is_err());

    let status = process.child.wait().expect("it is ours");
    assert!(!status.success());
}

#[test]
fn a_user_who_is_not_allowed_gets_no_answer() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ta.sock");
    let listener = UnixListener::bind(&path).expect("the path is free");
    let ta = Ta::open(Disk::new(), Repeatable::new(1)).expect("it is empty");
    let (stop, stopped) = UnixStream::pair().expect("a pair");
    let mut service =
        Service::new(ta, listener, Access::nobody(), stopped).expect("it is a listener");
    let serving = std::thread::spawn(move || {
        service.serve(&mut Heartbeat {
            interval: Duration::from_secs(1),
            beat: &mut || {},
        })
    });

    let mut ta = SocketTa::connect(&path).expect("the socket is open to all");
    assert!(ta.invoke(Command::Inspect).is_err());

    drop(stop);
    assert!(serving.join().expect("it does not panic").is_ok());
}

#[test]
fn the_service_manager_passes_the_socket_and_hears_that_the_ta_is_ready_and_alive() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("passed.sock");
    let listener = UnixListener::bind(&path).expect("the path is free");
    let notify = directory.path().join("notify");
    let manager = UnixDatagram::bind(&notify).expect("the path is free");
    let wait = Some(Duration::from_secs(10));
    manager.set_read_timeout(wait).expect("a timeout");
    let state = directory.path().join("ta");
    // Standard input carries the listener to where systemd would put it.
    let activate = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let mut child = Program::new("sh")
        .args(["-c", activate, "sh", env!("CARGO_BIN_EXE_blepay-ta")])
        .args(["--socket", "/nonexistent/ta.sock", "--state-directory"])
        .arg(&state)
        .env("NOTIFY_SOCKET", &notify)
        .env("WATCHDOG_USEC", "200000")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");

    assert_eq!(hear(&manager), "READY=1");
    assert_eq!(hear(&manager), "WATCHDOG=1");
    assert_eq!(hear(&manager), "WATCHDOG=1");
    let mut ta = SocketTa::connect(&path).expect("it listens");
    assert!(ask(&mut ta, BEGIN).is_ok());

    terminate(&child);
    assert!(child.wait().expect("it is ours").success());
    assert!(path.exists(), "the socket is the service manager's");
    while hear(&manager) != "STOPPING=1" {}
}

#[test]
fn wrong_arguments_say_what_is_wrong_and_start_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("ta.sock");
    let output = Program::new(env!("CARGO_BIN_EXE_blepay-ta"))
        .arg("--state-directory")
        .arg(directory.path().join("ta"))
        .arg("--socket")
        .arg(&socket)
        .args(["--allow-user", "nobody of this name"])
        .output()
        .expect("it runs");

    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("there is no user"), "{error}");
    assert!(!socket.exists());
}

fn init() -> Command {
    Command::Init {
        root: Bank::new(1).root_key(),
    }
}

fn ask(ta: &mut SocketTa, command: Command) -> Result<Output, TaRefused> {
    let answer = ta.invoke(command).expect("it answers");

    answer.map(|answer| answer.output)
}

fn hear(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = manager.recv(&mut bytes).expect("it tells its manager");

    String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
}

fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).expect("it is ours");
}

struct Process {
    child: Child,
    socket: PathBuf,
    state: PathBuf,
    _directory: tempfile::TempDir,
}

impl Process {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (socket, state) = (
            directory.path().join("ta.sock"),
            directory.path().join("ta"),
        );

        Self {
            child: spawn(&socket, &state),
            socket,
            state,
            _directory: directory,
        }
    }

    fn start_again(&mut self) {
        self.child = spawn(&self.socket, &self.state);
    }

    fn connect(&self) -> SocketTa {
        SocketTa::connect(&self.socket).expect("it listens")
    }

    fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    fn stop(&mut self) -> ExitStatus {
        terminate(&self.child);

        self.child.wait().expect("it is ours")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, as some tests want.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(socket: &Path, state: &Path) -> Child {
    let child = Program::new(env!("CARGO_BIN_EXE_blepay-ta"))
        .arg("--state-directory")
        .arg(state)
        .arg("--socket")
        .arg(socket)
        .stderr(Stdio::null())
        .spawn()
        .expect("it was built");
    let begun = Instant::now();
    while UnixStream::connect(socket).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it never listened"
        );
        std::thread::sleep(Duration::from_millis(10));
    }

    child
}
