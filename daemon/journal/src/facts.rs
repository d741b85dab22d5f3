//! The facts in the file: written once, read by number. Their hashes form a chain, so that what a disk did to one of them is
//! found when it is read.

use ops_proto::contract::Mark;
use ops_proto::signed::{decode_canonical, encode};
use ops_proto::{Digest, Time};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::JournalError;
use super::entry::{Recorded, Seq};
use super::fact::Fact;
use super::sqlite::{open_error, to_i64, write_error};

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

/// The chain: each hash is of the one before and of the fact.
pub(super) const CHAIN_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS fact_hash (
        seq  INTEGER PRIMARY KEY,
        hash BLOB NOT NULL
    ) STRICT;
";

/// A fact with its hash and the one before.
const SELECT: &str =
    "SELECT fact.seq, kind, at_ms, mark_o, mark_hash, bytes, own.hash, previous.hash
    FROM fact
    LEFT JOIN fact_hash AS own ON own.seq = fact.seq
    LEFT JOIN fact_hash AS previous ON previous.seq = fact.seq - 1";

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

/// Adds a fact's hash to the chain, and returns it. One that is there already must be the same: then the fact is as it was
/// written.
pub(super) fn chain(
    connection: &Connection,
    recorded: &Recorded,
    previous: &Digest,
) -> Result<Digest, JournalError> {
    let hash = hash(recorded, previous);
    let number = to_i64(recorded.seq.0)?;
    let insert = "INSERT INTO fact_hash (seq, hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let mut insert = connection
        .prepare_cached(insert)
        .map_err(|error| write_error(&error))?;
    let written = insert
        .execute(params![number, hash.0])
        .map_err(|error| write_error(&error))?;
    if written == 0 && hash_of(connection, recorded.seq)? != Some(hash) {
        return Err(JournalError::Damaged(number));
    }

    Ok(hash)
}

/// Returns one fact, as it was written.
pub(super) fn read(connection: &Connection, seq: Seq) -> Result<Recorded, JournalError> {
    let number = to_i64(seq.0)?;
    let mut select = connection
        .prepare_cached(&format!("{SELECT} WHERE fact.seq = ?1"))
        .map_err(|error| open_error(&error))?;
    let found = select.query_row([number], |row| Ok(chained(row)));

    found
        .optional()
        .map_err(|error| open_error(&error))?
        .flatten()
        .ok_or(JournalError::Damaged(number))
}

/// Returns the facts after one as they were written, oldest first, at most a page of them.
pub(super) fn page(connection: &Connection, after: Seq) -> Result<Vec<Recorded>, JournalError> {
    read_page(connection, after, chained)
}

/// As [`page`], of a journal of a time when facts had no hashes.
pub(super) fn page_unchained(
    connection: &Connection,
    after: Seq,
) -> Result<Vec<Recorded>, JournalError> {
    read_page(connection, after, decoded)
}

/// Returns the hash of a fact; none of a fact that is not in the chain.
pub(super) fn hash_of(connection: &Connection, seq: Seq) -> Result<Option<Digest>, JournalError> {
    if seq == Seq(0) {
        return Ok(Some(Digest::ZERO));
    }
    let found: Option<[u8; 32]> = connection
        .prepare_cached("SELECT hash FROM fact_hash WHERE seq = ?1")
        .and_then(|mut select| {
            select
                .query_row([i64::try_from(seq.0).unwrap_or(i64::MAX)], |row| row.get(0))
                .optional()
        })
        .map_err(|error| open_error(&error))?;

    Ok(found.map(Digest))
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

fn read_page(
    connection: &Connection,
    after: Seq,
    decode: fn(&Row<'_>) -> Option<Recorded>,
) -> Result<Vec<Recorded>, JournalError> {
    let mut select = connection
        .prepare_cached(&format!(
            "{SELECT} WHERE fact.seq > ?1 ORDER BY fact.seq LIMIT ?2"
        ))
        .map_err(|error| open_error(&error))?;
    let mut rows = select
        .query(params![to_i64(after.0)?, to_i64(PAGE)?])
        .map_err(|error| open_error(&error))?;
    let mut facts = Vec::new();
    let mut expected = to_i64(after.0)?;
    while let Some(row) = rows.next().map_err(|error| open_error(&error))? {
        expected = expected.saturating_add(1);
        let fact = decode(row).filter(|fact| to_i64(fact.seq.0) == Ok(expected));
        facts.push(fact.ok_or(JournalError::Damaged(expected))?);
    }

    Ok(facts)
}

fn hash(recorded: &Recorded, previous: &Digest) -> Digest {
    let mark = recorded.mark.map_or_else(Vec::new, |mark| {
        [mark.o.to_be_bytes().as_slice(), &mark.hash.0].concat()
    });

    Digest::of(&[
        &previous.0,
        &recorded.seq.0.to_be_bytes(),
        &recorded.at.as_ms().to_be_bytes(),
        &u64::try_from(mark.len()).unwrap_or(u64::MAX).to_be_bytes(),
        &mark,
        &encode(&recorded.fact),
    ])
}

/// Returns a fact that is what its place in the chain says.
fn chained(row: &Row<'_>) -> Option<Recorded> {
    let recorded = decoded(row)?;
    let own: [u8; 32] = row.get(6).ok()?;
    let previous: Option<[u8; 32]> = row.get(7).ok()?;
    let previous = match previous {
        Some(previous) => Digest(previous),
        None if recorded.seq == Seq(1) => Digest::ZERO,
        None => return None,
    };

    (hash(&recorded, &previous).0 == own).then_some(recorded)
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
