//! The facts in the file: written once, read by number.

use ops_proto::contract::Mark;
use ops_proto::signed::{decode_canonical, encode};
use ops_proto::{Digest, Time};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::JournalError;
use super::entry::{Recorded, Seq};
use super::fact::Fact;
use super::store::{open_error, to_i64, write_error};

pub(super) const TABLE: &str = "
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

/// Facts that are read at once.
const PAGE: u64 = 1000;

/// Adds a fact, in the transaction that is open.
pub(super) fn insert(connection: &Connection, recorded: &Recorded) -> Result<(), JournalError> {
    let insert = "INSERT INTO fact (seq, kind, at_ms, mark_o, mark_hash, bytes)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mark = recorded.mark;
    let values = params![
        to_i64(recorded.seq.0)?,
        recorded.fact.kind(),
        to_i64(recorded.at.as_ms())?,
        mark.map(|mark| to_i64(mark.o)).transpose()?,
        mark.map(|mark| mark.hash.0),
        encode(&recorded.fact),
    ];
    let mut insert = connection
        .prepare_cached(insert)
        .map_err(|error| write_error(&error))?;
    let _one = insert
        .execute(values)
        .map_err(|error| write_error(&error))?;

    Ok(())
}

/// Returns one fact.
pub(super) fn read(connection: &Connection, seq: Seq) -> Result<Recorded, JournalError> {
    let select = "SELECT seq, kind, at_ms, mark_o, mark_hash, bytes FROM fact WHERE seq = ?1";
    let number = to_i64(seq.0)?;
    let mut select = connection
        .prepare_cached(select)
        .map_err(|error| open_error(&error))?;
    let found = select.query_row([number], |row| Ok(decoded(row)));

    found
        .optional()
        .map_err(|error| open_error(&error))?
        .flatten()
        .ok_or(JournalError::Damaged(number))
}

/// Returns the facts after one, oldest first, at most a page of them.
pub(super) fn page(connection: &Connection, after: Seq) -> Result<Vec<Recorded>, JournalError> {
    let select = "SELECT seq, kind, at_ms, mark_o, mark_hash, bytes FROM fact
        WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut select = connection
        .prepare_cached(select)
        .map_err(|error| open_error(&error))?;
    let mut rows = select
        .query(params![to_i64(after.0)?, to_i64(PAGE)?])
        .map_err(|error| open_error(&error))?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next().map_err(|error| open_error(&error))? {
        let seq: i64 = row.get(0).map_err(|error| open_error(&error))?;
        facts.push(decoded(row).ok_or(JournalError::Damaged(seq))?);
    }

    Ok(facts)
}

/// Returns the number of the newest fact.
pub(super) fn newest(connection: &Connection) -> Result<Seq, JournalError> {
    let newest: Option<i64> = connection
        .query_row("SELECT max(seq) FROM fact", [], |row| row.get(0))
        .map_err(|error| open_error(&error))?;

    u64::try_from(newest.unwrap_or(0))
        .map(Seq)
        .map_err(|_| JournalError::Damaged(newest.unwrap_or(0)))
}

fn decoded(row: &Row<'_>) -> Option<Recorded> {
    let seq: i64 = row.get(0).ok()?;
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
