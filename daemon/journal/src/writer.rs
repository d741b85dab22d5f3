//! The one thread that writes: takes what waits, commits it together, folds it, answers.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use host::task::Work;
use ops_proto::contract::Mark;
use runtime::clock;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::book::{Book, DiskIndex};
use super::entry::{Recorded, Seq};
use super::fact::Fact;
use super::store::Store;
use super::{APPENDS_QUEUED_MAX, JournalError, PowerCut};

/// How long nothing is appended before what is in SQLite's log is moved to the file: a page that rots in the log is lost with all
/// that came after it.
const SETTLE_AFTER: Duration = if cfg!(test) {
    Duration::from_millis(20)
} else {
    Duration::from_secs(60)
};

/// Facts to append, all or none, and who waits for them.
#[derive(Debug)]
pub(super) struct Append {
    entries: Vec<(Fact, Option<Mark>)>,
    done: oneshot::Sender<Result<Seq, JournalError>>,
}

/// What readers of the journal see.
#[derive(Debug)]
pub(super) struct SharedBook {
    pub(super) book: RwLock<Arc<Book>>,
    /// What readers of the book read from.
    pub(super) reader: DiskIndex,
    pub(super) recorded: broadcast::Sender<Arc<Recorded>>,
}

impl SharedBook {
    pub(super) fn book(&self) -> Arc<Book> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);

        Arc::clone(&book)
    }
}

impl Append {
    pub(super) fn new(
        entries: Vec<(Fact, Option<Mark>)>,
    ) -> (Self, oneshot::Receiver<Result<Seq, JournalError>>) {
        let (done, outcome) = oneshot::channel();

        (Self { entries, done }, outcome)
    }
}

/// Starts the thread; it ends when every [`super::Journal`] is dropped and the queue is empty.
pub(super) fn start(
    store: Store,
    queue: mpsc::Receiver<Append>,
    shared: Arc<SharedBook>,
    cut: PowerCut,
) -> Result<(), JournalError> {
    host::task::thread("journal", run(store, queue, shared, cut))
        .map_err(|error| JournalError::Open(error.to_string()))
}

async fn run(
    mut store: Store,
    mut queue: mpsc::Receiver<Append>,
    shared: Arc<SharedBook>,
    cut: PowerCut,
) {
    let mut commits = 0_u64;
    let mut is_settled = false;
    loop {
        let next = if is_settled {
            Ok(queue.recv().await)
        } else {
            tokio::time::timeout(SETTLE_AFTER, queue.recv()).await
        };
        let first = match next {
            Ok(Some(first)) => first,
            Ok(None) => break,
            Err(_nothing_came) => {
                is_settled = store.settle();
                continue;
            }
        };
        is_settled = false;
        commits = commits.saturating_add(1);
        if cut == PowerCut::Before(commits) {
            return;
        }
        let mut appends = vec![first];
        while appends.len() < APPENDS_QUEUED_MAX
            && let Ok(next) = queue.try_recv()
        {
            appends.push(next);
        }
        host::task::pause(Work::Journal).await;
        let written = write(&mut store, &appends, &shared);
        if cut == PowerCut::After(commits) {
            return;
        }
        match written {
            Ok(recorded) => publish(&store, &shared, appends, recorded),
            // one of them may be what does not fit: each gets a commit and an outcome of its own
            Err(_) => appends
                .into_iter()
                .for_each(|append| write_alone(&mut store, append, &shared)),
        }
    }
    let _settled = store.settle();
}

fn write_alone(store: &mut Store, append: Append, shared: &SharedBook) {
    let appends = vec![append];
    match write(store, &appends, shared) {
        Ok(recorded) => publish(store, shared, appends, recorded),
        Err(error) => {
            for append in appends {
                let _nobody_waits = append.done.send(Err(error.clone()));
            }
        }
    }
}

fn write(
    store: &mut Store,
    appends: &[Append],
    shared: &SharedBook,
) -> Result<Vec<Recorded>, JournalError> {
    let entries: Vec<_> = appends
        .iter()
        .flat_map(|append| append.entries.iter())
        .collect();
    check_intents(&entries, shared)?;
    // a read that failed may have led to a wrong decision: no payment is begun, and those that were begun are still recorded
    let begins_debit = entries.iter().any(|(fact, _)| fact.begins_debit());
    if begins_debit && let Some(trouble) = shared.reader.trouble() {
        return Err(JournalError::Failed(trouble.to_owned()));
    }

    store.append(&entries, clock::now())
}

/// A payment begins only if the book will know it as what it is.
fn check_intents(
    entries: &[&(Fact, Option<Mark>)],
    shared: &SharedBook,
) -> Result<(), JournalError> {
    let intents: Vec<_> = entries
        .iter()
        .filter_map(|(fact, _)| fact.request_to_pay())
        .collect();
    // Two intents in one commit may contradict each other: the group is refused, and each is then written alone.
    if intents.len() > 1 {
        return Err(JournalError::Contradiction);
    }
    let book = shared.book();
    if intents.iter().any(|request| book.knows_otherwise(request)) {
        return Err(JournalError::Contradiction);
    }

    Ok(())
}

fn publish(store: &Store, shared: &SharedBook, appends: Vec<Append>, recorded: Vec<Recorded>) {
    let book = Arc::new(store.book_for(&shared.reader));
    *shared.book.write().unwrap_or_else(PoisonError::into_inner) = book;
    let mut recorded = recorded.into_iter();
    for append in appends {
        let mut last = Seq(0);
        for _ in &append.entries {
            let Some(recorded) = recorded.next() else {
                break;
            };
            last = recorded.seq;
            host::trace("fact", &recorded.seq.0.to_le_bytes());
            let _nobody_listens = shared.recorded.send(Arc::new(recorded));
        }
        let _nobody_waits = append.done.send(Ok(last));
    }
}
