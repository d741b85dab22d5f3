//! The journal's file: SQLite in WAL mode, synced at every commit. Facts, and the book that follows from them: what grows with
//! the years in tables of its own, the rest as one value that is written now and then and folded on from there.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ops_proto::contract::Mark;
use ops_proto::signed::{decode_canonical, encode};
use ops_proto::{Digest, Time};
use rusqlite::{Connection, OptionalExtension as _, params};
use rustix::fs::FlockOperation;

use super::book::{self, Book, DiskIndex};
use super::entry::{Recorded, Seq};
use super::fact::Fact;
use super::head::Head;
use super::reserve::Reserve;
use super::sqlite::{BUSY_WAIT, empty_log, open_error, to_i64, write_error};
use super::{JOURNAL_FILE, JournalError, facts};

/// The version of the tables, in SQLite's `user_version`. In version 1 there were facts alone; a file says so until all of
/// them are folded.
pub(super) const VERSION: i64 = 2;
const VERSION_FACTS_ALONE: i64 = 1;

/// One row: the book without what is on the index, as it was at a fact.
const SNAPSHOT: &str = "
    CREATE TABLE IF NOT EXISTS snapshot (
        id     INTEGER PRIMARY KEY CHECK (id = 1),
        fact   INTEGER NOT NULL,
        bytes  BLOB NOT NULL,
        digest BLOB NOT NULL
    ) STRICT;
";

/// Facts that are folded anew at a start, at most: so often the book is written.
const SNAPSHOT_FACTS: u64 = if cfg!(test) { 5 } else { 256 };

/// The file whose lock says that a journal is in use.
const LOCK_FILE: &str = "journal.lock";

/// Pages of facts between two words on how far the first fold is.
const PAGES_TOLD: u32 = 20;

/// How long a daemon that starts waits for one that is ending.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// The open file.
#[derive(Debug)]
pub(super) struct Store {
    connection: Arc<Mutex<Connection>>,
    /// As of the newest fact.
    book: Book,
    index: DiskIndex,
    snapshot_at: Seq,
    /// The hash of the newest fact.
    hash: Digest,
    head: Head,
    reserve: Reserve,
    _lock: File,
}

impl Store {
    /// Opens the file, and folds what is not folded yet.
    pub(super) fn open(state_dir: &Path) -> Result<Self, JournalError> {
        Self::open_within(state_dir, LOCK_WAIT)
    }

    /// As [`Self::open`], for a test that knows that the file is in use.
    #[cfg(test)]
    pub(super) fn open_without_waiting(state_dir: &Path) -> Result<Self, JournalError> {
        Self::open_within(state_dir, Duration::ZERO)
    }

    fn open_within(state_dir: &Path, lock_wait: Duration) -> Result<Self, JournalError> {
        let lock = lock(state_dir, lock_wait)?;
        let connection = connect(state_dir)?;
        prepare(&connection)?;
        #[cfg(blepay_world)]
        {
            let refusals = host::world::refusals();
            let hooked = connection.commit_hook(Some(move || refusals.refuse()));
            hooked.map_err(|error| open_error(&error))?;
        }
        let connection = Arc::new(Mutex::new(connection));
        let index = DiskIndex::new(Arc::clone(&connection));
        let (head, noted) = Head::open(state_dir)?;
        let mut store = Self {
            connection,
            book: Book::default(),
            index,
            snapshot_at: Seq(0),
            hash: Digest::ZERO,
            head,
            reserve: Reserve::open(state_dir),
            _lock: lock,
        };
        store.load()?;
        store.check_end(noted)?;

        Ok(store)
    }

    /// Returns the book as of the newest fact, for readers: they have a connection of their own.
    pub(super) fn book_for(&self, index: &DiskIndex) -> Book {
        self.book.clone().on(index.clone())
    }

    /// Appends in one transaction; on disk when this returns.
    pub(super) fn append(
        &mut self,
        entries: &[&(Fact, Option<Mark>)],
        at: Time,
    ) -> Result<Vec<Recorded>, JournalError> {
        // a debit is begun only while there is room to record what the TA signed
        let begins_debit = entries.iter().any(|(fact, _)| fact.begins_debit());
        if begins_debit && !self.reserve.hold() {
            return Err(JournalError::Full);
        }
        match self.commit(entries, at) {
            // the reserve is for what cannot be refused any more
            Err(JournalError::Full) if !begins_debit && self.reserve.release() => {
                self.commit(entries, at)
            }
            outcome => outcome,
        }
    }

