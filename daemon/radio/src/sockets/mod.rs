//! The simulated air: a directory of Unix sockets, for processes on one host.
//!
//! A device that serves has a socket `<address>.sock`, and while it advertises it writes its beacon
//! `<address>.tags`, again and again as a real one does: a beacon that is not written again falls
//! silent. MTU, delay, loss and cut of its links are each process's own ([`SimAir`]); the MTU of a
//! link is the smaller of its two ends'. A file named `cut` in the directory silences all of the air:
//! every link breaks, nothing is heard and nobody connects until it is removed.

mod central;
mod connection;
mod peripheral;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{
    AbsentReason, CentralLink, PeerAddress, Peripheral, Radio, RadioError, RadioState, Scan, limits,
};

/// The file in the air's directory that silences it.
pub const CUT_FILE: &str = "cut";

/// A process's place in the simulated air, and what the air does to its frames.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimAir {
    /// The directory that all devices share; made if missing. Keep it short: paths of Unix sockets end
    /// at 107 bytes.
    pub dir: PathBuf,
    /// The ATT MTU that this device agrees to, 23 to 517.
    #[serde(default = "default_mtu")]
    pub mtu: u16,
    /// What each frame that this device sends takes to arrive.
    #[serde(default)]
    pub delay_ms: u32,
    /// Of a thousand frames that this device sends, how many vanish.
    #[serde(default)]
    pub loss_per_mille: u16,
    /// Decides which frames vanish: the same seed, the same frames.
    #[serde(default)]
    pub seed: u64,
    /// Breaks a link of this device instead of sending the n-th frame on it, once in the life of the
    /// radio; 1 is the first.
    #[serde(default)]
    pub cut_at_frame: Option<u32>,
    /// The time between two beacons.
    #[serde(default = "default_beacon_interval_ms")]
    pub beacon_interval_ms: u32,
}

impl SimAir {
    /// Returns a perfect air in `dir`: MTU 517, no delay, no loss, no cut.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            mtu: default_mtu(),
            delay_ms: 0,
            loss_per_mille: 0,
            seed: 0,
            cut_at_frame: None,
            beacon_interval_ms: default_beacon_interval_ms(),
        }
    }
}

/// The simulated radio.
#[derive(Debug)]
pub struct SimRadio {
    air: Arc<Air>,
    tasks: TaskTracker,
    stop: CancellationToken,
    state: watch::Sender<RadioState>,
    serves: Arc<AtomicBool>,
}

impl SimRadio {
    /// Enters the air. Its tasks belong to `tasks` and end when `stop` is cancelled.
    #[must_use]
    pub fn start(air: SimAir, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let state = match std::fs::create_dir_all(&air.dir) {
            Ok(()) => RadioState::Present {
                adapter: "sim".to_owned(),
                hidden: None,
            },
            Err(error) => RadioState::Absent(AbsentReason::NoAir(error.to_string())),
        };

        Self {
            air: Arc::new(Air::new(air)),
            tasks: tasks.clone(),
            stop,
            state: watch::Sender::new(state),
            serves: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Breaks a link of this radio instead of sending the n-th frame on it, once; 1 is the first.
    pub fn cut_at_frame(&self, frame: u32) {
        self.air.cut_at_frame.store(frame, Ordering::Relaxed);
    }

    fn present(&self) -> Result<(), RadioError> {
        match &*self.state.borrow() {
            RadioState::Present { .. } => Ok(()),
            RadioState::Absent(reason) => Err(RadioError::Absent(reason.clone())),
        }
    }
}

impl Radio for SimRadio {
    fn serve(&self, info: Vec<u8>) -> BoxFuture<'_, Result<Peripheral, RadioError>> {
        async move {
            self.present()?;
            if info.len() > limits::VALUE_SIZE_MAX {
                return Err(RadioError::TooLong {
                    size: info.len(),
                    size_max: limits::VALUE_SIZE_MAX,
                });
            }
            let turn = ServeTurn::take(&self.serves)?;
            let (peripheral, task) = Peripheral::new(self.stop.child_token());
            let device = peripheral::ServingDevice::open(Arc::clone(&self.air), info)?;
            let tasks = self.tasks.clone();
            self.tasks.spawn(async move {
                peripheral::run(device, task, &tasks).await;
                drop(turn);
            });

            Ok(peripheral)
        }
        .boxed()
    }

    fn scan(&self) -> BoxFuture<'_, Result<Scan, RadioError>> {
        async move {
            self.present()?;
            let (scan, task) = Scan::new(self.stop.child_token());
            self.tasks.spawn(central::scan(Arc::clone(&self.air), task));

            Ok(scan)
        }
        .boxed()
    }

    fn connect(&self, peer: PeerAddress) -> BoxFuture<'_, Result<CentralLink, RadioError>> {
        async move {
            self.present()?;
            let connecting =
                central::connect(Arc::clone(&self.air), &peer, &self.stop, &self.tasks);

            tokio::time::timeout(limits::CONNECT_TIMEOUT, connecting)
                .await
                .map_err(|_elapsed| RadioError::TimedOut)?
        }
        .boxed()
    }

    fn state(&self) -> watch::Receiver<RadioState> {
        self.state.subscribe()
    }
}

/// The one turn to serve; given back when the device is off the air.
struct ServeTurn(Arc<AtomicBool>);

impl ServeTurn {
    fn take(serves: &Arc<AtomicBool>) -> Result<Self, RadioError> {
        if serves.swap(true, Ordering::AcqRel) {
            return Err(RadioError::Busy);
        }

        Ok(Self(Arc::clone(serves)))
    }
}

impl Drop for ServeTurn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What the links of one process share.
#[derive(Debug)]
struct Air {
    config: SimAir,
    /// 0 when no cut is wanted.
    cut_at_frame: AtomicU32,
}

impl Air {
    fn new(config: SimAir) -> Self {
        let cut_at_frame = AtomicU32::new(config.cut_at_frame.unwrap_or(0));

        Self {
            config,
            cut_at_frame,
        }
    }

    fn path(&self, address: &str, kind: &str) -> PathBuf {
        self.config.dir.join(format!("{address}.{kind}"))
    }

    fn is_cut(&self) -> bool {
        Path::new(&self.config.dir).join(CUT_FILE).exists()
    }

    /// Returns once the air is silenced.
    async fn cut(&self) {
        while !self.is_cut() {
            tokio::time::sleep(CUT_POLL_INTERVAL).await;
        }
    }

    fn beacon_interval(&self) -> Duration {
        Duration::from_millis(self.config.beacon_interval_ms.max(1).into())
    }

    fn mtu(&self) -> usize {
        usize::from(self.config.mtu).clamp(limits::MTU_MIN, limits::MTU_MAX)
    }
}

const CUT_POLL_INTERVAL: Duration = Duration::from_millis(10);

const fn default_mtu() -> u16 {
    517
}

const fn default_beacon_interval_ms() -> u32 {
    100
}

#[cfg(test)]
mod tests;
