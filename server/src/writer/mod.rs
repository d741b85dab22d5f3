//! The one writer: many messages, one transaction, each with its own outcome.
//!
//! Messages that wait are taken together; each runs behind a mark of its own, so that one that is
//! refused undoes only itself; one commit makes all of them durable, and only then do answers leave.

mod lane;
mod waiting;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ops_proto::Time;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::limits::{ATTEMPTS_MAX, GROUP_MAX, PAUSE_MAX, PAUSE_MIN, QUEUE_MAX};
use crate::meter;
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::service::{Batch, Desk, Order, PlainBooked, Stop, bulk};
use crate::store::{Store, StoreError, Unit};
use lane::{Lane, Overtaken};
use waiting::{Waiting, Weigh};
use watch::NewestGroup;

pub(crate) use watch::WriterWatch;

pub(crate) type Answer = Result<Vec<u8>, Refusal>;

/// Hands messages to the writer.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    newest: NewestGroup,
}

#[derive(Debug)]
struct Job {
    order: Order,
    reply: oneshot::Sender<Answer>,
}

impl Weigh for Job {
    fn weight(&self) -> usize {
        self.order.weight()
    }
}

/// The writer itself: run it until every [`Writer`] is gone.
#[derive(Debug)]
pub(crate) struct WriterTask {
    store: Store,
    lane: Lane,
    provider: Arc<Provider>,
    queue: mpsc::Receiver<Job>,
    /// The connection to the books has to be made again.
    is_lost: bool,
    /// The books refused the plain claims of the present group: they are judged one by one.
    is_plain_refused: bool,
    newest: NewestGroup,
}

/// Makes a writer and its task.
pub(crate) fn writer(store: Store, provider: Arc<Provider>) -> (Writer, WriterTask) {
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    let newest = NewestGroup::default();
    let task = WriterTask {
        lane: Lane::of(&store),
        store,
        provider,
        queue,
        is_lost: false,
        is_plain_refused: false,
        newest: newest.clone(),
    };
    let queue = sender;

    (Writer { queue, newest }, task)
}

impl Writer {
    /// Has a message booked, and returns the answer once it is durable.
    pub(crate) async fn book(&self, order: Order) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Job { order, reply })
            .map_err(|_| busy())?;

        answer.await.unwrap_or_else(|_| Err(unknown()))
    }

    /// Returns what tells how the writer is.
    pub(crate) fn watch(&self) -> WriterWatch {
        WriterWatch::new(self.queue.downgrade(), self.newest.clone())
    }
}

