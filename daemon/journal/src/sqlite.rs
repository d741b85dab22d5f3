//! What SQLite says, in the journal's words.

use rusqlite::ErrorCode;

use super::JournalError;

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
