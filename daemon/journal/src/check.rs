//! The second opinion on a journal: all facts are read and folded anew, and what the daemon uses is compared with that.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ops_proto::signed::encode;
use rusqlite::Connection;

use super::book::{self, Book, DiskIndex};
use super::entry::Seq;
use super::sqlite::open_error;
use super::store;
use super::{JOURNAL_FILE, JournalError, facts};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many facts there are.
    pub facts: u64,
    /// What does not follow from them; nothing when all is well.
    pub differences: Vec<String>,
}

/// Reads every fact of a state directory's journal, and compares what the daemon uses with what follows from them.
///
/// It works beside a daemon that runs, on the state as it is at the beginning, and blocks; the second fold is in a temporary
/// file without a name. `progress` is told how many facts of how many are read, and says whether to go on.
///
/// # Errors
///
/// [`JournalError::Damaged`] names a fact that is not what was written, [`JournalError::Open`] says why the journal or the
/// file cannot be read, [`JournalError::Closed`] that it was not to go on.
pub fn check(
    state_dir: &Path,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<Checked, JournalError> {
    let path = state_dir.join(JOURNAL_FILE);
    if !path.exists() {
        return Err(JournalError::Open(format!(
            "there is no {}",
            path.display()
        )));
    }

    compare(&path, &mut progress)
}

/// Forgets all that follows from the facts of a state directory's journal: the next start folds them again.
///
/// # Errors
///
/// [`JournalError::Open`] while a daemon uses the journal, or when it cannot be written.
pub fn forget_index(state_dir: &Path) -> Result<(), JournalError> {
    store::forget_index(state_dir)
}

fn compare(
    journal: &Path,
    progress: &mut impl FnMut(u64, u64) -> bool,
) -> Result<Checked, JournalError> {
    // SQLite's own temporary file
    let connection = Connection::open("").map_err(|error| open_error(&error))?;
    let run = |sql: &str| {
        connection
            .execute_batch(sql)
            .map_err(|error| open_error(&error))
    };
    run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF;")?;
    run(book::TABLES)?;
    connection
        .execute("ATTACH ?1 AS journal", [journal.to_string_lossy()])
        .map_err(|error| open_error(&error))?;
    let version = "PRAGMA journal.user_version";
    let version: i64 = connection
        .query_row(version, [], |row| row.get(0))
        .map_err(|error| open_error(&error))?;
    if version != store::VERSION {
        let text = "its index was not made yet: start blepayd once".to_owned();
        return Err(JournalError::Open(text));
    }
    // one state of the journal, whatever a daemon writes meanwhile
    run("BEGIN")?;
    let connection = Arc::new(Mutex::new(connection));
    let index = DiskIndex::new(Arc::clone(&connection));
    let folded = fold(&connection, &index, progress)?;
    let mut checked = Checked {
        facts: folded.newest().0,
        differences: Vec::new(),
    };
    let held = store::folded_on(
        &connection,
        DiskIndex::new(Arc::clone(&connection)),
        folded.newest(),
    )?;
    if encode(&held) != encode(&folded) {
        let text = "what the daemon knows of itself, its TA and its server";
        checked.differences.push(text.to_owned());
    }
    for table in book::TABLE_NAMES {
        let count = count_differences(&lock(&connection), table);
        let count = count.map_err(|error| open_error(&error))?;
        if count > 0 {
            checked.differences.push(format!("{count} rows of {table}"));
        }
    }
    checked.differences.extend(integrity(&lock(&connection))?);

    Ok(checked)
}

fn fold(
    connection: &Mutex<Connection>,
    index: &DiskIndex,
    progress: &mut impl FnMut(u64, u64) -> bool,
) -> Result<Book, JournalError> {
    let newest = facts::newest(&lock(connection))?;
    let mut book = Book::default().on(index.clone());
    while book.newest() < newest {
        let after: Seq = book.newest();
        let page = facts::page(&lock(connection), after)?;
        if page.is_empty() {
            break;
        }
        for recorded in &page {
            book.apply(recorded);
        }
        if !progress(book.newest().0, newest.0) {
            return Err(JournalError::Closed);
        }
    }
    if let Some(failure) = index.take_failure() {
        return Err(failure);
    }

    Ok(book)
}

/// Counts the rows that only one of the two has.
fn count_differences(connection: &Connection, table: &str) -> rusqlite::Result<i64> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM (SELECT * FROM main.{table} EXCEPT SELECT * FROM journal.{table}))
              + (SELECT count(*) FROM (SELECT * FROM journal.{table} EXCEPT SELECT * FROM main.{table}))"
    );

    connection.query_row(&sql, [], |row| row.get(0))
}

/// What SQLite itself finds in the file.
fn integrity(connection: &Connection) -> Result<Vec<String>, JournalError> {
    let read = || {
        let mut select = connection.prepare("PRAGMA journal.integrity_check(10)")?;
        let rows = select.query_map([], |row| row.get::<_, String>(0))?;

        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let mut found = read().map_err(|error| open_error(&error))?;
    found.retain(|line| line != "ok");

    Ok(found)
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
