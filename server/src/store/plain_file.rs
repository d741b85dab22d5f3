//! Plain claims in a file: a whole group in one visit, on the thread that holds the connection.
//!
//! Every statement that [`sql`](super::sql) runs on a file is handed to the thread of its connection and
//! back, which costs more than the statement when there are a thousand in a row. So the one thing that a
//! server does by the thousand has a connection of its own and no hand-over. The rows and what they mean
//! are those of [`bulk`](super::bulk), which does the same on PostgreSQL.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ops_proto::message::AnswerStamp;
use ops_proto::{PublicKey, Time};
use rusqlite::config::DbConfig;
use rusqlite::{
    CachedStatement, Connection, OpenFlags, OptionalExtension as _, Row, Transaction,
    TransactionBehavior, params,
};

use super::answers::{AnswerKind, DRAW, STAMPS_DRAWN, STAMPS_MIN, Stamps};
use super::bulk::{
    KnownPayment, LiveTa, Neighbours, Numbers, OpenGrant, PlainPayment, StoredNear, StoredPosition,
    all_of, moved_by, previous_of,
};
use super::column::{
    amount, amount_back, balance_back, counter_back, digest_back, instant, key_back, units,
};
use super::connect::{BUSY_TIMEOUT, CHECKPOINT_PAGES, PLAIN_CACHE_KIB};
use super::payments::{kind_code, standing_back, standing_code, state_back, state_code};
use super::{Store, StoreAddress, StoreError};
use crate::ledger::{Grant, Reason};

/// Statements kept prepared: all there are.
const STATEMENTS_MAX: usize = 32;

/// A connection that only books plain claims.
#[derive(Debug)]
pub(crate) struct PlainFile {
    connection: Connection,
    stamps: Stamps,
}

impl Store {
    /// Returns whether the books are in a file.
    pub(crate) const fn is_file(&self) -> bool {
        matches!(self.address, StoreAddress::File(_))
    }

    /// Returns a connection for plain claims to books in a file.
    pub(crate) fn plain_file(&self) -> Result<PlainFile, StoreError> {
        match &self.address {
            StoreAddress::File(path) => PlainFile::open(path),
            StoreAddress::Postgres(_) => Err(StoreError::Damaged("the books are in no file")),
        }
    }
}

impl PlainFile {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", PLAIN_CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        // Plans are made once, and not again for other values.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        #[cfg(blepay_world)]
        {
            let refusals = host::world::refusals();
            connection.commit_hook(Some(move || refusals.refuse()))?;
        }

        Ok(Self {
            connection,
            stamps: Stamps::default(),
        })
    }

    /// Begins a transaction that may write.
    pub(crate) fn begin(&mut self) -> Result<PlainUnit<'_>, StoreError> {
        self.draw_stamps()?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let incarnation = transaction
            .prepare_cached("SELECT incarnation FROM life WHERE id = 1")?
            .query_row([], |row| row.get(0))?;

        Ok(PlainUnit {
            transaction,
            stamps: &mut self.stamps,
            incarnation,
        })
    }
}

impl PlainFile {
    /// Draws stamps for the answers to come, unless there are enough: before the transaction, since what is
    /// kept here must not be undone with it.
    fn draw_stamps(&mut self) -> Result<(), StoreError> {
        if self.stamps.left() >= STAMPS_MIN {
            return Ok(());
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let drawn = draw(&transaction, STAMPS_DRAWN)?;
        // Whether one statement without a transaction was made durable nobody hears.
        transaction.commit()?;
        self.stamps = drawn;

        Ok(())
    }
}

fn draw(connection: &Connection, many: u32) -> Result<Stamps, StoreError> {
    let (incarnation, last) = connection
        .prepare_cached(DRAW)?
        .query_row([many], |row| Ok((row.get(0)?, row.get(1)?)))?;

    Stamps::drawn(incarnation, last, many)
}

/// One transaction. Dropping it without [`PlainUnit::commit`] undoes it.
#[derive(Debug)]
pub(crate) struct PlainUnit<'f> {
    transaction: Transaction<'f>,
    stamps: &'f mut Stamps,
    incarnation: u32,
}

