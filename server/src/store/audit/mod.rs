//! What an audit reads: rows as they are, damaged or not, in an order in which they can be checked.
//!
//! Each kind of row is declared once in [`rows`] with the statement that reads it, and is read in one of two
//! ways: a page at a time in the order of its key ([`Pages`]), or all those that a page of other rows names
//! ([`Unit::found`]).

mod rows;

use std::marker::PhantomData;

use super::rows::{Column, Rows};
use super::sql::{self, Row, Value};
use super::{StoreError, Unit};

pub(crate) use rows::{
    AccountAsItStands, AnswerAsItStands, CreditAsItStands, DepositAsItStands, EntryAsItStands,
    NamedPayment, PaymentAsItStands, PaymentOfStatement, PresentedAsItStands, RetirementAsItStands,
    StatementAsItStands, TaAsItStands, TaFound, TokenAsItStands, TokenFound, WithdrawalAsItStands,
    WithdrawalFound,
};

/// Rows of one page.
pub(crate) const PAGE: i64 = 1000;

/// A row that is taken as it stands.
pub(crate) trait AsItStands: Sized {
    /// The statement that reads it.
    const SELECT: &'static str;

    fn back(row: &Row) -> Result<Self, StoreError>;
}

/// A row that is read with its neighbours. The statement's last parameter is how many, those before it are a
/// key that comes before theirs.
pub(crate) trait Paged: AsItStands {
    /// Returns what comes before every key.
    fn begin() -> Vec<Value>;

    fn key(&self) -> Vec<Value>;
}

/// A row that is looked for by one or several columns of bytes, as `given.column1` ….
pub(crate) trait Wanted: AsItStands {}

/// The columns that rows are looked for by, at most.
const COLUMNS: &[Column] = &[Column::Bytes, Column::Bytes, Column::Bytes];

/// A table, a page at a time.
pub(crate) struct Pages<T> {
    after: Vec<Value>,
    rows: PhantomData<fn() -> T>,
}

impl<T: Paged> Pages<T> {
    /// Begins with the first row.
    pub(crate) fn new() -> Self {
        Self {
            after: T::begin(),
            rows: PhantomData,
        }
    }

    /// Begins after the row with a number.
    pub(crate) fn after(number: i64) -> Self {
        Self {
            after: vec![number.into()],
            rows: PhantomData,
        }
    }

    /// Returns the next page, unless there is none.
    pub(crate) async fn next(&mut self, unit: &mut Unit<'_>) -> Result<Option<Vec<T>>, StoreError> {
        let rows = sql::query(T::SELECT)
            .bind_all(self.after.clone())
            .bind(PAGE)
            .fetch_all(unit.sql())
            .await?;
        let page: Vec<T> = rows.iter().map(T::back).collect::<Result<_, _>>()?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        self.after = last.key();

        Ok(Some(page))
    }
}

impl Unit<'_> {
    /// Returns the rows that are named by these values of their columns.
    pub(crate) async fn found<'k, T: Wanted, const N: usize>(
        &mut self,
        wanted: impl IntoIterator<Item = [&'k [u8]; N]>,
    ) -> Result<Vec<T>, StoreError> {
        let mut given = Rows::new(COLUMNS.get(..N).unwrap_or(COLUMNS));
        for values in wanted {
            given.push(values.map(Value::from));
        }
        let rows = self.fetch_rows(T::SELECT, given).await?;

        rows.iter().map(T::back).collect()
    }

    /// Returns the largest number of an account that exists or that an entry names.
    pub(crate) async fn last_account(&mut self) -> Result<i64, StoreError> {
        let accounts: Option<i64> = sql::query_scalar("SELECT max(id) FROM accounts")
            .fetch_one(self.sql())
            .await?;
        let entries: Option<i64> = sql::query_scalar(
            "SELECT max(CASE WHEN debited > credited THEN debited ELSE credited END) FROM entries",
        )
        .fetch_one(self.sql())
        .await?;

        Ok(accounts.unwrap_or(0).max(entries.unwrap_or(0)))
    }

    /// Returns how many payments there are.
    pub(crate) async fn payment_count(&mut self) -> Result<i64, StoreError> {
        sql::query_scalar("SELECT count(*) FROM payments")
            .fetch_one(self.sql())
            .await
    }

    /// Returns what was granted for an i: the hash of the DepositOpen, and the amount.
    pub(crate) async fn granted(
        &mut self,
        ta: &ops_proto::PublicKey,
        i: u64,
    ) -> Result<Option<(Vec<u8>, i64)>, StoreError> {
        let row = sql::query(
            "SELECT hash, amount FROM deposits WHERE ta = $1 AND i = $2 AND outcome = 0",
        )
        .bind(ta.0.as_slice())
        .bind(super::column::counter(i))
        .fetch_optional(self.sql())
        .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some((row.try_get("hash")?, row.try_get("amount")?)))
    }

    /// Returns the rows that name a payment which is not there: a table's name and how many.
    pub(crate) async fn payments_missing(&mut self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sql::query(
            "SELECT 'forwards' AS name, count(*) AS missing FROM forwards WHERE NOT EXISTS
                 (SELECT 1 FROM payments WHERE payments.hash = forwards.payment AND named = 1)
             UNION ALL SELECT 'presented', count(*) FROM presented WHERE NOT EXISTS
                 (SELECT 1 FROM payments WHERE payments.hash = presented.payment AND named = 1)",
        )
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| Ok((row.try_get("name")?, row.try_get("missing")?)))
            .collect()
    }

    /// Returns the incarnation, and the largest number of an answer that was drawn in it.
    pub(crate) async fn drawn(&mut self) -> Result<(i64, i64), StoreError> {
        let row = sql::query("SELECT incarnation, sequence FROM life WHERE id = 1")
            .fetch_one(self.sql())
            .await?;

        Ok((row.try_get("incarnation")?, row.try_get("sequence")?))
    }
}
