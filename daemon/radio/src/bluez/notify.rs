//! The turn to notify, one for all links, and the sockets that notifications leave by.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bluer::gatt::CharacteristicWriter;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{RadioError, limits};

/// A notification that waits for its turn.
pub(super) struct QueuedNotification {
    pub(super) address: bluer::Address,
    pub(super) bytes: Vec<u8>,
    pub(super) done: oneshot::Sender<Result<(), RadioError>>,
}

/// The sockets to BlueZ, oldest first.
///
/// From 5.76 on there is one for each subscriber. Before, the first subscriber's serves all, until the
/// last one leaves.
#[derive(Clone, Default)]
pub(super) struct Writers {
    all: Arc<Mutex<Vec<Arc<CharacteristicWriter>>>>,
    added: Arc<Notify>,
}

impl Writers {
    pub(super) fn add(&self, writer: &Arc<CharacteristicWriter>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(writer));
        drop(all);
        self.added.notify_waiters();
    }

    pub(super) fn remove(&self, gone: &Arc<CharacteristicWriter>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|writer| !Arc::ptr_eq(writer, gone));
    }

    /// Returns the socket that reaches `address`.
    pub(super) fn to(&self, address: bluer::Address) -> Option<Arc<CharacteristicWriter>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);

        all.iter()
            .rev()
            .find(|writer| writer.device_address() == address)
            .or_else(|| all.last())
            .cloned()
    }

    /// As [`Self::to`], waiting for one: BlueZ confirms a subscription before it hands us the socket.
    async fn wait_to(&self, address: bluer::Address) -> Arc<CharacteristicWriter> {
        loop {
            let added = self.added.notified();
            if let Some(writer) = self.to(address) {
                return writer;
            }
            added.await;
        }
    }
}

/// Sends turn after turn, for as long as it is polled.
pub(super) async fn take_turns(mut turns: mpsc::Receiver<QueuedNotification>, writers: Writers) {
    while let Some(turn) = turns.recv().await {
        if turn.done.is_closed() {
            continue;
        }
        let sending = async {
            let writer = writers.wait_to(turn.address).await;
            writer.send(&turn.bytes).await
        };
        let sent = match tokio::time::timeout(TURN_TIMEOUT, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "Could not notify");
                Err(RadioError::PeerGone)
            }
            Err(_elapsed) => Err(RadioError::TimedOut),
        };
        // Who asked may have stopped waiting.
        let _gone = turn.done.send(sent);
    }
}

/// One link that is stuck must not take the turns of all others.
const TURN_TIMEOUT: Duration = Duration::from_secs(1);

const _: () = assert!(limits::SEND_TIMEOUT.as_secs() >= 2 * TURN_TIMEOUT.as_secs());
