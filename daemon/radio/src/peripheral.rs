//! The payee's side: what is served and advertised, and the links of the centrals.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ble_proto::gatt::RequestTag;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{RadioError, limits};

/// The GATT application, registered until dropped.
#[derive(Debug)]
pub struct Peripheral {
    handle: PeripheralHandle,
    events: mpsc::Receiver<Queued>,
    _stops_when_dropped: DropGuard,
}

impl Peripheral {
    /// Makes the two ends of a peripheral; the radio's is stopped when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> (Self, PeripheralTask) {
        let (commands_in, commands_out) = mpsc::channel(limits::COMMANDS_MAX);
        let (events_in, events_out) = mpsc::channel(limits::PERIPHERAL_EVENTS_MAX);
        let peripheral = Self {
            handle: PeripheralHandle {
                commands: commands_in,
            },
            events: events_out,
            _stops_when_dropped: stop.clone().drop_guard(),
        };
        let task = PeripheralTask {
            commands: commands_out,
            events: EventSender { events: events_in },
            stop,
        };

        (peripheral, task)
    }

    /// Returns a handle to send, advertise and disconnect with; clone it into each session's task.
    #[must_use]
    pub fn handle(&self) -> PeripheralHandle {
        self.handle.clone()
    }

    /// Returns the next event; `None` at shutdown only. Cancel safe.
    pub async fn next_event(&mut self) -> Option<PeripheralEvent> {
        self.events.recv().await.map(|queued| queued.event)
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
    commands: mpsc::Sender<PeripheralCommand>,
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
            .send(PeripheralCommand::SetAdvertised(tags))
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

        self.command(PeripheralCommand::Send { link, bytes, done }, outcome)
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

        self.command(PeripheralCommand::Disconnect { link, done }, outcome)
            .await
    }

    async fn command(
        &self,
        command: PeripheralCommand,
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

impl LinkId {
    /// Returns a number that no link had before.
    pub(super) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);

        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

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
        link: LinkId,
        /// The largest frame that fits one notification to it, in bytes.
        chunk_max: usize,
    },
    /// A central has written a frame.
    Received {
        link: LinkId,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// The central is gone, or no longer subscribed; the last event of this link.
    LinkDown { link: LinkId },
}

/// What the owner asks of the radio's task.
#[derive(Debug)]
pub(super) enum PeripheralCommand {
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

/// The radio's end of a [`Peripheral`].
#[derive(Debug)]
pub(super) struct PeripheralTask {
    pub(super) commands: mpsc::Receiver<PeripheralCommand>,
    pub(super) events: EventSender,
    /// Cancelled when the owner drops the peripheral, or at shutdown.
    pub(super) stop: CancellationToken,
}

/// An event on its way, and the room that it takes of its link.
#[derive(Debug)]
struct Queued {
    event: PeripheralEvent,
    _room: Option<OwnedSemaphorePermit>,
}

/// The way of events to the owner.
#[derive(Clone, Debug)]
pub(super) struct EventSender {
    events: mpsc::Sender<Queued>,
}

impl EventSender {
    /// Reports a new link and returns where its frames go in; waits for room.
    pub(super) async fn link_up(&self, link: LinkId, chunk_max: usize) -> LinkEvents {
        self.send(PeripheralEvent::LinkUp { link, chunk_max }).await;

        LinkEvents {
            link,
            room: Arc::new(Semaphore::new(limits::LINK_FRAMES_MAX)),
            events: self.clone(),
        }
    }

    async fn send(&self, event: PeripheralEvent) {
        // An owner that is gone wants no events.
        let _gone = self.events.send(Queued { event, _room: None }).await;
    }
}

/// The way of one link's events to the owner: one link cannot take the room of another.
#[derive(Debug)]
pub(super) struct LinkEvents {
    link: LinkId,
    room: Arc<Semaphore>,
    events: EventSender,
}

impl LinkEvents {
    /// Reports a frame, or drops it when the owner has left too many of this link unread.
    pub(super) fn received(&self, bytes: Vec<u8>) {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            tracing::debug!(link = %self.link, "Dropped a frame: too many are unread");
            return;
        };
        let event = PeripheralEvent::Received {
            link: self.link,
            bytes,
        };
        let queued = Queued {
            event,
            _room: Some(room),
        };
        if self.events.events.try_send(queued).is_err() {
            tracing::debug!(link = %self.link, "Dropped a frame: nobody reads");
        }
    }

    /// Reports the end of the link; waits for room.
    pub(super) async fn down(self) {
        self.events
            .send(PeripheralEvent::LinkDown { link: self.link })
            .await;
    }

    pub(super) const fn link(&self) -> LinkId {
        self.link
    }
}
