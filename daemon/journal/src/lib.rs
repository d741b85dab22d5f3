//! The journal: the daemon's truth, as append-only facts on disk.
//!
//! ```text
//!  append(facts) ──► writer thread ──► one transaction, fsync ──► Book ──► subscribers
//!                    (bounded queue)    (facts, hashes, index)     └────► the caller's answer
//! ```
//!
//! What [`Journal::append`] has answered is on disk, is in the [`Book`] and survives power loss. Read
//! with [`Journal::view`]; nothing else holds state that matters.
//!
//! | in the file | what it is |
//! | --- | --- |
//! | `fact`, `fact_hash` | what happened, and the chain of its hashes: never changed, the truth |
//! | `sent`, `received`, `request`, `server_word` | payments and requests: the numbers of their facts, and what those changed |
//! | `place`, `sum` | where payments and requests are found, and what is counted of them |
//! | `snapshot` | the rest of the book, as it was at a fact; later facts are folded on from there at a start |
//!
//! `journal.head` beside it says where the journal ends, so that a forgotten tail is found.

#![allow(
    missing_docs,
    reason = "nothing in here is published; a name that says it all needs no sentence"
)]

pub mod book;
pub mod check;
pub mod entry;
pub mod fact;
mod facts;
mod head;
mod operation;
mod reserve;
mod sqlite;
mod store;
pub mod unfinished;
mod writer;

use std::path::Path;
use std::sync::{Arc, RwLock};

use ops_proto::contract::Mark;
use tokio::sync::{broadcast, mpsc};

pub use book::Book;
pub use entry::{Recorded, Seq};
pub use fact::{
    ApprovedBy, Enrolled, Entry, Fact, Found, NoiseSecretBytes, PayIntent, RequestIntent,
    UriSecretBytes,
};

pub use reserve::RESERVE_FILE;
use store::Store;
use writer::{Append, SharedBook};

/// The file of the journal, in the state directory.
pub const JOURNAL_FILE: &str = "journal.sqlite";

/// Appends that wait for the writer; who comes later waits to be let in.
pub const APPENDS_QUEUED_MAX: usize = 256;

/// Facts that a slow subscriber may be behind before it loses the oldest.
pub const SUBSCRIBER_FACTS_MAX: usize = 1024;

/// The way to the journal. Cloning it is cheap; the writer ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Journal {
    appends: mpsc::Sender<Append>,
    shared: Arc<SharedBook>,
}

impl Journal {
    /// Opens the journal of a state directory, making it if there is none, and folds its facts.
    ///
    /// Call it once per directory and process, at start, before anything else is done: it blocks.
    ///
    /// # Errors
    ///
    /// [`JournalError::Open`] when the file cannot be used, [`JournalError::Damaged`] when a fact that is read
    /// does not decode.
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        Self::open_until(state_dir, PowerCut::Never)
    }

    /// As [`Self::open`], for tests: the power goes at a given commit, as far as this file can tell.
    ///
    /// From then on nothing is written and nobody is answered; a new journal can be opened.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_until(state_dir: &Path, cut: PowerCut) -> Result<Self, JournalError> {
        let store = Store::open(state_dir)?;
        let reader = store::reader(state_dir)?;
        let shared = Arc::new(SharedBook {
            book: RwLock::new(Arc::new(store.book_for(&reader))),
            reader,
            recorded: broadcast::Sender::new(SUBSCRIBER_FACTS_MAX),
        });
        let (appends, queue) = mpsc::channel(APPENDS_QUEUED_MAX);
        writer::start(store, queue, Arc::clone(&shared), cut)?;

        Ok(Self { appends, shared })
    }

    /// Appends facts, all or none, and returns the number of the last once they are on disk.
    ///
    /// Dropping the future does not take the facts back.
    ///
    /// # Errors
    ///
    /// [`JournalError::Full`] when the disk is full, [`JournalError::Failed`] when it fails,
    /// [`JournalError::Contradiction`] for a payment that must not begin, all with nothing written;
    /// [`JournalError::Closed`] after the writer has ended.
    pub async fn append(&self, facts: Vec<Fact>) -> Result<Seq, JournalError> {
        let (append, outcome) = Append::new(facts.into_iter().map(|fact| (fact, None)).collect());
        self.appends
            .send(append)
            .await
            .map_err(|_closed| JournalError::Closed)?;

        outcome.await.map_err(|_closed| JournalError::Closed)?
    }

    /// Appends the operations of a TA with their marks, from the TA's own loop.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub async fn append_operations(&self, facts: Vec<(Fact, Mark)>) -> Result<Seq, JournalError> {
        let entries = facts
            .into_iter()
            .map(|(fact, mark)| (fact, Some(mark)))
            .collect();
        let (append, outcome) = Append::new(entries);
        self.appends
            .send(append)
            .await
            .map_err(|_closed| JournalError::Closed)?;

        outcome.await.map_err(|_closed| JournalError::Closed)?
    }

    /// Returns when nothing is written any more: the writer has ended, as it does when the power goes.
    pub async fn ended(&self) {
        self.appends.closed().await;
    }

    /// Reads the book. What grows with the years is read from the disk: keep `read` short, or off the runtime's threads.
    pub fn view<T>(&self, read: impl FnOnce(&Book) -> T) -> T {
        read(&self.shared.book())
    }

    /// Returns the first error of a read since the start, if there was one. While there is one, no payment begins; check the disk.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.reader.trouble().map(str::to_owned)
    }

    /// Returns every fact from now on, as it reaches the disk; who lags behind
    /// [`SUBSCRIBER_FACTS_MAX`] loses the oldest.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Recorded>> {
        self.shared.recorded.subscribe()
    }
}

/// When the power goes, in a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// It does not.
    Never,
    /// Instead of the n-th commit; 1 is the first.
    Before(u64),
    /// After the n-th commit, before anyone hears of it.
    After(u64),
}

/// The journal did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened or made.
    #[error("the journal cannot be opened: {0}")]
    Open(String),
    /// The file was written by a newer program.
    #[error("the journal has version {0}, which needs a newer program")]
    NewerVersion(i64),
    /// A fact in it does not decode: the disk is damaged, or somebody changed it.
    #[error("the journal is damaged at fact {0}; restore it from the backup")]
    Damaged(i64),
    /// It ends before where it ended once: the disk forgot what came last, or the file is an older copy.
    #[error(
        "the journal ends at fact {ends}, and it had {had}: its newest facts are lost. Put the whole journal back, from the disk or the backup; to go on without them, remove journal.head from the state directory, and see blepay doctor"
    )]
    Shortened {
        /// Its newest fact.
        ends: u64,
        /// The newest fact that was noted beside it.
        had: u64,
    },
    /// It is not the one that was here: its facts are others from this one on, or before.
    #[error(
        "the journal is another one than was here: fact {0} differs; restore the one that belongs to this device"
    )]
    Exchanged(u64),
    /// The disk is full. Nothing was written; no payment is begun until there is room again.
    #[error("the disk is full; free some space")]
    Full,
    /// The disk failed. Nothing was written.
    #[error("the journal cannot be written: {0}")]
    Failed(String),
    /// A payment was to begin for a request whose number its payee used for another. Nothing was
    /// written.
    #[error("the payee used the number of this request for another one")]
    Contradiction,
    /// The writer has ended.
    #[error("the journal is closed")]
    Closed,
}

#[cfg(test)]
mod agree;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod rot;
#[cfg(test)]
mod small_world;
#[cfg(test)]
mod tests;
