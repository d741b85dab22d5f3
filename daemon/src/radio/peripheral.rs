//! The payee's side: what is served and advertised, and the links of the centrals.

use ble_proto::gatt::RequestTag;
use std::future::Future;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::DropGuard;

use super::{RadioError, limits};

/// The GATT application, registered until dropped.
#[derive(Debug)]
pub struct Peripheral {
    handle: PeripheralHandle,
    events: mpsc::Receiver<PeripheralEvent>,
    _stops_when_dropped: DropGuard,
}

impl Peripheral {
    pub(super) const fn new(
        commands: mpsc::Sender<Command>,
        events: mpsc::Receiver<PeripheralEvent>,
        stop: DropGuard,
    ) -> Self {
        Self {
            handle: PeripheralHandle { commands },
            events,
            _stops_when_dropped: stop,
        }
    }

    /// Returns a handle to send, advertise and disconnect with; clone it into each session's task.
    #[must_use]
    pub fn handle(&self) -> PeripheralHandle {
        self.handle.clone()
    }

    /// Returns the next event; `None` at shutdown only. Cancel safe.
    pub async fn next_event(&mut self) -> Option<PeripheralEvent> {
        self.events.recv().await
    }

    /// As [`PeripheralHandle::set_advertised`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn set_advertised(&self, tags: Vec<RequestTag>) -> Result<(), RadioError> {
        self.handle.set_advertised(tags).await
    }

    /// As [`PeripheralHandle::send`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn send(&self, link: LinkId, bytes: Vec<u8>) -> Result<(), RadioError> {
        self.handle.send(link, bytes).await
    }

    /// As [`PeripheralHandle::disconnect`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn disconnect(&self, link: LinkId) -> Result<(), RadioError> {
        self.handle.disconnect(link).await
    }
}

/// The way to a [`Peripheral`] from many tasks.
#[derive(Clone, Debug)]
pub struct PeripheralHandle {
    commands: mpsc::Sender<Command>,
}

impl PeripheralHandle {
    /// Advertises these requests, newest first, and no others; none when empty.
    ///
    /// Takes the first [`limits::ADVERTISED_TAGS_MAX`]. They are advertised again by themselves when an
    /// adapter comes back. Returns once the wish is taken, not once it is on air.
    ///
    /// # Errors
    ///
    /// [`RadioError::Stopped`] when the peripheral is gone.
    pub async fn set_advertised(&self, tags: Vec<RequestTag>) -> Result<(), RadioError> {
        self.commands
            .send(Command::SetAdvertised(tags))
            .await
            .map_err(|_closed| RadioError::Stopped)
    }

    /// Sends one frame as a notification, waiting for the one turn that all links share.
    ///
    /// # Errors
    ///
    /// [`RadioError::PeerGone`] when the link has ended, [`RadioError::TooLong`] beyond its `chunk_max`,
    /// [`RadioError::TimedOut`], [`RadioError::Stopped`] when the peripheral is gone.
    pub async fn send(&self, link: LinkId, bytes: Vec<u8>) -> Result<(), RadioError> {
        let (done, outcome) = oneshot::channel();

        self.command(Command::Send { link, bytes, done }, outcome)
            .await
    }

    /// Disconnects the central; `LinkDown` follows. Returns once asked for.
    ///
    /// # Errors
    ///
    /// [`RadioError::PeerGone`] when the link has ended already, [`RadioError::TimedOut`],
    /// [`RadioError::Stopped`] when the peripheral is gone.
    pub async fn disconnect(&self, link: LinkId) -> Result<(), RadioError> {
        let (done, outcome) = oneshot::channel();

        self.command(Command::Disconnect { link, done }, outcome)
            .await
    }

    async fn command(
        &self,
        command: Command,
        outcome: impl Future<Output = Result<Result<(), RadioError>, oneshot::error::RecvError>> + Send,
    ) -> Result<(), RadioError> {
        let done = async {
            self.commands
                .send(command)
                .await
                .map_err(|_closed| RadioError::Stopped)?;
            outcome.await.map_err(|_closed| RadioError::Stopped)?
        };

        tokio::time::timeout(limits::SEND_TIMEOUT, done)
            .await
            .map_err(|_elapsed| RadioError::TimedOut)?
    }
}

/// One connection of one central, never used again in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub(super) u64);

impl std::fmt::Display for LinkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// What happened at a peripheral.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeripheralEvent {
    /// A central has subscribed; from here it may be sent to.
    LinkUp {
        /// Its link.
        link: LinkId,
        /// The largest frame that fits one notification to it, in bytes.
        chunk_max: usize,
    },
    /// A central has written a frame.
    Received {
        /// Its link.
        link: LinkId,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// The central is gone, or no longer subscribed; the last event of this link.
    LinkDown {
        /// Its link.
        link: LinkId,
    },
}

/// What the owner asks of the radio's task.
#[derive(Debug)]
pub(super) enum Command {
    SetAdvertised(Vec<RequestTag>),
    Send {
        link: LinkId,
        bytes: Vec<u8>,
        done: oneshot::Sender<Result<(), RadioError>>,
    },
    Disconnect {
        link: LinkId,
        done: oneshot::Sender<Result<(), RadioError>>,
    },
}