impl WriterTask {
    /// Books messages until nobody can send any more, and closes the books.
    pub(crate) async fn run(mut self) {
        let mut waiting = Waiting::default();
        while self.receive(&mut waiting).await {
            let group = waiting.group();
            meter::queued(self.queue.len().saturating_add(waiting.len()));
            self.book(group).await;
            // One at a time: whoever came meanwhile goes before the next.
            if let Some(heavy) = waiting.heavy() {
                self.book(vec![heavy]).await;
            }
        }
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "The books were not closed in order");
        }
    }

    /// Takes what has come, and waits for it when there is nothing else to book; returns whether there is.
    async fn receive(&mut self, waiting: &mut Waiting<Job>) -> bool {
        let mut arrived = Vec::new();
        if waiting.is_empty() {
            self.queue.recv_many(&mut arrived, GROUP_MAX).await;
        } else {
            while arrived.len() < waiting.room()
                && let Ok(job) = self.queue.try_recv()
            {
                arrived.push(job);
            }
        }
        for job in arrived {
            if let Err(job) = waiting.put(job) {
                let message = "too many messages as large as this one wait";
                drop(job.reply.send(Err(Refusal::new(Code::Busy, message))));
            }
        }

        !waiting.is_empty()
    }

    async fn book(&mut self, group: Vec<Job>) {
        if group.is_empty() {
            return;
        }
        let overtaken = self.lane.book(group, &self.store, &self.provider).await;
        self.book_rest(overtaken).await;
    }

    /// Answers the messages that are booked, and books the others.
    async fn book_rest(&mut self, overtaken: Overtaken) {
        let Overtaken { jobs, plain, ready } = overtaken;
        let mut rest = Vec::new();
        if ready.iter().any(Option::is_some) {
            self.newest.booked();
        }
        for (job, ready) in jobs.into_iter().zip(ready) {
            match ready {
                // Who does not wait any more asks again.
                Some(bytes) => drop(job.reply.send(Ok(bytes))),
                None => rest.push(job),
            }
        }
        if rest.is_empty() {
            return;
        }
        tracing::debug!(count = rest.len(), "Messages are judged one by one");
        let answers = self.book_group(&rest, &plain).await;
        for (job, answer) in rest.into_iter().zip(answers) {
            drop(job.reply.send(answer));
        }
    }

    /// Books messages together, or each alone when together they do not come through.
    async fn book_group(&mut self, jobs: &[Job], plain: &PlainBooked) -> Vec<Answer> {
        match self.book_together(jobs, plain).await {
            Booked::Answers(answers) => return answers,
            Booked::Unknown => return jobs.iter().map(|_| Err(unknown())).collect(),
            Booked::No if jobs.len() > 1 => {}
            Booked::No => return jobs.iter().map(|_| Err(not_now())).collect(),
        }
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            let alone = std::slice::from_ref(job);
            answers.push(match self.book_together(alone, plain).await {
                Booked::Answers(mut answers) => answers.pop().unwrap_or_else(|| Err(not_now())),
                Booked::Unknown => Err(unknown()),
                Booked::No => Err(not_now()),
            });
        }

        answers
    }

    /// Books messages in one transaction, again and again while only others beside it are in the way.
    async fn book_together(&mut self, jobs: &[Job], plain: &PlainBooked) -> Booked {
        self.is_plain_refused = false;
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                tokio::time::sleep(pause(attempt)).await;
            }
            let error = match self.try_book(jobs, plain).await {
                Ok(answers) => {
                    self.newest.booked();
                    return Booked::Answers(answers);
                }
                Err(error) => error,
            };
            let source = std::error::Error::source(&error).map(ToString::to_string);
            meter::store_failed();
            self.is_lost |= error.is_connection_lost();
            if error.is_unknown() {
                tracing::warn!(%error, source, "Whether messages were booked is not known");
                self.newest.failed();
                return Booked::Unknown;
            }
            if error.may_be_repeated() {
                tracing::debug!(attempt, "A group of messages gives way to another process");
            } else {
                tracing::warn!(%error, source, attempt, "A group of messages was not booked");
                self.newest.failed();
            }
        }
        self.newest.failed();

        Booked::No
    }

    async fn try_book(
        &mut self,
        jobs: &[Job],
        plain: &PlainBooked,
    ) -> Result<Vec<Answer>, StoreError> {
        if self.is_lost {
            self.store.reopen().await?;
            self.is_lost = false;
            tracing::info!("The books are open again");
        }
        if let Err(error) = self.store.draw_stamps().await {
            // nothing was booked yet, but a connection whose commit failed is not to be used again
            self.is_lost |= error.is_connection_lost();
            return Err(error.of_nothing_booked());
        }
        let mut unit = self.store.begin().await?;
        let in_transaction = match self.lane {
            Lane::InTransaction if !self.is_plain_refused => {
                match book_plain(&mut unit, &self.provider, jobs).await {
                    Ok(booked) => Some(booked),
                    Err(error) => {
                        unit.abandon().await.ok();
                        self.is_plain_refused = !error.ends_transaction();
                        return Err(error);
                    }
                }
            }
            Lane::InTransaction | Lane::File(_) => None,
        };
        let booked = match in_transaction {
            Some((plain, ready)) => book_each(&mut unit, &self.provider, jobs, &plain, ready).await,
            None => book_each(&mut unit, &self.provider, jobs, plain, Vec::new()).await,
        };
        let answers = match booked {
            Ok(answers) => answers,
            Err(error) => {
                // The next transaction would begin with it otherwise, while locks are held.
                unit.abandon().await.ok();
                return Err(error);
            }
        };
        let begun = Instant::now();
        unit.commit().await?;
        meter::committed(jobs.len(), begun.elapsed());

        Ok(answers)
    }
}

