//! Who owns the tasks: one tracker that joins them all, one token that stops them all.
//!
//! Nothing else in the daemon spawns; whoever needs a task asks here, so that a stop forgets none.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one daemon and the way to stop them. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Shutdown {
    /// Creates a tracker without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task until it ends by itself; it must watch [`Self::stop`].
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        host::task::spawn(&self.tasks, task);
    }

    /// Returns the tracker, for parts that spawn their own tasks.
    #[must_use]
    pub fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Returns the token that is cancelled when the daemon stops.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Stops every task and waits until all have ended, at most [`JOIN_TIMEOUT`].
    ///
    /// # Errors
    ///
    /// [`StillRunning`] with the number of tasks that did not end in time.
    pub async fn join(&self) -> Result<(), StillRunning> {
        self.stop.cancel();
        self.tasks.close();

        tokio::time::timeout(JOIN_TIMEOUT, self.tasks.wait())
            .await
            .map_err(|_elapsed| StillRunning(self.tasks.len()))
    }
}

/// How long a stop waits for tasks; systemd waits longer before it kills.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Tasks did not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} tasks did not end in time")]
pub struct StillRunning(pub usize);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn a_stop_joins_every_task() {
        let shutdown = Shutdown::new();
        let ended = Arc::new(AtomicBool::new(false));
        let (stop, flag) = (shutdown.stop(), Arc::clone(&ended));
        shutdown.spawn(async move {
            stop.cancelled().await;
            tokio::task::yield_now().await;
            flag.store(true, Ordering::SeqCst);
        });

        assert_eq!(shutdown.join().await, Ok(()));

        assert!(ended.load(Ordering::SeqCst));
    }
}
