//! `blepay-ta`: the trusted application, simulated, behind a Unix socket.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use ta_sim::service::{Access, Heartbeat, Service};
use ta_sim::storage::tpm::{NvIndex, TpmAddress, TpmChoice, TpmError};
use ta_sim::storage::{Damaged, NotCommitted};
use ta_sim::{FileStorage, OsEntropy, Storage, Ta, TpmStorage};
use tracing_subscriber::EnvFilter;

/// The trusted application, simulated: keys, balance and counters of one device.
///
/// It answers one connection at a time on a Unix socket, and nobody but its own user and those
/// allowed. What it cannot store ends it without an answer; systemd starts it again. RUST_LOG sets
/// what is logged: `ops=debug` shows the protocol transcript with amounts.
#[derive(Debug, Parser)]
#[command(name = "blepay-ta", version)]
struct Arguments {
    /// Where the sealed state lies; made when it is not there.
    #[arg(long, value_name = "DIR")]
    state_directory: PathBuf,

    /// Where to listen, unless systemd passes the socket.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,

    /// A user who may connect beside the TA's own, by name or number; may be given several times.
    #[arg(long, value_name = "NAME|UID")]
    allow_user: Vec<String>,

    /// The TPM 2.0 that the state is sealed and committed to, so that an old copy of it is refused; as
    /// device:/dev/tpmrm0, or swtpm:host=127.0.0.1,port=2321 in a test. Without it nothing but the
    /// provider protects against roll-back.
    #[arg(long, value_name = "ADDRESS", env = "BLEPAY_TA_TPM")]
    tpm: Option<TpmAddress>,

    /// The TPM's index that keeps the commitment; a second TA on one TPM takes another.
    #[arg(
        long,
        value_name = "INDEX",
        env = "BLEPAY_TA_TPM_INDEX",
        requires = "tpm",
        default_value_t = NvIndex::DEFAULT
    )]
    tpm_index: NvIndex,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error is no reason to end in another way.
            drop(writeln!(io::stderr(), "Error: {error:?}"));
            if is_final(&error) {
                ExitCode::from(EXIT_FINAL)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();

    let stop = stop_on_signals().context("cannot take signals")?;
    let directory = &arguments.state_directory;
    let used = || format!("cannot use the state directory {}", directory.display());
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    match &arguments.tpm {
        None => {
            let storage = FileStorage::open(directory, credentials.as_deref(), &mut OsEntropy);
            serve(&arguments, storage.with_context(used)?, stop)
        }
        Some(address) => {
            let choice = TpmChoice {
                address: address.clone(),
                index: arguments.tpm_index,
                credentials,
            };
            let storage = TpmStorage::open(directory, &choice, &mut OsEntropy)
                .with_context(|| format!("cannot use the TPM at {address}"))
                .with_context(used)?;
            serve(&arguments, storage, stop)
        }
    }
}

fn serve<S: Storage>(arguments: &Arguments, storage: S, stop: UnixStream) -> anyhow::Result<()> {
    let ta = open(storage, &arguments.state_directory)?;
    let mut access = Access::own();
    for user in &arguments.allow_user {
        access.allow(user)?;
    }
    let (listener, bound) = listen(&arguments.socket, &access)?;
    let mut service = Service::new(ta, listener, access, stop)?;

    notify(&[NotifyState::Ready]);
    tracing::info!("Serving the TA");
    let served = service.serve(&mut Heartbeat {
        interval: heartbeat_interval(),
        beat: &mut || notify(&[NotifyState::Watchdog]),
    });
    notify(&[NotifyState::Stopping]);
    if let Some(path) = bound {
        std::fs::remove_file(path).context("cannot remove the socket")?;
    }
    if let Err(error) = &served {
        tracing::error!(%error, "Stopped without an answer");
    }
    served.context("the TA ended; start it again and ask it for OperationsSince")?;
    tracing::info!("Stopped");

    Ok(())
}

fn open<S: Storage>(storage: S, directory: &Path) -> anyhow::Result<Ta<S, OsEntropy>> {
    Ta::open(storage, OsEntropy).with_context(|| {
        format!(
            "cannot open the TA in {}; a TA that is lost is reported dead to the provider",
            directory.display()
        )
    })
}

/// Returns whether another start would end in the same way, until a person has done something.
fn is_final(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        // An I/O error does not count what it was made of among its sources.
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<TpmError>());
        cause.is::<Damaged>()
            || cause.is::<NotCommitted>()
            || cause
                .downcast_ref::<TpmError>()
                .or(inner)
                .is_some_and(TpmError::is_final)
    })
}

/// Returns the listener, and its path when this process made it.
fn listen<'a>(path: &'a Path, access: &Access) -> anyhow::Result<(UnixListener, Option<&'a Path>)> {
    let passed = ListenFd::from_env()
        .take_unix_listener(0)
        .context("systemd passed something else than a Unix socket")?;
    if let Some(listener) = passed {
        return Ok((listener, None));
    }
    if UnixStream::connect(path).is_ok() {
        bail!("another process listens on {}", path.display());
    }
    let found = std::fs::symlink_metadata(path);
    if found.is_ok_and(|found| !found.file_type().is_socket()) {
        bail!(
            "there is something at {} that is no socket; it is left as it is",
            path.display()
        );
    }
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).context("cannot replace the stale socket"),
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    // Others reach the socket only so that their credentials can be checked.
    let mode = if access.has_others() { 0o666 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;

    Ok((listener, Some(path)))
}

/// Returns a stream on which a byte comes with SIGTERM or SIGINT.
fn stop_on_signals() -> io::Result<UnixStream> {
    let (receive, send) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, send.try_clone()?)?;
    signal_hook::low_level::pipe::register(SIGINT, send)?;

    Ok(receive)
}

fn heartbeat_interval() -> Duration {
    // Half of what systemd allows, so that a single late heartbeat is not counted as missed.
    sd_notify::watchdog_enabled().map_or(HEARTBEAT_DEFAULT, |allowed| {
        allowed.checked_div(2).unwrap_or(HEARTBEAT_DEFAULT)
    })
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "Could not notify systemd");
    }
}

/// The state and the TPM do not belong together: the unit does not start it again by itself.
const EXIT_FINAL: u8 = 78;

const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(60);
