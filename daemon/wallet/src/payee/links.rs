//! The payee's links: numbers of the machine beside those of the radio, and who sends on each.

use std::collections::BTreeMap;

use radio::PeripheralHandle;
use runtime::shutdown::Shutdown;
use tokio::sync::mpsc;

use super::Id;

/// Frames that may wait for one link: the largest message at the smallest MTU, and some answers more.
const FRAMES_OUT_MAX: usize = ble_proto::limits::FRAMES_PER_MESSAGE_MAX * 2;

/// All links that are up.
#[derive(Debug, Default)]
pub(super) struct Links {
    ids: BTreeMap<radio::LinkId, Id>,
    senders: BTreeMap<Id, mpsc::Sender<Vec<u8>>>,
    last: u64,
}

impl Links {
    /// Numbers a new link and starts what sends on it: a slow link keeps no other waiting.
    pub(super) fn up(
        &mut self,
        link: radio::LinkId,
        handle: PeripheralHandle,
        shutdown: &Shutdown,
    ) -> Id {
        self.last = self.last.saturating_add(1);
        let id = ble_proto::payment::payee::LinkId(self.last);
        let (frames, queue) = mpsc::channel(FRAMES_OUT_MAX);
        let _none = self.ids.insert(link, id);
        let _none = self.senders.insert(id, frames);
        let stop = shutdown.stop();
        shutdown.spawn(async move {
            tokio::select! {
                biased; // a stop is never starved
                () = stop.cancelled() => {}
                () = send_all(link, &handle, queue) => {}
            }
        });

        id
    }

    /// Returns the machine's number of a link.
    pub(super) fn id(&self, link: radio::LinkId) -> Option<Id> {
        self.ids.get(&link).copied()
    }

    /// Forgets a link that is gone.
    pub(super) fn down(&mut self, link: radio::LinkId) -> Option<Id> {
        let id = self.ids.remove(&link)?;
        self.senders.remove(&id);

        Some(id)
    }

    /// Queues a frame; a link that lets too many wait is closed.
    pub(super) fn transmit(&mut self, id: Id, frame: Vec<u8>) {
        let queued = self
            .senders
            .get(&id)
            .is_none_or(|frames| frames.try_send(frame).is_ok());
        if !queued {
            self.disconnect(id);
        }
    }

    /// Closes a link once what waits for it is sent.
    pub(super) fn disconnect(&mut self, id: Id) {
        self.senders.remove(&id);
    }
}

async fn send_all(
    link: radio::LinkId,
    handle: &PeripheralHandle,
    mut queue: mpsc::Receiver<Vec<u8>>,
) {
    while let Some(frame) = queue.recv().await {
        if let Err(error) = handle.send(link, frame).await {
            tracing::debug!(%link, %error, "A frame was not sent");
            break;
        }
    }
    // a link that is gone already is as well
    let _gone = handle.disconnect(link).await;
}
