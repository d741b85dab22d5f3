//! The index on disk: tables beside the facts, changed in the transaction of the fact that changes them.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ops_proto::Digest;
use ops_proto::id::CommandId;
use ops_proto::signed::{decode_canonical, encode};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Moved;
use super::bytes::{key, value};
use super::kept::Kept;
use super::place::{IndexPlace, Sum};
use super::row::{self, Facts, ReceivedRow, RequestRow, SentRow};
use crate::book::payment::{Incoming, Outgoing, PaymentKey, ServerWord};
use crate::book::request::Request;
use crate::entry::{Recorded, Seq};
use crate::sqlite::write_error;
use crate::{JournalError, facts};

/// The tables that follow from the facts.
pub(crate) const TABLE_NAMES: [&str; 7] = [
    "sent",
    "received",
    "request",
    "server_word",
    "place",
    "sum",
    "contradiction",
];

pub(crate) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS sent (
        payee      BLOB NOT NULL,
        request_id BLOB NOT NULL,
        row        BLOB NOT NULL,
        digest     BLOB NOT NULL,
        PRIMARY KEY (payee, request_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS received (
        hash   BLOB NOT NULL PRIMARY KEY,
        row    BLOB NOT NULL,
        digest BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS request (
        command BLOB NOT NULL PRIMARY KEY,
        row     BLOB NOT NULL,
        digest  BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS server_word (
        hash BLOB NOT NULL PRIMARY KEY,
        fact INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS place (place BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sum (
        sum  BLOB NOT NULL PRIMARY KEY,
        held INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS contradiction (fact INTEGER PRIMARY KEY) STRICT;
";

/// Bytes of a row's digest: enough to find what a disk did to it.
const DIGEST_SIZE: usize = 8;

/// The index of a connection. Its clones share the connection.
#[derive(Clone)]
pub(crate) struct DiskIndex {
    connection: Arc<Mutex<Connection>>,
    /// The error of the writer's open transaction.
    failure: Arc<Mutex<Option<JournalError>>>,
    /// The reader's first error; it is never cleared.
    trouble: Arc<OnceLock<String>>,
    /// For what only reads.
    kept: Option<Arc<KeptRows>>,
    is_frozen: bool,
}

#[derive(Default)]
struct KeptRows {
    sent: Mutex<Kept<Outgoing>>,
    received: Mutex<Kept<Incoming>>,
    requests: Mutex<Kept<Request>>,
}

impl DiskIndex {
    pub(crate) fn new(connection: Arc<Mutex<Connection>>) -> Self {
        Self {
            connection,
            failure: Arc::default(),
            trouble: Arc::default(),
            kept: None,
            is_frozen: false,
        }
    }

    /// As [`Self::new`], for what only reads: a read that fails is not found out by a commit.
    pub(crate) fn for_reading(connection: Arc<Mutex<Connection>>) -> Self {
        Self {
            kept: Some(Arc::default()),
            ..Self::new(connection)
        }
    }

    /// Returns what a read failed of, once one has: it answered "nothing", and something may have been decided by that.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    /// As it is, but what is put is not written: the facts that are folded now are on it already.
    pub(crate) fn frozen(&self) -> Self {
        Self {
            is_frozen: true,
            ..self.clone()
        }
    }

    pub(super) const fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    /// Returns what could not be read or written, once: nothing that was answered since is to be relied on.
    pub(crate) fn take_failure(&self) -> Option<JournalError> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);

        failure.take()
    }

    pub(super) fn sent(&self, key: &PaymentKey) -> Option<Arc<Outgoing>> {
        let select = "SELECT row, digest FROM sent WHERE payee = ?1 AND request_id = ?2";
        let place = [key.payee.0.as_slice(), &key.request_id.0.to_be_bytes()];
        let kept = self.kept.as_ref().map(|kept| &kept.sent);
        self.entry(select, &place, kept, |row: SentRow, facts| {
            row.payment(key, facts)
        })
    }

    pub(super) fn received(&self, hash: &Digest) -> Option<Arc<Incoming>> {
        let select = "SELECT row, digest FROM received WHERE hash = ?1";
        let kept = self.kept.as_ref().map(|kept| &kept.received);
        self.entry(select, &[&hash.0], kept, |row: ReceivedRow, facts| {
            row.payment(hash, facts)
        })
    }

    pub(super) fn request(&self, command: CommandId) -> Option<Arc<Request>> {
        let select = "SELECT row, digest FROM request WHERE command = ?1";
        let is_this = |request: &Request| request.intent.command == command;
        let kept = self.kept.as_ref().map(|kept| &kept.requests);
        self.entry(select, &[&command.0], kept, |row: RequestRow, facts| {
            row.request(facts).filter(is_this)
        })
    }

    pub(super) fn server_word(&self, payment: &Digest) -> Option<ServerWord> {
        let select = "SELECT fact FROM server_word WHERE hash = ?1";
        self.run(|connection| {
            let mut select = connection.prepare_cached(select)?;
            let fact: Option<i64> = select.query_row([payment.0], |row| row.get(0)).optional()?;
            let Some(fact) = fact else {
                return Ok(None);
            };
            let fact = u64::try_from(fact).map_err(|_| damaged("server_word"))?;
            let server_word = row::server_word(Seq(fact), connection);

            server_word.map(Some).ok_or_else(|| damaged("server_word"))
        })
        .flatten()
    }

    pub(super) fn put_sent(&self, key: PaymentKey, payment: &Outgoing, moved: &Moved) {
        let put = "INSERT INTO sent (payee, request_id, row, digest) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET row = excluded.row, digest = excluded.digest";
        let place = [key.payee.0.as_slice(), &key.request_id.0.to_be_bytes()];
        self.put(put, &place, &SentRow::of(payment), moved);
    }

    pub(super) fn put_received(&self, hash: Digest, payment: &Incoming, moved: &Moved) {
        let put = "INSERT INTO received (hash, row, digest) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET row = excluded.row, digest = excluded.digest";
        self.put(put, &[&hash.0], &ReceivedRow::of(payment), moved);
    }

    pub(super) fn put_request(&self, command: CommandId, request: &Request, moved: &Moved) {
        let put = "INSERT INTO request (command, row, digest) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET row = excluded.row, digest = excluded.digest";
        self.put(put, &[&command.0], &RequestRow::of(request), moved);
    }

    pub(super) fn put_server_word(&self, payment: Digest, server_word: &ServerWord) {
        let put = "INSERT INTO server_word (hash, fact) VALUES (?1, ?2)
            ON CONFLICT DO UPDATE SET fact = excluded.fact";
        let fact = i64::try_from(server_word.fact.0).unwrap_or(i64::MAX);
        self.change(|connection| {
            let mut put = connection.prepare_cached(put)?;
            put.execute(params![payment.0, fact])
        });
    }

    pub(super) fn put_contradiction(&self, fact: u64) {
        let put = "INSERT OR IGNORE INTO contradiction (fact) VALUES (?1)";
        let fact = i64::try_from(fact).unwrap_or(i64::MAX);
        self.change(|connection| connection.prepare_cached(put)?.execute([fact]));
    }

    /// Returns the facts that do not fit those before them.
    pub(crate) fn contradictions(&self) -> Vec<u64> {
        let select = "SELECT fact FROM contradiction ORDER BY fact";
        self.run(|connection| {
            let mut select = connection.prepare_cached(select)?;
            let rows = select.query_map([], |row| row.get::<_, i64>(0))?;

            rows.map(|fact| Ok(u64::try_from(fact?).unwrap_or_default()))
                .collect()
        })
        .unwrap_or_default()
    }

    pub(super) fn first(
        &self,
        range: &RangeInclusive<IndexPlace>,
        limit: usize,
    ) -> Vec<IndexPlace> {
        let select = "SELECT place FROM place WHERE place BETWEEN ?1 AND ?2
            ORDER BY place LIMIT ?3";
        self.places(select, range, limit)
    }

    pub(super) fn last(&self, range: &RangeInclusive<IndexPlace>, limit: usize) -> Vec<IndexPlace> {
        let select = "SELECT place FROM place WHERE place BETWEEN ?1 AND ?2
            ORDER BY place DESC LIMIT ?3";
        self.places(select, range, limit)
    }

    pub(super) fn sum(&self, sum: Sum) -> u64 {
        let select = "SELECT held FROM sum WHERE sum = ?1";
        self.run(|connection| {
            let mut select = connection.prepare_cached(select)?;

            select
                .query_row([key(&sum)], |row| row.get::<_, i64>(0))
                .optional()
        })
        .flatten()
        .map_or(0, |held| u64::try_from(held).unwrap_or_default())
    }

    fn places(
        &self,
        select: &str,
        range: &RangeInclusive<IndexPlace>,
        limit: usize,
    ) -> Vec<IndexPlace> {
        let (first, last) = (key(range.start()), key(range.end()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.run(|connection| {
            let mut select = connection.prepare_cached(select)?;
            let mut rows = select.query(params![first, last, limit])?;
            let mut places = Vec::new();
            while let Some(row) = rows.next()? {
                let bytes = row.get_ref(0)?.as_blob()?;
                places.push(value(bytes).ok_or_else(|| damaged("place"))?);
            }

            Ok(places)
        })
        .unwrap_or_default()
    }

    fn entry<R: DeserializeOwned + Serialize, T>(
        &self,
        select: &str,
        place: &[&[u8]],
        kept: Option<&Mutex<Kept<T>>>,
        assemble: impl FnOnce(R, &Connection) -> Option<T>,
    ) -> Option<Arc<T>> {
        self.run(|connection| {
            let mut select = connection.prepare_cached(select)?;
            let held: Option<(Vec<u8>, Vec<u8>)> = select
                .query_row(rusqlite::params_from_iter(place), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let Some((bytes, held)) = held else {
                return Ok(None);
            };
            if digest(place, &bytes) != held {
                return Err(damaged("row"));
            }
            let kept = kept.map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner));
            let place = place.concat();
            if let Some(entry) = kept.as_ref().and_then(|kept| kept.get(&place, &bytes)) {
                return Ok(Some(entry));
            }
            let row = decode_canonical(&bytes).map_err(|_| damaged("row"))?;
            let entry = assemble(row, connection).ok_or_else(|| damaged("row's facts"))?;
            let entry = Arc::new(entry);
            if let Some(mut kept) = kept {
                kept.keep(place, bytes, Arc::clone(&entry));
            }

            Ok(Some(entry))
        })
        .flatten()
    }

    fn put(&self, put: &str, place: &[&[u8]], row: &impl Serialize, moved: &Moved) {
        let bytes = encode(row);
        let digest = digest(place, &bytes);
        let values = place.iter().copied().chain([bytes.as_slice(), &digest]);
        self.change(|connection| {
            connection
                .prepare_cached(put)?
                .execute(rusqlite::params_from_iter(values))?;
            for place in &moved.left {
                connection
                    .prepare_cached("DELETE FROM place WHERE place = ?1")?
                    .execute([key(place)])?;
            }
            for place in &moved.come {
                connection
                    .prepare_cached("INSERT OR IGNORE INTO place (place) VALUES (?1)")?
                    .execute([key(place)])?;
            }
            for (sum, change) in &moved.sums {
                connection
                    .prepare_cached(
                        "INSERT INTO sum (sum, held) VALUES (?1, ?2)
                            ON CONFLICT DO UPDATE SET held = held + excluded.held",
                    )?
                    .execute(params![key(sum), change])?;
                connection
                    .prepare_cached("DELETE FROM sum WHERE sum = ?1 AND held = 0")?
                    .execute([key(sum)])?;
            }

            Ok(0)
        });
    }

    fn change(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<usize>) {
        if !self.is_frozen {
            let _rows = self.run(change);
        }
    }

    /// A writer does nothing any more after a failure: the transaction that it belonged to may be over. A reader goes on.
    fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.is_some() {
            return None;
        }
        let connection = self.connection.lock();
        let connection = connection.unwrap_or_else(PoisonError::into_inner);
        match work(&connection) {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::error!(%error, "The journal's index cannot be read or written");
                if self.kept.is_some() {
                    let _first = self.trouble.set(error.to_string());
                } else {
                    *failure = Some(write_error(&error));
                }
                None
            }
        }
    }
}

impl Facts for Connection {
    fn fact(&self, seq: Seq) -> Option<Recorded> {
        facts::read(self, seq).ok()
    }
}

impl fmt::Debug for DiskIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskIndex")
            .field("is_frozen", &self.is_frozen)
            .finish_non_exhaustive()
    }
}

/// Two are equal when they are the same: what they hold is compared by `check`.
impl PartialEq for DiskIndex {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connection, &other.connection)
    }
}

fn digest(place: &[&[u8]], bytes: &[u8]) -> Vec<u8> {
    let mut hashed = place.to_vec();
    hashed.push(bytes);
    let digest = Digest::of(&hashed);

    digest.0.iter().copied().take(DIGEST_SIZE).collect()
}

fn damaged(what: &str) -> rusqlite::Error {
    let why =
        format!("a {what} of its index is damaged: stop blepayd, then blepayd check --rebuild");

    rusqlite::Error::ToSqlConversionFailure(why.into())
}
