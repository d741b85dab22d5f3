//! Whether messages would be booked now, which is found out by the way on which they are booked.

use std::sync::Arc;

use ops_proto::Time;
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits::{CERTIFICATE_WARNING_INTERVAL, PROBE_AGE_MAX, PROBE_TIMEOUT};
use crate::meter;
use crate::provider::Ends;
use crate::refusal::{Code, Refusal};
use crate::writer::{Answer, WriterWatch, now};

/// Tells whether messages would be booked.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    writer: WriterWatch,
    ends: Arc<Ends>,
    probing: Arc<Mutex<Probing>>,
}

/// The newest probe. There is one at a time, however many ask.
#[derive(Debug, Default)]
struct Probing {
    done: Option<(Instant, Result<(), Refusal>)>,
    under_way: Option<oneshot::Receiver<Answer>>,
}

impl Readiness {
    pub(crate) fn new(writer: WriterWatch, ends: Ends) -> Self {
        Self {
            writer,
            ends: Arc::new(ends),
            probing: Arc::default(),
        }
    }

    /// Returns without a word when messages would be booked.
    ///
    /// # Errors
    ///
    /// Why they would not be, to be repeated later.
    pub(crate) async fn check(&self) -> Result<(), Refusal> {
        if let Some(ended) = self.ends.ended(now()) {
            return Err(Refusal::new(Code::Busy, ended));
        }
        tokio::time::timeout(PROBE_TIMEOUT, self.probe())
            .await
            .unwrap_or_else(|_| Err(Refusal::new(Code::Busy, "the books do not answer")))?;
        if self.writer.has_failed() {
            return Err(Refusal::new(
                Code::Busy,
                "the newest messages were not booked",
            ));
        }

        Ok(())
    }

    /// Returns what the operator should do something about in time.
    pub(crate) fn warnings(&self, now: Time) -> Vec<String> {
        self.ends.warnings(now)
    }

    /// Logs every day what the operator should do something about, until the server stops.
    pub(crate) async fn warn(self, stop: CancellationToken) {
        for (paper, end) in self.ends.all() {
            meter::certificate_ends(paper.as_str(), end);
        }
        loop {
            for warning in self.warnings(now()) {
                tracing::warn!(warning, "A certificate has to be renewed");
            }
            tokio::select! {
                biased; // a stop is never kept waiting
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CERTIFICATE_WARNING_INTERVAL) => {}
            }
        }
    }

    /// Has a probe booked, or waits for the one that is under way. Who does not wait until its end leaves it to the
    /// next one who asks.
    async fn probe(&self) -> Result<(), Refusal> {
        let mut probing = self.probing.lock().await;
        if let Probing {
            done: Some((at, outcome)),
            under_way: None,
        } = &*probing
            && at.elapsed() < PROBE_AGE_MAX
        {
            return outcome.clone();
        }
        let answer = match &mut probing.under_way {
            Some(answer) => answer,
            none @ None => none.insert(self.writer.probe()?),
        };
        let stopped = || Refusal::new(Code::Busy, "the writer has stopped");
        let outcome = match answer.await {
            Ok(answer) => answer.map(drop).map_err(in_other_words),
            Err(_) => Err(stopped()),
        };
        *probing = Probing {
            done: Some((Instant::now(), outcome.clone())),
            under_way: None,
        };

        outcome
    }
}

/// Whatever a probe is refused for may pass: who asks is to ask again.
fn in_other_words(refusal: Refusal) -> Refusal {
    Refusal::new(Code::Busy, refusal.message)
}