impl PlainUnit<'_> {
    /// Makes everything since the beginning durable.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit()?)
    }

    fn prepare(&self, sql: &'static str) -> Result<CachedStatement<'_>, StoreError> {
        Ok(self.transaction.prepare_cached(sql)?)
    }

    /// Returns the stamp of the next answer.
    pub(crate) fn next_stamp(&mut self) -> Result<AnswerStamp, StoreError> {
        if let Some(stamp) = self.stamps.next(self.incarnation) {
            return Ok(stamp);
        }
        // The incarnation rose, or they are used up: this one is undone with the transaction.
        draw(&self.transaction, 1)?
            .next(self.incarnation)
            .ok_or(StoreError::Damaged("the incarnation changed"))
    }

    /// Returns the first payments that are known by (sender, j), given in that order; their rivals are left to
    /// judgement.
    pub(crate) fn payments_known(
        &self,
        wanted: &[(PublicKey, u64)],
    ) -> Result<Vec<KnownPayment>, StoreError> {
        let mut known = Vec::new();
        let mut statement = self.prepare(
            "SELECT j, hash, standing, state FROM payments
             WHERE sender = ?1 AND j BETWEEN ?2 AND ?3 AND rival = 0",
        )?;
        for (sender, first, last) in ranges(wanted) {
            let mut rows = statement.query(params![
                sender.0.as_slice(),
                first.to_be_bytes().as_slice(),
                last.to_be_bytes().as_slice(),
            ])?;
            while let Some(row) = rows.next()? {
                known.push(KnownPayment {
                    sender,
                    j: counter_back(blob(row, 0)?)?,
                    hash: digest_back(blob(row, 1)?)?,
                    standing: standing_back(row.get(2)?)?,
                    state: state_back(row.get(3)?)?,
                });
            }
        }

        Ok(known)
    }

    /// Returns those of these TAs that are live and not listed.
    pub(crate) fn live_tas(
        &self,
        wanted: &[PublicKey],
    ) -> Result<HashMap<PublicKey, LiveTa>, StoreError> {
        let mut tas = HashMap::with_capacity(wanted.len());
        let mut find = self.prepare(
            "SELECT tas.owner, accounts.id, accounts.balance FROM tas CROSS JOIN accounts
             WHERE tas.key = ?1 AND tas.standing = 0
               AND tas.listed_epoch = 0 AND tas.listed_number = 0
               AND accounts.kind = 2 AND accounts.owner = tas.key AND accounts.number = x''",
        )?;
        let mut open = self.prepare(
            "INSERT INTO accounts (kind, owner, number) SELECT 2, tas.key, x'' FROM tas
             WHERE tas.key = ?1 ON CONFLICT DO NOTHING",
        )?;
        for ta in wanted {
            let mut live = live_ta(&mut find, ta)?;
            if live.is_none() && open.execute([ta.0.as_slice()])? > 0 {
                live = live_ta(&mut find, ta)?;
            }
            if let Some(live) = live {
                tas.insert(*ta, live);
            }
        }

        Ok(tas)
    }

    /// Returns the grants that these TAs are not known to have taken, each TA's oldest first.
    pub(crate) fn open_grants(
        &self,
        wanted: &[PublicKey],
    ) -> Result<HashMap<PublicKey, Vec<OpenGrant>>, StoreError> {
        let mut grants = HashMap::with_capacity(wanted.len());
        let mut statement = self.prepare(
            "SELECT deposits.i, deposits.amount, accounts.id FROM deposits CROSS JOIN accounts
             WHERE deposits.ta = ?1 AND deposits.outcome = 0 AND deposits.taken = 0
               AND accounts.kind = 3 AND accounts.owner = deposits.ta
               AND accounts.number = deposits.i
             ORDER BY deposits.i",
        )?;
        for ta in wanted {
            let mut rows = statement.query([ta.0.as_slice()])?;
            let mut of_ta = Vec::new();
            while let Some(row) = rows.next()? {
                of_ta.push(OpenGrant {
                    grant: Grant {
                        i: counter_back(blob(row, 0)?)?,
                        amount: amount_back(row.get(1)?)?,
                    },
                    open_id: row.get(2)?,
                });
            }
            grants.insert(*ta, of_ta);
        }

        Ok(grants)
    }

    /// Returns the numbers of these clients' online accounts, for those that are clients here and owe
    /// nothing.
    pub(crate) fn online_accounts(
        &self,
        wanted: &[PublicKey],
    ) -> Result<HashMap<PublicKey, i64>, StoreError> {
        let mut accounts = HashMap::with_capacity(wanted.len());
        let mut find = self.prepare(
            "SELECT accounts.id FROM clients CROSS JOIN accounts
             WHERE clients.key = ?1 AND accounts.kind = 1
               AND accounts.owner = clients.key AND accounts.number = x''
               AND NOT EXISTS (SELECT 1 FROM tas WHERE tas.owner = clients.key
                   AND (restored_by_loss > 0 OR (standing >= 2 AND advanced_by_loss > 0)))",
        )?;
        let mut open = self.prepare(
            "INSERT INTO accounts (kind, owner, number)
             SELECT 1, clients.key, x'' FROM clients WHERE clients.key = ?1
             ON CONFLICT DO NOTHING",
        )?;
        for client in wanted {
            let key = [client.0.as_slice()];
            let mut id: Option<i64> = find.query_row(key, |row| row.get(0)).optional()?;
            if id.is_none() && open.execute(key)? > 0 {
                id = find.query_row(key, |row| row.get(0)).optional()?;
            }
            if let Some(id) = id {
                accounts.insert(*client, id);
            }
        }

        Ok(accounts)
    }

    /// Returns the stored statements among others and on both sides of them, for each TA.
    pub(crate) fn neighbours(
        &self,
        wanted: &[Numbers],
    ) -> Result<HashMap<PublicKey, Neighbours>, StoreError> {
        let mut neighbours = HashMap::with_capacity(wanted.len());
        let mut before = self.prepare(
            "SELECT n, i, j, hash FROM statements WHERE ta = ?1 AND n < ?2 ORDER BY n DESC LIMIT 1",
        )?;
        let mut from_first = self.prepare(
            "SELECT n, i, j, hash, id FROM statements WHERE ta = ?1 AND n >= ?2
             ORDER BY n LIMIT ?3",
        )?;
        let mut bytes = self.prepare("SELECT bytes FROM statements WHERE id = ?1")?;
        for numbers in wanted {
            let mut near = Neighbours::default();
            let (ta, first) = (numbers.ta.0.as_slice(), numbers.first.to_be_bytes());
            if let Some(row) = before.query(params![ta, first.as_slice()])?.next()? {
                near.before = Some(position_back(row)?);
            }
            let mut rows = from_first.query(params![ta, first.as_slice(), numbers.limit()])?;
            while let Some(row) = rows.next()? {
                let position = position_back(row)?;
                let mut previous = None;
                if numbers.is_next(&position) {
                    let mut found = bytes.query([row.get::<_, i64>(4)?])?;
                    if let Some(found) = found.next()? {
                        previous = Some(previous_of(blob(found, 0)?)?);
                    }
                }
                near.from_first.push(StoredNear { position, previous });
                if numbers.all.last().is_none_or(|last| *last < position.n) {
                    break;
                }
            }
            near.is_cut = numbers.is_cut(&near.from_first);
            neighbours.insert(numbers.ta, near);
        }

        Ok(neighbours)
    }

    /// Stores payments that are credited: statements, payments, entries, and the accounts' balances.
    pub(crate) fn put_plain_payments(
        &self,
        payments: &[PlainPayment],
        now: Time,
    ) -> Result<(), StoreError> {
        self.move_balances(moved_by(payments)?)?;
        let mut put_entry = self.prepare(
            "INSERT INTO entries (at_ms, reason, debited, credited, amount, cause)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut put_payment = self.prepare(
            "INSERT INTO payments (sender, j, rival, hash, amount, provider, receiver_kind,
                 receiver, request_id, standing, state, received_ms, n, named)
             VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0)",
        )?;
        let mut put_statement = self.prepare(
            "INSERT INTO statements (ta, n, hash, kind, i, j, bytes)
             VALUES (?1, ?2, ?3, 2, ?4, ?5, ?6)",
        )?;
        let mut take_grant =
            self.prepare("UPDATE deposits SET taken = 1 WHERE ta = ?1 AND i = ?2")?;
        let at = instant(now);
        for payment in payments {
            let row = &payment.row;
            let (sender, hash) = (row.sender.0.as_slice(), row.hash.0.as_slice());
            let (n, j) = (row.n.to_be_bytes(), row.j.to_be_bytes());
            for taken in &payment.taken {
                put_entry.execute(params![
                    at,
                    Reason::TakeGrant.code(),
                    taken.open_id,
                    payment.debited,
                    amount(taken.grant.amount)?,
                    hash,
                ])?;
                take_grant.execute([sender, taken.grant.i.to_be_bytes().as_slice()])?;
            }
            let amount = amount(row.amount)?;
            put_entry.execute(params![
                at,
                payment.reason.code(),
                payment.debited,
                payment.credited,
                amount,
                hash,
            ])?;
            put_payment.execute(params![
                sender,
                j.as_slice(),
                hash,
                amount,
                row.provider.0.as_slice(),
                kind_code(row.receiver_kind),
                row.receiver.0.as_slice(),
                row.request_id.0.to_be_bytes().as_slice(),
                standing_code(row.standing),
                state_code(row.state),
                at,
                n.as_slice(),
            ])?;
            put_statement.execute(params![
                sender,
                n.as_slice(),
                hash,
                payment.position.i.to_be_bytes().as_slice(),
                j.as_slice(),
                payment.bytes,
            ])?;
        }

        Ok(())
    }

    fn move_balances(&self, moved: BTreeMap<i64, i64>) -> Result<(), StoreError> {
        let mut statement =
            self.prepare("UPDATE accounts SET balance = balance + ?2 WHERE id = ?1")?;
        for (account, by) in moved {
            let changed = statement.execute([account, by])?;
            all_of(1, u64::try_from(changed).unwrap_or(u64::MAX))?;
        }

        Ok(())
    }

    /// Stores answers to batches.
    pub(crate) fn put_batch_answers(
        &self,
        answers: &[(AnswerStamp, &[u8])],
    ) -> Result<(), StoreError> {
        let mut statement = self.prepare(
            "INSERT INTO answers (incarnation, sequence, kind, bytes) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for (stamp, bytes) in answers {
            statement.execute(params![
                stamp.incarnation,
                units(stamp.sequence)?,
                AnswerKind::Batch.code(),
                bytes,
            ])?;
        }

        Ok(())
    }
}

