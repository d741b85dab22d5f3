//! When the network may be back: hints for sync, never the truth.
//!
//! NetworkManager says so over D-Bus; the kernel says so by route changes, also where there is no
//! NetworkManager. Either may be missing: then the other, and sync's own timer, do.

mod network_manager;
mod routes;

use runtime::shutdown::Shutdown;
use tokio::sync::mpsc;

/// Hints that the network has changed; several in a row are one.
#[derive(Debug)]
pub struct Hints {
    hints: mpsc::Receiver<()>,
}

impl Hints {
    /// Returns at the next hint. Cancel safe.
    pub async fn next(&mut self) {
        if self.hints.recv().await.is_none() {
            // Nobody gives hints any more; the caller's timer goes on.
            std::future::pending::<()>().await;
        }
    }
}

/// The end that gives hints.
#[derive(Clone, Debug)]
struct HintSender {
    hints: mpsc::Sender<()>,
}

impl HintSender {
    fn give(&self, source: &str) {
        tracing::debug!(source, "The network has changed");
        // A hint that waits already says the same.
        let _waits_already = self.hints.try_send(());
    }
}

/// Returns hints that never come.
#[cfg(blepay_world)]
#[must_use]
pub fn never() -> Hints {
    let (_nobody, hints) = mpsc::channel(1);

    Hints { hints }
}

/// Watches NetworkManager and the kernel's routes until the daemon stops.
#[must_use]
pub fn watch(shutdown: &Shutdown) -> Hints {
    let (sender, hints) = mpsc::channel(1);
    let sender = HintSender { hints: sender };
    shutdown.spawn(network_manager::watch(sender.clone(), shutdown.stop()));
    shutdown.spawn(routes::watch(sender, shutdown.stop()));

    Hints { hints }
}
