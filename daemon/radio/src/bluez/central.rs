//! The payer's side: starts scans and connections.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::presence::Adapters;
use super::shared::{Leaving, Peers, Shared};
use super::{connect, scan};
use crate::scan::ScanTask;
use crate::{CentralLink, PeerAddress, RadioError, Scan, limits};

/// Starts scans and connections.
pub(super) struct Central {
    shared: Arc<Shared>,
    scans: mpsc::Sender<ScanTask>,
}

impl Central {
    pub(super) fn new(adapters: Adapters, tasks: TaskTracker, stop: CancellationToken) -> Self {
        let (scans, scans_out) = mpsc::channel(limits::SCANS_MAX);
        let shared = Arc::new(Shared {
            adapters,
            tasks: tasks.clone(),
            stop,
            peers: Peers::default(),
            pauses: watch::Sender::new(0),
            scanning: watch::Sender::new(false),
            leaving: Leaving::default(),
            connect_turn: Semaphore::new(1),
        });
        tasks.spawn(scan::run(Arc::clone(&shared), scans_out));

        Self { shared, scans }
    }

    pub(super) async fn scan(&self) -> Scan {
        let (scan, task) = Scan::new(self.shared.stop.child_token());
        // The hub is gone at shutdown only, and the scan then ends at once.
        let _stopped = self.scans.send(task).await;

        scan
    }

    pub(super) fn connect(
        &self,
        peer: PeerAddress,
        done: oneshot::Sender<Result<CentralLink, RadioError>>,
    ) {
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(connect::run(shared, peer, done));
    }
}