    #[cfg(test)]
    pub(super) fn book_newest(&self) -> Seq {
        self.book.newest()
    }

    /// Runs a pragma that answers with a number.
    #[cfg(test)]
    pub(super) fn pragma(&self, pragma: &str) -> i64 {
        let sql = format!("PRAGMA {pragma}");
        let answer = self.connection().query_row(&sql, [], |row| row.get(0));

        answer.expect("a number")
    }

    /// Writes what has not reached the file itself yet, and the book: when nothing was appended for a while, and at the end.
    /// Returns whether all of it is there; a reader that is at work keeps the log.
    pub(super) fn settle(&mut self) -> bool {
        if self.snapshot_at < self.book.newest() {
            self.snapshot();
        }
        if let Err(error) = self.head.sync() {
            tracing::debug!(%error, "Where the journal ends may not be on the disk");
        }
        let emptied = empty_log(&self.connection());
        if let Err(error) = &emptied {
            tracing::debug!(%error, "The journal's log stays beside it");
        }

        emptied.unwrap_or_default()
    }

    fn commit(
        &mut self,
        entries: &[&(Fact, Option<Mark>)],
        at: Time,
    ) -> Result<Vec<Recorded>, JournalError> {
        let mut recorded = Vec::with_capacity(entries.len());
        let mut seq = self.book.newest();
        for (fact, mark) in entries {
            seq = Seq(seq.0.checked_add(1).ok_or(JournalError::Full)?);
            recorded.push(Recorded {
                seq,
                at,
                mark: *mark,
                fact: fact.clone(),
            });
        }
        let is_due = seq.0.saturating_sub(self.snapshot_at.0) >= SNAPSHOT_FACTS;
        let book = self.transaction(|store| {
            let mut hash = store.hash;
            for recorded in &recorded {
                facts::insert(&store.connection(), recorded)?;
                hash = facts::chain(&store.connection(), recorded, &hash)?;
            }
            Ok((store.folded(&recorded)?, hash))
        })?;
        let (book, hash) = book;
        self.book = book;
        self.hash = hash;
        self.head.set(seq, &hash);
        if is_due {
            self.snapshot();
        }

        Ok(recorded)
    }

    /// Writes the book as it is now, apart from what must be written: without it a start only folds more.
    fn snapshot(&mut self) {
        match self.transaction(|store| store.write_snapshot(&store.book)) {
            Ok(()) => self.snapshot_at = self.book.newest(),
            Err(error) => tracing::debug!(%error, "The book is written another time"),
        }
    }

    /// Does work in one transaction: all of it is on disk when this returns, or nothing.
    fn transaction<T>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let run = |sql: &str| {
            let done = self.connection().execute_batch(sql);
            done.map_err(|error| write_error(&error))
        };
        run("BEGIN IMMEDIATE")?;
        let outcome = work(self).and_then(|done| run("COMMIT").map(|()| done));
        if outcome.is_err() {
            // a commit that was refused has rolled back by itself
            let _nothing_to_do = run("ROLLBACK");
        }

