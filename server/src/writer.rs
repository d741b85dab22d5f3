//! The one writer: many messages, one transaction, each with its own outcome.
//!
//! Messages that wait are taken together; each runs behind a mark of its own, so that one that is
//! refused undoes only itself; one commit makes all of them durable, and only then do answers leave.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ops_proto::Time;
use tokio::sync::{mpsc, oneshot};

use crate::limits::{GROUP_MAX, QUEUE_MAX};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::service::{Desk, Order, Stop};
use crate::store::{Store, StoreError, Unit};

type Answer = Result<Vec<u8>, Refusal>;

/// Hands messages to the writer.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    order: Order,
    reply: oneshot::Sender<Answer>,
}

/// Tells whether the writer runs, without keeping it running.
#[derive(Clone, Debug)]
pub(crate) struct WriterWatch(mpsc::WeakSender<Job>);

impl WriterWatch {
    pub(crate) fn is_open(&self) -> bool {
        self.0.upgrade().is_some_and(|queue| !queue.is_closed())
    }
}

/// The writer itself: run it until every [`Writer`] is gone.
#[derive(Debug)]
pub(crate) struct WriterTask {
    store: Store,
    provider: Arc<Provider>,
    queue: mpsc::Receiver<Job>,
}

/// Makes a writer and its task.
pub(crate) fn writer(store: Store, provider: Arc<Provider>) -> (Writer, WriterTask) {
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    let task = WriterTask {
        store,
        provider,
        queue,
    };

    (Writer { queue: sender }, task)
}

impl Writer {
    /// Has a message booked, and returns the answer once it is durable.
    pub(crate) async fn book(&self, order: Order) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Job { order, reply })
            .map_err(|_| Refusal::new(Code::Busy, "the server has too much to do"))?;

        answer.await.unwrap_or_else(|_| Err(unknown()))
    }

    /// Returns what tells whether the writer runs.
    pub(crate) fn watch(&self) -> WriterWatch {
        WriterWatch(self.queue.downgrade())
    }

    /// Returns whether messages are still taken.
    pub(crate) fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }
}

impl WriterTask {
    /// Books messages until nobody can send any more, and closes the books.
    pub(crate) async fn run(mut self) {
        let mut jobs = Vec::with_capacity(GROUP_MAX);
        while self.queue.recv_many(&mut jobs, GROUP_MAX).await > 0 {
            let answers = self.book_group(&jobs).await;
            for (job, answer) in jobs.drain(..).zip(answers) {
                // Who does not wait any more asks again.
                drop(job.reply.send(answer));
            }
        }
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "The books were not closed in order");
        }
    }

    async fn book_group(&mut self, jobs: &[Job]) -> Vec<Answer> {
        match self.try_book_group(jobs).await {
            Ok(answers) => answers,
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, source, "A group of messages was not booked");
                jobs.iter().map(|_| Err(unknown())).collect()
            }
        }
    }

    async fn try_book_group(&mut self, jobs: &[Job]) -> Result<Vec<Answer>, StoreError> {
        let mut unit = self.store.begin().await?;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(book_one(&mut unit, &self.provider, &job.order).await?);
        }
        unit.commit().await?;

        Ok(answers)
    }
}

/// Books one message behind a mark of its own. An error ends the group.
async fn book_one(
    unit: &mut Unit<'_>,
    provider: &Provider,
    order: &Order,
) -> Result<Answer, StoreError> {
    unit.mark().await?;
    let mut desk = Desk {
        unit,
        provider,
        now: now(),
    };
    let stop = match order.apply(&mut desk).await {
        Ok(bytes) => {
            desk.unit.keep().await?;
            return Ok(Ok(bytes));
        }
        Err(stop) => stop,
    };
    desk.unit.undo().await?;
    match stop {
        Stop::Refused(refusal) => Ok(Err(refusal)),
        Stop::Convicted(conviction, refusal) => {
            desk.convict(&conviction).await?;

            Ok(Err(refusal))
        }
        Stop::Store(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, source, "A message was not booked");

            Ok(Err(Refusal::new(Code::Internal, "the books refused it")))
        }
    }
}

fn unknown() -> Refusal {
    Refusal::new(
        Code::OutcomeUnknown,
        "whether the message was booked is not known",
    )
}

/// Returns the present instant.
pub(crate) fn now() -> Time {
    let ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });

    Time::from_ms(ms)
}
