//! Puts the parts together, runs them and takes them apart: all of `blepayd` but its arguments.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use blepayd::api::server::{self, SocketName};
use blepayd::api::state::{ApiState, TaUse};
use blepayd::config::{Config, RadioConfig, TaConfig};
use blepayd::scrub;
use journal::Journal;
use listenfd::ListenFd;
use ops_proto::Amount;
use radio::Radio;
use radio::bluez::{BluezConfig, BluezRadio};
use radio::sockets::SimRadio;
use runtime::shutdown::Shutdown;
use rustix::fs::FlockOperation;
use sd_notify::NotifyState;
use sync::Sync;
use sync::connectivity;
use ta_sim::client::SocketTa;
use ta_sim::{FileStorage, OsEntropy, Ta};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use wallet::identity::Identity;
use wallet::lists::Lists;
use wallet::ta::{AnyTa, TaConnector, TaUnreachable};
use wallet::{Wallet, WalletParts};

/// Runs a daemon until it is told to stop.
///
/// No adapter, no bus, no TA and no network are states that heal, and no reasons to end.
///
/// # Errors
///
/// When its own state cannot be used: state directory, journal, client key, socket.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let _lock = lock(&config.state_directory)?;
    let shutdown = Shutdown::new();
    let stopped = stop_on_signals(&shutdown)?;
    // who is second at a socket touches neither radio nor server
    let (listener, bound) = listen(&config)?;
    let journal = Journal::open(&config.state_directory).context("cannot open the journal")?;
    let identity = Identity::open(&config.state_directory).context("cannot use the client key")?;
    let ta_use = TaUse::open(&config.state_directory);
    let (radio, sim) = radio(&config.radio, &shutdown);
    let wallet = Wallet::start(WalletParts {
        journal,
        identity,
        ta: ta_use
            .is_used()
            .then(|| connector(&config.ta, &config.state_directory)),
        lists: Lists::open(&config.state_directory).context("cannot use the deny-lists")?,
        radio,
        shutdown: shutdown.clone(),
        scan_daily_max: Amount::try_from(config.policy.scanned_daily_max).ok(),
    })
    .await
    .context("cannot start the wallet")?;
    let hints = connectivity::watch(&shutdown);
    let sync = Sync::start(wallet.clone(), ta_use.watch(), hints, &shutdown);
    let scrubbed = scrub::start(&config.state_directory, &shutdown);
    let state = ApiState::new(wallet, sync, ta_use, sim, shutdown.clone()).scrubbed(scrubbed);
    beat(&shutdown);

    notify(&[NotifyState::Ready]);
    tracing::info!("Started");
    let served = server::serve(listener, Arc::new(state), shutdown.stop());
    let served = tokio::select! {
        served = served => served.context("the local API ended"),
        () = stopped => Ok(()),
    };
    notify(&[NotifyState::Stopping]);
    if let Some(name) = &bound {
        name.remove();
    }
    if let Err(error) = shutdown.join().await {
        tracing::warn!(%error, "Stopped without waiting longer");
    }
    tracing::info!("Stopped");

    served
}

/// Two daemons on one journal would pay twice.
fn lock(directory: &Path) -> anyhow::Result<std::fs::File> {
    if !directory.exists() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    }
    let path = directory.join("lock");
    let file = std::fs::File::create(&path)
        .with_context(|| format!("cannot use the state directory {}", directory.display()))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("another blepayd uses {} already", directory.display()))?;

    Ok(file)
}

/// Returns what ends some seconds after the first signal, when requests under way have not.
fn stop_on_signals(shutdown: &Shutdown) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot take signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot take signals")?;
    let stop = shutdown.stop();
    let cancel = stop.clone();
    shutdown.spawn(async move {
        tokio::select! {
            () = cancel.cancelled() => {}
            _ = terminate.recv() => cancel.cancel(),
            _ = interrupt.recv() => cancel.cancel(),
        }
    });

    Ok(async move {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    })
}

fn radio(config: &RadioConfig, shutdown: &Shutdown) -> (Arc<dyn Radio>, Option<Arc<SimRadio>>) {
    match config {
        RadioConfig::Bluez { adapter } => {
            let config = BluezConfig {
                adapter: adapter.clone(),
            };
            let radio = BluezRadio::start(config, &shutdown.tasks(), shutdown.stop());
            (Arc::new(radio), None)
        }
        RadioConfig::Sim(air) => {
            let radio = SimRadio::start(air.clone(), &shutdown.tasks(), shutdown.stop());
            let radio = Arc::new(radio);
            (Arc::<SimRadio>::clone(&radio), Some(radio))
        }
    }
}

fn connector(config: &TaConfig, state_directory: &Path) -> TaConnector {
    match config {
        TaConfig::Socket { path } => {
            let path = path.clone();
            TaConnector::new(move || {
                let session = SocketTa::connect(&path)
                    .map_err(|error| TaUnreachable(format!("{}: {error}", path.display())))?;
                let session: Box<dyn AnyTa> = Box::new(session);

                Ok(session)
            })
        }
        TaConfig::InProcess { directory } => {
            let directory = directory
                .clone()
                .unwrap_or_else(|| state_directory.join("ta"));
            TaConnector::new(move || open_in_process(&directory))
        }
    }
}

fn open_in_process(directory: &Path) -> Result<Box<dyn AnyTa>, TaUnreachable> {
    std::fs::create_dir_all(directory).map_err(|error| TaUnreachable(error.to_string()))?;
    let storage = FileStorage::open(directory, None, &mut OsEntropy)
        .map_err(|error| TaUnreachable(error.to_string()))?;
    let ta = Ta::open(storage, OsEntropy).map_err(|error| TaUnreachable(error.to_string()))?;

    Ok(Box::new(ta))
}

/// Takes the socket that systemd hands in, or makes one.
fn listen(config: &Config) -> anyhow::Result<(UnixListener, Option<SocketName>)> {
    if let Some(listener) = ListenFd::from_env().take_unix_listener(0)? {
        listener.set_nonblocking(true)?;
        return Ok((UnixListener::from_std(listener)?, None));
    }
    let path = &config.api.socket;
    let listener = server::bind(path, config.api.group.as_deref())
        .with_context(|| format!("cannot listen at {}", path.display()))?;

    Ok((listener, Some(SocketName::of(path)?)))
}

/// Tells systemd that the runtime still turns, where it wants to know.
fn beat(shutdown: &Shutdown) {
    let Some(interval) = sd_notify::watchdog_enabled().and_then(|limit| limit.checked_div(2))
    else {
        return;
    };
    let stop = shutdown.stop();
    shutdown.spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => notify(&[NotifyState::Watchdog]),
            }
        }
    });
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// How long requests under way may take after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
