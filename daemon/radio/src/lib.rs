//! The radio: a payee serves and advertises, a payer scans and connects.
//!
//! [`Radio`] is what the daemon knows of Bluetooth; `bluez` and `sockets` implement it, and `memory` does for the world of tests. It moves opaque
//! frames over links and knows nothing of sessions. A payee's use:
//!
//! ```text
//! let mut peripheral = radio.serve(info).await?;         // healed until dropped
//! let handle = peripheral.handle();                      // cloned into each session's task
//! handle.set_advertised(vec![tag]).await?;
//! while let Some(event) = peripheral.next_event().await {
//!     match event {
//!         PeripheralEvent::LinkUp { link, chunk_max } => …     // subscribed: may be sent to
//!         PeripheralEvent::Received { link, bytes } => …       // one frame
//!         PeripheralEvent::LinkDown { link } => …              // the last event of this link
//!     }
//! }
//! ```
//!
//! and a payer's:
//!
//! ```text
//! let mut scan = radio.scan().await?;
//! let seen = scan.next().await;
//! drop(scan);                                            // before connecting: controllers do one at a time
//! let mut link = radio.connect(seen.peer).await?;        // INFO read, subscribed
//! link.send(frame).await?;                               // the central speaks first
//! let frame = link.receive().await;                      // None: the link has ended
//! ```
//!
//! Made once, at start, with the tracker that owns its tasks and the token that stops them:
//! `bluez::BluezRadio::start(config, &tasks, stop)` or `sockets::SimRadio::start(air, &tasks, stop)`; both
//! return at once and never fail, since what is missing is a state.
//!
//! What holds for every implementation:
//!
//! - A frame arrives whole, in order and at most once, or not at all; a flood beyond the named limits
//!   of [`limits`] loses frames. The session above ends by the gap.
//! - A central that connects and becomes no link is disconnected after [`limits::SILENCE_MAX`], counts as a
//!   link until then, and makes room for one that comes later.
//! - With BlueZ before 5.76 a notification reaches *every* subscriber: frames carry a session tag, and
//!   a central drops what is not its own.
//! - A missing bus, bluetoothd or adapter is a state ([`Radio::state`]) that heals. A peripheral
//!   stays valid meanwhile: its links end with `LinkDown`, and it serves and advertises again once the
//!   adapter is back. Scans stay silent and go on. Only `connect` and open central links fail.

#![allow(
    missing_docs,
    reason = "nothing in here is published; a name that says it all needs no sentence"
)]

pub mod bluez;
pub mod limits;
mod link;
#[cfg(blepay_world)]
pub mod memory;
mod peripheral;
mod scan;
pub mod sockets;

pub use ble_proto::gatt::RequestTag;
use futures::future::BoxFuture;
pub use link::CentralLink;
pub use peripheral::{LinkId, Peripheral, PeripheralEvent, PeripheralHandle};
pub use scan::{Scan, Seen};
use tokio::sync::watch;

/// The way to other devices: BlueZ, or a simulated air.
///
/// All futures may be dropped at any time; what they had begun is then undone by the radio itself.
pub trait Radio: Send + Sync + 'static {
    /// Registers the GATT application and keeps it registered until the peripheral is dropped, also
    /// across restarts of bluetoothd and an adapter that goes and comes back.
    ///
    /// `info` is what `INFO` answers. Does not wait for an adapter: without one the peripheral begins
    /// to serve when it comes. One peripheral at a time.
    ///
    /// # Errors
    ///
    /// [`RadioError::Busy`] when a peripheral exists, [`RadioError::TooLong`] for `info` beyond
    /// [`limits::VALUE_SIZE_MAX`], [`RadioError::Stopped`] at shutdown.
    fn serve(&self, info: Vec<u8>) -> BoxFuture<'_, Result<Peripheral, RadioError>>;

    /// Listens for payees until the scan is dropped.
    ///
    /// Several scans may run at once; they share one at the adapter. Drop it before `connect`.
    ///
    /// # Errors
    ///
    /// [`RadioError::Stopped`] at shutdown.
    fn scan(&self) -> BoxFuture<'_, Result<Scan, RadioError>>;

    /// Connects to a payee heard in a scan, reads `INFO` and subscribes, retrying what passes.
    ///
    /// Ends within [`limits::CONNECT_TIMEOUT`]; one connection is set up at a time, others wait.
    ///
    /// # Errors
    ///
    /// [`RadioError::Absent`] without an adapter, [`RadioError::PeerGone`] when the payee cannot be
    /// reached, [`RadioError::PeerIncompatible`] when it lacks the service, [`RadioError::TimedOut`],
    /// [`RadioError::Stopped`] at shutdown.
    fn connect(&self, peer: PeerAddress) -> BoxFuture<'_, Result<CentralLink, RadioError>>;

    /// Returns whether there is a radio, and if not why; a watch, for `status` and for who waits.
    fn state(&self) -> watch::Receiver<RadioState>;
}

/// Where a payee was heard: good for `connect` soon after, and for nothing else.
///
/// Random addresses change, so a peer is known by its keys, never by this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress(String);

impl PeerAddress {
    /// Takes an address as the radio's implementation writes it.
    pub fn new(address: impl Into<String>) -> Self {
        Self(address.into())
    }

    /// Returns the address as the radio's implementation writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether there is a radio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RadioState {
    /// The named adapter works.
    Present {
        /// Its name, as `hci0`.
        adapter: String,
        /// Why nobody can see it, where it can hear others and the system refuses to show it.
        hidden: Option<String>,
    },
    /// Nothing can be sent or heard until the reason passes.
    Absent(AbsentReason),
}

/// Why there is no radio.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbsentReason {
    /// The first look at the adapter has not ended.
    #[error("the radio is starting")]
    Starting,
    /// The system bus does not answer.
    #[error("no system bus")]
    NoBus,
    /// bluetoothd does not run.
    #[error("bluetoothd is not running")]
    NoBluetoothd,
    /// The configured adapter, or any adapter, is not plugged in.
    #[error("no Bluetooth adapter")]
    NoAdapter,
    /// The adapter is there and switched off.
    #[error("the Bluetooth adapter is off")]
    AdapterOff,
    /// The adapter is there, and bluetoothd refuses to use it.
    #[error("the Bluetooth adapter does not work: {0}")]
    AdapterFaulty(String),
    /// The directory of the simulated air cannot be used.
    #[error("no simulated air: {0}")]
    NoAir(String),
}

/// Why the radio did not do what was asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RadioError {
    /// There is no radio at present.
    #[error("no radio: {0}")]
    Absent(AbsentReason),
    /// The peer does not answer, or the link to it has ended.
    #[error("the peer is gone")]
    PeerGone,
    /// The peer lacks what the service promises.
    #[error("the peer is not a payee of this version: {0}")]
    PeerIncompatible(&'static str),
    /// The bounded wait is over.
    #[error("the radio took too long")]
    TimedOut,
    /// The bytes do not fit what the link, or GATT, carries in one value.
    #[error("{size} bytes exceed the {size_max} that fit")]
    TooLong {
        /// Bytes asked for.
        size: usize,
        /// Bytes that fit.
        size_max: usize,
    },
    /// There is one already.
    #[error("the radio serves already")]
    Busy,
    /// The system's Bluetooth refused, for a reason of its own.
    #[error("Bluetooth failed: {0}")]
    Failed(String),
    /// The radio has been stopped.
    #[error("the radio has stopped")]
    Stopped,
}