/// Takes numbers of one sender that lie close together as one range, which is read in one go; it is at
/// most twice as long as what is wanted, so nobody makes the books read much by asking for little.
fn ranges(wanted: &[(PublicKey, u64)]) -> Vec<(PublicKey, u64, u64)> {
    let mut ranges: Vec<(PublicKey, u64, u64)> = Vec::new();
    for of_sender in wanted.chunk_by(|one, next| one.0 == next.0) {
        let (Some(first), Some(last)) = (of_sender.first(), of_sender.last()) else {
            continue;
        };
        let span = last.1.checked_sub(first.1).unwrap_or(u64::MAX);
        let count = u64::try_from(of_sender.len()).unwrap_or(0);
        if span < count.saturating_mul(2) {
            ranges.push((first.0, first.1, last.1));
        } else {
            ranges.extend(of_sender.iter().map(|(sender, j)| (*sender, *j, *j)));
        }
    }

    ranges
}

fn live_ta(
    statement: &mut CachedStatement<'_>,
    ta: &PublicKey,
) -> Result<Option<LiveTa>, StoreError> {
    let mut rows = statement.query([ta.0.as_slice()])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };

    Ok(Some(LiveTa {
        owner: key_back(blob(row, 0)?)?,
        shadow_id: row.get(1)?,
        shadow: balance_back(row.get(2)?)?,
    }))
}