/// What became of messages that were booked together.
enum Booked {
    /// Each has its answer, and is durable.
    Answers(Vec<Answer>),
    /// Nobody knows.
    Unknown,
    /// Nothing was changed.
    No,
}

/// Returns how long to wait before the next attempt: longer each time, and never as long as the others.
fn pause(attempt: u32) -> Duration {
    let longest = PAUSE_MAX.min(PAUSE_MIN.saturating_mul(2_u32.saturating_pow(attempt)));
    let mut random = [0];
    // Without randomness everybody waits as long, which is slower and not wrong.
    host::entropy::fill(&mut random).ok();
    let [random] = random;

    let parts = longest.checked_div(u32::from(u8::MAX)).unwrap_or(longest);

    parts.saturating_mul(u32::from(random))
}

/// Books messages one by one, but for those whose answers are ready.
async fn book_each(
    unit: &mut Unit<'_>,
    provider: &Provider,
    jobs: &[Job],
    plain: &PlainBooked,
    mut ready: Vec<Option<Vec<u8>>>,
) -> Result<Vec<Answer>, StoreError> {
    // A group that is tried again begins with what was not answered at first.
    let mut plain = plain.clone();
    let mut answers = Vec::with_capacity(jobs.len());
    for (number, job) in jobs.iter().enumerate() {
        let answer = match ready.get_mut(number).and_then(Option::take) {
            Some(bytes) => Ok(bytes),
            None => book_one(unit, provider, &job.order, &mut plain).await?,
        };
        answers.push(answer);
    }

    Ok(answers)
}

/// Books what is plain of all messages together. It has no mark of its own, which takes two round trips: an
/// error ends the transaction.
async fn book_plain(
    unit: &mut Unit<'_>,
    provider: &Provider,
    jobs: &[Job],
) -> Result<(PlainBooked, Vec<Option<Vec<u8>>>), StoreError> {
    let batches: Vec<Option<&Batch>> = jobs.iter().map(|job| job.order.batch()).collect();
    if batches.iter().all(Option::is_none) {
        return Ok((PlainBooked::default(), Vec::new()));
    }

    bulk::book(unit, provider, &batches, now()).await
}

/// Books one message behind a mark of its own. An error ends the group.
async fn book_one(
    unit: &mut Unit<'_>,
    provider: &Provider,
    order: &Order,
    plain: &mut PlainBooked,
) -> Result<Answer, StoreError> {
    unit.mark().await?;
    let mut desk = Desk {
        unit,
        provider,
        now: now(),
    };
    let stop = match order.apply(&mut desk, plain).await {
        Ok(bytes) => {
            desk.unit.keep().await?;
            return Ok(Ok(bytes));
        }
        Err(Stop::Store(error)) if error.ends_transaction() => return Err(error),
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

/// Says what the books did not do, and why.
fn trouble(error: &StoreError, what: &str) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, source, "{what}");
}

fn busy() -> Refusal {
    Refusal::new(Code::Busy, "the server has too much to do")
}

fn not_now() -> Refusal {
    Refusal::new(
        Code::Busy,
        "the books cannot take the message now; nothing was changed",
    )
}

fn unknown() -> Refusal {
    Refusal::new(
        Code::OutcomeUnknown,
        "whether the message was booked is not known",
    )
}

/// Returns the present instant.
pub(crate) fn now() -> Time {
    let since = host::clock::wall();

    Time::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
