//! A link from a payer to a payee, the payer's end.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{RadioError, limits};

/// A connection to a payee: `INFO` read, subscribed, ready to send. Dropping it disconnects.
#[derive(Debug)]
pub struct CentralLink {
    info: Vec<u8>,
    chunk_max: usize,
    writes: mpsc::Sender<Write>,
    notifications: mpsc::Receiver<Vec<u8>>,
    ended: CancellationToken,
    _ends_when_dropped: DropGuard,
}

/// One frame to write, and who waits for it.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) bytes: Vec<u8>,
    pub(super) done: oneshot::Sender<Result<(), RadioError>>,
}

/// The radio's end of a [`CentralLink`].
#[derive(Debug)]
pub(super) struct LinkTask {
    pub(super) writes: mpsc::Receiver<Write>,
    pub(super) notifications: mpsc::Sender<Vec<u8>>,
    /// Cancelled when the owner disconnects or drops the link.
    pub(super) stop: CancellationToken,
    /// To be cancelled (by dropping) after the disconnect.
    pub(super) ended: DropGuard,
}

impl CentralLink {
    /// Makes the two ends of a link.
    pub(super) fn new(info: Vec<u8>, chunk_max: usize) -> (Self, LinkTask) {
        let (writes_in, writes_out) = mpsc::channel(limits::COMMANDS_MAX);
        let (notifications_in, notifications_out) = mpsc::channel(limits::NOTIFICATIONS_MAX);
        let stop = CancellationToken::new();
        let ended = CancellationToken::new();
        let link = Self {
            info,
            chunk_max,
            writes: writes_in,
            notifications: notifications_out,
            ended: ended.clone(),
            _ends_when_dropped: stop.clone().drop_guard(),
        };
        let task = LinkTask {
            writes: writes_out,
            notifications: notifications_in,
            stop,
            ended: ended.drop_guard(),
        };

        (link, task)
    }

    /// Returns the bytes of `INFO`, as read after connecting.
    #[must_use]
    pub fn info(&self) -> &[u8] {
        &self.info
    }

    /// Returns the largest frame that fits one write, in bytes.
    #[must_use]
    pub const fn chunk_max(&self) -> usize {
        self.chunk_max
    }

    /// Writes one frame, without response: it has left for the controller when this returns.
    ///
    /// Writes are done one at a time, in the order of the calls.
    ///
    /// # Errors
    ///
    /// [`RadioError::TooLong`] beyond `chunk_max`, [`RadioError::TimedOut`], [`RadioError::PeerGone`].
    pub async fn send(&self, bytes: Vec<u8>) -> Result<(), RadioError> {
        if bytes.len() > self.chunk_max {
            return Err(RadioError::TooLong {
                size: bytes.len(),
                size_max: self.chunk_max,
            });
        }
        let (done, outcome) = oneshot::channel();
        let write = Write { bytes, done };
        let sent = async {
            self.writes
                .send(write)
                .await
                .map_err(|_closed| RadioError::PeerGone)?;
            outcome.await.map_err(|_closed| RadioError::PeerGone)?
        };

        tokio::time::timeout(limits::SEND_TIMEOUT, sent)
            .await
            .map_err(|_elapsed| RadioError::TimedOut)?
    }

    /// Returns the next notification; `None` once the link has ended. Cancel safe.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        self.notifications.recv().await
    }

    /// Disconnects, and returns when the link is down, or after a bounded wait.
    pub async fn disconnect(self) {
        let ended = self.ended.clone();
        drop(self);
        // On time-out the radio goes on disconnecting by itself; nothing is left for the caller to do.
        let _elapsed = tokio::time::timeout(limits::SEND_TIMEOUT, ended.cancelled()).await;
    }
}
