//! A scan: the advertisements of payees, as they are heard.

use ble_proto::gatt::RequestTag;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::PeerAddress;

/// Listens until dropped.
#[derive(Debug)]
pub struct Scan {
    seen: mpsc::Receiver<Seen>,
    _stops_when_dropped: DropGuard,
}

impl Scan {
    pub(super) const fn new(seen: mpsc::Receiver<Seen>, stop: DropGuard) -> Self {
        Self {
            seen,
            _stops_when_dropped: stop,
        }
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