fn position_back(row: &Row<'_>) -> Result<StoredPosition, StoreError> {
    Ok(StoredPosition {
        n: counter_back(blob(row, 0)?)?,
        i: counter_back(blob(row, 1)?)?,
        j: counter_back(blob(row, 2)?)?,
        hash: digest_back(blob(row, 3)?)?,
    })
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], StoreError> {
    let value = row.get_ref(column)?;

    value
        .as_blob()
        .map_err(|_| StoreError::Damaged("a column holds no bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_lie_close_together_are_read_at_once_and_no_others() {
        let (one, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let wanted = [(one, 1), (one, 2), (one, 4), (other, 1), (other, 1_000_000)];

        assert_eq!(
            ranges(&wanted),
            [(one, 1, 4), (other, 1, 1), (other, 1_000_000, 1_000_000)]
        );
        assert_eq!(ranges(&[(one, 0), (one, u64::MAX)]).len(), 2);
    }

    #[tokio::test]
    async fn stamps_of_a_transaction_that_failed_are_not_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let address = StoreAddress::File(folder.path().join("books"));
        let mut store = Store::create(&address).await.unwrap();
        let mut unit = store.begin().await.unwrap();
        unit.begin_life().await.unwrap();
        unit.commit().await.unwrap();
        let mut file = store.plain_file().unwrap();

        let mut unit = file.begin().unwrap();
        unit.next_stamp().unwrap();
        // As when the disk is full at the commit.
        drop(unit);
        let mut unit = file.begin().unwrap();
        let lane: Vec<AnswerStamp> = (0..3).map(|_| unit.next_stamp().unwrap()).collect();
        unit.commit().unwrap();
        store.draw_stamps().await.unwrap();
        let mut unit = store.begin().await.unwrap();
        let mut others = Vec::new();
        for _ in 0..10 {
            others.push(unit.next_stamp().await.unwrap());
        }
        unit.commit().await.unwrap();

        for stamp in lane {
            assert!(!others.contains(&stamp), "{stamp:?} is given twice");
        }
    }
}