        outcome
    }

    /// Folds facts that are in the file.
    fn folded(&self, recorded: &[Recorded]) -> Result<Book, JournalError> {
        let mut book = self.book.clone();
        for recorded in recorded {
            book.apply(recorded);
        }

        match self.index.take_failure() {
            None => Ok(book),
            Some(failure) => Err(failure),
        }
    }

    fn write_snapshot(&self, book: &Book) -> Result<(), JournalError> {
        let bytes = encode(book);
        let digest = snapshot_digest(&bytes);
        let put = "INSERT INTO snapshot (id, fact, bytes, digest) VALUES (1, ?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET
                fact = excluded.fact, bytes = excluded.bytes, digest = excluded.digest";
        let values = params![to_i64(book.newest().0)?, bytes, digest];
        let written = self.connection().execute(put, values);

        written.map(drop).map_err(|error| write_error(&error))
    }

    /// Takes the book as it was written last, and folds on.
    fn load(&mut self) -> Result<(), JournalError> {
        let version = version(&self.connection())?;
        let newest = facts::newest(&self.connection())?;
        let held = read_snapshot(&self.connection())?;
        self.snapshot_at = held.as_ref().map_or(Seq(0), Book::newest);
        if version == VERSION_FACTS_ALONE {
            if held.is_none() {
                self.clear_index()?;
            }
            self.book = held.unwrap_or_default().on(self.index.clone());
            self.fold_all(newest)?;
            self.book.know_contradictions(self.index.contradictions());
        } else {
            self.book = folded_on(&self.connection, self.index.clone(), newest)?;
            if newest.0.saturating_sub(self.snapshot_at.0) > SNAPSHOT_FACTS {
                self.snapshot();
            }
        }
        if let Some(failure) = self.index.take_failure() {
            return Err(failure);
        }
        let hash = facts::hash_of(&self.connection(), newest)?;
        self.hash = hash.ok_or(JournalError::Damaged(to_i64(newest.0)?))?;

        Ok(())
    }

    /// The journal still has the fact that was noted as its newest, and it is the same.
    fn check_end(&mut self, noted: Option<(Seq, Digest)>) -> Result<(), JournalError> {
        let newest = self.book.newest();
        if let Some((seq, hash)) = noted {
            if seq > newest {
                return Err(JournalError::Shortened {
                    ends: newest.0,
                    had: seq.0,
                });
            }
            if facts::hash_of(&self.connection(), seq)? != Some(hash) {
                return Err(JournalError::Exchanged(seq.0));
            }
        }
        self.head.set(newest, &self.hash.clone());

        Ok(())
    }

    /// Nothing is folded onto rows whose book is not known.
    fn clear_index(&self) -> Result<(), JournalError> {
        let clear: Vec<_> = book::TABLE_NAMES
            .iter()
            .map(|table| format!("DELETE FROM {table};"))
            .collect();
        let cleared = self.connection().execute_batch(&clear.concat());

        cleared.map_err(|error| open_error(&error))
    }

    /// A journal of a time when there were facts alone: it is folded once, page by page.
    fn fold_all(&mut self, newest: Seq) -> Result<(), JournalError> {
        let mut pages = 0_u32;
        while self.book.newest() < newest {
            let after = self.book.newest();
            let page = facts::page_unchained(&self.connection(), after)?;
            if page.is_empty() {
                break;
            }
            let book = self.transaction(|store| {
                let connection = store.connection();
                let mut hash = facts::hash_of(&connection, after)?
                    .ok_or(JournalError::Damaged(to_i64(after.0)?))?;
                for recorded in &page {
                    hash = facts::chain(&connection, recorded, &hash)?;
                }
                drop(connection);
                let book = store.folded(&page)?;
                store.write_snapshot(&book)?;

                Ok(book)
            })?;
            self.book = book;
            self.snapshot_at = self.book.newest();
            pages = pages.wrapping_add(1);
            if pages.is_multiple_of(PAGES_TOLD) {
                let (done, of) = (self.book.newest().0, newest.0);
                tracing::info!(done, of, "Reading the journal, once, to make its index");
            }
        }
        let set = format!("PRAGMA user_version = {VERSION}");
        let done = self.connection().execute_batch(&set);

        done.map_err(|error| open_error(&error))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the book as of the newest fact, where the index has taken all facts: as it was written last, and folded on.
pub(super) fn folded_on(
    connection: &Mutex<Connection>,
    index: DiskIndex,
    newest: Seq,
) -> Result<Book, JournalError> {
    let lock = || connection.lock().unwrap_or_else(PoisonError::into_inner);
    let held = read_snapshot(&lock())?.unwrap_or_default();
    let mut book = held.on(index.frozen());
    while book.newest() < newest {
        let page = facts::page(&lock(), book.newest())?;
        if page.is_empty() {
            break;
        }
        for recorded in &page {
            book.apply(recorded);
        }
    }
    book.know_contradictions(index.contradictions());

    Ok(book.on(index))
}

/// Returns the book that was written last; none when there is none that can be trusted, and then all facts are folded.
fn read_snapshot(connection: &Connection) -> Result<Option<Book>, JournalError> {
    let select = "SELECT bytes, digest FROM snapshot WHERE id = 1";
    let found: Option<(Vec<u8>, Vec<u8>)> = connection
        .query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(|error| open_error(&error))?;
    let Some((bytes, digest)) = found else {
        return Ok(None);
    };
    let book = decode_canonical(&bytes).ok();

    Ok(book.filter(|_: &Book| snapshot_digest(&bytes).as_slice() == digest))
}

/// The layout of a written book: raise it with every change of what is in it, and the next start folds all facts.
const SNAPSHOT_LAYOUT: u8 = 2;

fn snapshot_digest(bytes: &[u8]) -> [u8; 32] {
    Digest::of(&[&[SNAPSHOT_LAYOUT], bytes]).0
}

/// Opens a index that only reads, with a connection of its own: it does not wait for what is being written.
pub(super) fn reader(state_dir: &Path) -> Result<DiskIndex, JournalError> {
    let connection = connect(state_dir)?;
    connection
        .execute_batch("PRAGMA query_only = ON;")
        .map_err(|error| open_error(&error))?;

    Ok(DiskIndex::for_reading(Arc::new(Mutex::new(connection))))
}

/// Forgets the tables that follow from the facts, and the book.
pub(super) fn forget_index(state_dir: &Path) -> Result<(), JournalError> {
    let _lock = lock(state_dir, Duration::ZERO)?;
    let connection = connect(state_dir)?;
    let cleared: Vec<_> = book::TABLE_NAMES
        .iter()
        .map(|table| format!("DROP TABLE {table};"))
        .collect();
    let forget = format!(
        "BEGIN IMMEDIATE; {} DELETE FROM snapshot; PRAGMA user_version = {VERSION_FACTS_ALONE}; COMMIT;",
        cleared.concat()
    );

    connection
        .execute_batch(&forget)
        .map_err(|error| open_error(&error))
}

/// One process alone: a second daemon on the same state must fail, not share.
fn lock(state_dir: &Path, wait: Duration) -> Result<File, JournalError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(state_dir.join(LOCK_FILE))
        .map_err(|error| JournalError::Open(error.to_string()))?;
    let mut waited = Duration::ZERO;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(_) if waited < wait => std::thread::sleep(LOCK_RETRY),
            Err(_) => return Err(JournalError::Open("another program uses it".to_owned())),
        }
        waited = waited.saturating_add(LOCK_RETRY);
    }
}

