//! What SQLite says, in the journal's words.

use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::JournalError;

/// How long a connection waits for another one.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);

pub(super) fn to_i64(number: u64) -> Result<i64, JournalError> {
    i64::try_from(number).map_err(|_| JournalError::Failed("a number beyond 2^63".to_owned()))
}

pub(super) fn open_error(error: &rusqlite::Error) -> JournalError {
    JournalError::Open(error.to_string())
}

pub(super) fn write_error(error: &rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::Full,
        Some(_) | None => JournalError::Failed(error.to_string()),
    }
}

/// Moves all that is in the log to the file, and empties the log; it does not wait for a reader that is at work. Returns whether
/// the log is empty.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    let waits = |at_most| connection.busy_timeout(at_most);
    waits(Duration::ZERO)?;
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let is_busy = connection.query_row(checkpoint, [], |row| row.get::<_, bool>(0));
    waits(BUSY_WAIT)?;

    is_busy.map(|is_busy| !is_busy)
}
