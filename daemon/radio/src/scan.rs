//! A scan: the advertisements of payees, as they are heard.

use std::time::Instant;

use ble_proto::gatt::RequestTag;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{PeerAddress, limits};

/// Listens until dropped.
#[derive(Debug)]
pub struct Scan {
    seen: mpsc::Receiver<Seen>,
    _stops_when_dropped: DropGuard,
}

impl Scan {
    /// Makes the two ends of a scan; the radio's is stopped when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> (Self, ScanTask) {
        let (seen_in, seen_out) = mpsc::channel(limits::SEEN_MAX);
        let scan = Self {
            seen: seen_out,
            _stops_when_dropped: stop.clone().drop_guard(),
        };

        (
            scan,
            ScanTask {
                seen: seen_in,
                stop,
            },
        )
    }

    /// Returns the next advertisement heard; the same payee again and again, about once a second.
    ///
    /// `None` at shutdown only. Cancel safe.
    pub async fn next(&mut self) -> Option<Seen> {
        self.seen.recv().await
    }
}

/// One fresh advertisement of one open request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where to connect to.
    pub peer: PeerAddress,
    /// The tag of the open request.
    pub tag: RequestTag,
    /// Signal strength in dBm, where the adapter tells it.
    pub rssi: Option<i16>,
    /// When it was heard.
    pub at: Instant,
}

/// The radio's end of a [`Scan`].
#[derive(Debug)]
pub(super) struct ScanTask {
    seen: mpsc::Sender<Seen>,
    /// Cancelled when the owner drops the scan, or at shutdown.
    pub(super) stop: CancellationToken,
}

impl ScanTask {
    /// Reports an advertisement; drops it when the owner lags, since it will be heard again.
    pub(super) fn seen(&self, seen: Seen) {
        if self.seen.try_send(seen).is_err() {
            tracing::trace!("Dropped an advertisement: nobody reads");
        }
    }
}
