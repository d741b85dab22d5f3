//! A connection without requests ends.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How many requests of a connection are under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<watch::Sender<usize>>);

/// One request that is under way, until it is dropped.
#[derive(Debug)]
struct Busy(Activity);

impl Activity {
    /// Counts a request as under way until it is answered or given up.
    pub(crate) fn during<F: Future>(&self, answer: F) -> impl Future<Output = F::Output> + use<F> {
        let busy = self.begin();
        async move {
            let answer = answer.await;
            drop(busy);

            answer
        }
    }

    /// Ends when no request was under way for so long.
    pub(crate) fn idle(&self, after: Duration) -> impl Future<Output = ()> + use<> {
        let mut count = self.0.subscribe();
        async move {
            loop {
                let is_idle = *count.borrow_and_update() == 0;
                let changed = if is_idle {
                    match timeout(after, count.changed()).await {
                        Ok(changed) => changed,
                        Err(_) => return,
                    }
                } else {
                    count.changed().await
                };
                if changed.is_err() {
                    // Nothing takes requests any more: the connection is ending by itself.
                    return pending().await;
                }
            }
        }
    }

    fn begin(&self) -> Busy {
        self.0.send_modify(|count| *count = count.saturating_add(1));

        Busy(self.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Activity(count) = &self.0;
        count.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    const AFTER: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_connection_is_idle_only_when_no_request_was_under_way_for_long() {
        let activity = Activity::default();
        let idle = TaskTracker::new().spawn(activity.idle(AFTER));
        activity.during(tokio::time::sleep(4 * AFTER)).await;
        assert!(!idle.is_finished());

        assert!(timeout(20 * AFTER, idle).await.is_ok());
    }
}
