//! How the writer is, for who asks it without keeping it running.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::{Answer, Job, busy};
use crate::limits::{PROBE_SIZE, PROBE_SIZE_AFTER_FAILURE};
use crate::refusal::{Code, Refusal};
use crate::service::{Order, Probe};

/// What became of the newest group of messages.
#[derive(Clone, Debug, Default)]
pub(super) struct NewestGroup {
    has_failed: Arc<AtomicBool>,
}

impl NewestGroup {
    pub(super) fn booked(&self) {
        self.has_failed.store(false, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }

    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }
}

/// Tells how the writer is, without keeping it running.
#[derive(Clone, Debug)]
pub(crate) struct WriterWatch {
    queue: mpsc::WeakSender<Job>,
    newest: NewestGroup,
}

impl WriterWatch {
    pub(super) const fn new(queue: mpsc::WeakSender<Job>, newest: NewestGroup) -> Self {
        Self { queue, newest }
    }

    /// Returns whether messages are still taken.
    pub(crate) fn is_open(&self) -> bool {
        self.queue.upgrade().is_some_and(|queue| !queue.is_closed())
    }

    /// Returns whether the newest group was not booked.
    pub(crate) fn has_failed(&self) -> bool {
        self.newest.has_failed()
    }

    /// Has nothing booked, by the way of all messages; what is returned gets the answer.
    ///
    /// # Errors
    ///
    /// A refusal when the writer has stopped or has too much to do.
    pub(crate) fn probe(&self) -> Result<oneshot::Receiver<Answer>, Refusal> {
        let size = if self.has_failed() {
            PROBE_SIZE_AFTER_FAILURE
        } else {
            PROBE_SIZE
        };
        let mut filler = vec![0; size];
        // What is the same throughout could be stored in less; without randomness it is.
        host::entropy::fill(&mut filler).ok();
        let queue = self.queue.upgrade().ok_or_else(stopped)?;
        let (reply, answer) = oneshot::channel();
        let order = Order::Probe(Probe { filler });
        queue
            .try_send(Job { order, reply })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => busy(),
                mpsc::error::TrySendError::Closed(_) => stopped(),
            })?;

        Ok(answer)
    }
}

fn stopped() -> Refusal {
    Refusal::new(Code::Busy, "the writer has stopped")
}
