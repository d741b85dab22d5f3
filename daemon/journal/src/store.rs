//! The journal's file: SQLite in WAL mode, synced at every commit.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use ops_proto::contract::Mark;
use ops_proto::signed::{decode_canonical, encode};
use ops_proto::{Digest, Time};
use rusqlite::{Connection, ErrorCode, Row, params};

use super::entry::{Recorded, Seq};
use super::fact::Fact;
use super::reserve::Reserve;
use super::{JOURNAL_FILE, JournalError};

/// The version of the tables, in SQLite's `user_version`.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE fact (
        seq       INTEGER PRIMARY KEY,
        kind      INTEGER NOT NULL,
        at_ms     INTEGER NOT NULL,
        mark_o    INTEGER,
        mark_hash BLOB,
        bytes     BLOB NOT NULL
    ) STRICT;
    CREATE TRIGGER fact_is_never_changed BEFORE UPDATE ON fact
        BEGIN SELECT RAISE(ABORT, 'facts are only ever added'); END;
    CREATE TRIGGER fact_is_never_removed BEFORE DELETE ON fact
        BEGIN SELECT RAISE(ABORT, 'facts are only ever added'); END;
";

const SELECT: &str = "SELECT seq, kind, at_ms, mark_o, mark_hash, bytes FROM fact ORDER BY seq";

const INSERT: &str =
    "INSERT INTO fact (seq, kind, at_ms, mark_o, mark_hash, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// How long a daemon that starts waits for one that is ending.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The open file.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    next: u64,
    reserve: Reserve,
}

impl Store {
    /// Opens the file and returns it with all its facts, oldest first.
    pub(super) fn open(state_dir: &Path) -> Result<(Self, Vec<Recorded>), JournalError> {
        Self::open_within(state_dir, LOCK_WAIT)
    }

    /// As [`Self::open`], for a test that knows that the file is in use.
    #[cfg(test)]
    pub(super) fn open_without_waiting(
        state_dir: &Path,
    ) -> Result<(Self, Vec<Recorded>), JournalError> {
        Self::open_within(state_dir, Duration::ZERO)
    }

    fn open_within(
        state_dir: &Path,
        lock_wait: Duration,
    ) -> Result<(Self, Vec<Recorded>), JournalError> {
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
            .busy_timeout(lock_wait)
            .map_err(|error| open_error(&error))?;
        prepare(&connection)?;
        #[cfg(blepay_world)]
        {
            let refusals = host::world::refusals();
            let hooked = connection.commit_hook(Some(move || refusals.refuse()));
            hooked.map_err(|error| open_error(&error))?;
        }
        let facts = read_all(&connection)?;
        let next = facts
            .last()
            .map_or(0, |last| last.seq.0)
            .checked_add(1)
            .ok_or(JournalError::Damaged(i64::MAX))?;
        let store = Self {
            connection,
            next,
            reserve: Reserve::open(state_dir),
        };

        Ok((store, facts))
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

    fn commit(
        &mut self,
        entries: &[&(Fact, Option<Mark>)],
        at: Time,
    ) -> Result<Vec<Recorded>, JournalError> {
        let mut seq = self.next;
        let mut recorded = Vec::with_capacity(entries.len());
        let transaction = self
            .connection
            .transaction()
            .map_err(|error| write_error(&error))?;
        {
            let mut insert = transaction
                .prepare_cached(INSERT)
                .map_err(|error| write_error(&error))?;
            for (fact, mark) in entries {
                insert
                    .execute(params![
                        to_i64(seq)?,
                        fact.kind(),
                        to_i64(at.as_ms())?,
                        mark.map(|mark| to_i64(mark.o)).transpose()?,
                        mark.map(|mark| mark.hash.0),
                        encode(fact),
                    ])
                    .map_err(|error| write_error(&error))?;
                recorded.push(Recorded {
                    seq: Seq(seq),
                    at,
                    mark: *mark,
                    fact: fact.clone(),
                });
                seq = seq.checked_add(1).ok_or(JournalError::Full)?;
            }
        }
        transaction.commit().map_err(|error| write_error(&error))?;
        self.next = seq;

        Ok(recorded)
    }
}

fn prepare(connection: &Connection) -> Result<(), JournalError> {
    let run = |sql: &str| {
        connection
            .execute_batch(sql)
            .map_err(|error| open_error(&error))
    };
    // one process alone: a second daemon on the same state must fail, not share
    run("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    run("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;")?;
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| open_error(&error))?;
    match version {
        0 => run(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
        )),
        VERSION => run("BEGIN IMMEDIATE; COMMIT;"),
        newer => Err(JournalError::NewerVersion(newer)),
    }
}

fn read_all(connection: &Connection) -> Result<Vec<Recorded>, JournalError> {
    let mut select = connection
        .prepare(SELECT)
        .map_err(|error| open_error(&error))?;
    let mut rows = select.query([]).map_err(|error| open_error(&error))?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next().map_err(|error| open_error(&error))? {
        let seq: i64 = row.get(0).map_err(|error| open_error(&error))?;
        let recorded = read_row(seq, row).ok_or(JournalError::Damaged(seq))?;
        facts.push(recorded);
    }

    Ok(facts)
}

fn read_row(seq: i64, row: &Row<'_>) -> Option<Recorded> {
    let kind: u8 = row.get(1).ok()?;
    let at_ms: i64 = row.get(2).ok()?;
    let mark_o: Option<i64> = row.get(3).ok()?;
    let mark_hash: Option<[u8; 32]> = row.get(4).ok()?;
    let bytes: Vec<u8> = row.get(5).ok()?;
    let fact: Fact = decode_canonical(&bytes).ok()?;
    if fact.kind() != kind {
        return None;
    }
    let mark = match (mark_o, mark_hash) {
        (Some(o), Some(hash)) => Some(Mark {
            o: u64::try_from(o).ok()?,
            hash: Digest(hash),
        }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return None,
    };

    Some(Recorded {
        seq: Seq(u64::try_from(seq).ok()?),
        at: Time::from_ms(u64::try_from(at_ms).ok()?),
        mark,
        fact,
    })
}

fn to_i64(number: u64) -> Result<i64, JournalError> {
    i64::try_from(number).map_err(|_| JournalError::Failed("a number beyond 2^63".to_owned()))
}

fn open_error(error: &rusqlite::Error) -> JournalError {
    JournalError::Open(error.to_string())
}

fn write_error(error: &rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::Full,
        Some(_) | None => JournalError::Failed(error.to_string()),
    }
}