fn connect(state_dir: &Path) -> Result<Connection, JournalError> {
    let path = state_dir.join(JOURNAL_FILE);
    let _made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        // it holds secrets of requests; SQLite gives its other files the same mode
        .mode(0o600)
        .open(&path)
        .map_err(|error| JournalError::Open(error.to_string()))?;
    let connection = Connection::open(path).map_err(|error| open_error(&error))?;
    connection
        .busy_timeout(BUSY_WAIT)
        .map_err(|error| open_error(&error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;")
        .map_err(|error| open_error(&error))?;

    Ok(connection)
}

/// Statements that are kept prepared: all there are.
const STATEMENTS_MAX: usize = 64;

fn prepare(connection: &Connection) -> Result<(), JournalError> {
    let run = |sql: &str| {
        connection
            .execute_batch(sql)
            .map_err(|error| open_error(&error))
    };
    let index = format!("{} {} {SNAPSHOT}", facts::CHAIN_TABLE, book::TABLES);
    match version(connection)? {
        0 => run(&format!(
            "BEGIN IMMEDIATE; {} {index} PRAGMA user_version = {VERSION}; COMMIT;",
            facts::TABLE
        )),
        VERSION_FACTS_ALONE => run(&format!("BEGIN IMMEDIATE; {index} COMMIT;")),
        VERSION => run("BEGIN IMMEDIATE; COMMIT;"),
        newer => Err(JournalError::NewerVersion(newer)),
    }
}

fn version(connection: &Connection) -> Result<i64, JournalError> {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| open_error(&error))
}
