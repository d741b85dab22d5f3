//! One way to run a statement on either engine.
//!
//! Statements are written once, in what both engines take: `$1` parameters, `ON CONFLICT`, `RETURNING`,
//! `CAST(sum(x) AS BIGINT)`. Values are integers, bytes and texts, and the absence of each.
//!
//! ```ignore
//! let row = sql::query("SELECT name FROM clients WHERE key = $1")
//!     .bind(key.0.as_slice())
//!     .fetch_optional(self.sql())
//!     .await?;
//! ```

use std::marker::PhantomData;

use sqlx::postgres::{PgArguments, PgRow, PgValueRef};
use sqlx::sqlite::{SqliteArguments, SqliteRow, SqliteValueRef};
use sqlx::{
    Arguments as _, AssertSqlSafe, ColumnIndex, Decode, PgConnection, Postgres, Row as _,
    SqlSafeStr as _, SqlStr, Sqlite, SqliteConnection, TypeInfo as _, ValueRef as _,
};

use super::StoreError;

/// Where a statement runs.
#[derive(Debug)]
pub(crate) enum Sql<'c> {
    /// On a file.
    Sqlite(&'c mut SqliteConnection),
    /// On a server.
    Postgres(&'c mut PgConnection),
}

/// Makes a statement.
pub(crate) fn query(sql: &'static str) -> Query {
    Query::new(sql.into_sql_str())
}

/// Makes a statement whose text this program put together out of its own texts.
pub(crate) fn query_built(sql: String) -> Query {
    Query::new(AssertSqlSafe(sql).into_sql_str())
}

/// Makes a statement of which only the first column is wanted.
pub(crate) fn query_scalar<T>(sql: &'static str) -> Scalar<T> {
    Scalar {
        query: query(sql),
        column: PhantomData,
    }
}

/// A statement and its values.
#[derive(Debug)]
pub(crate) struct Query {
    sql: SqlStr,
    values: Vec<Value>,
}

impl Query {
    const fn new(sql: SqlStr) -> Self {
        Self {
            sql,
            values: Vec::new(),
        }
    }

    /// Binds the next value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Binds the next values.
    pub(crate) fn bind_all(mut self, values: Vec<Value>) -> Self {
        self.values.extend(values);
        self
    }

    /// Runs it and returns how many rows it changed.
    pub(crate) async fn execute(self, at: Sql<'_>) -> Result<Done, StoreError> {
        let rows_affected = match at {
            Sql::Sqlite(connection) => {
                let values = sqlite_arguments(self.values)?;
                let query = sqlx::query_with::<Sqlite, _>(self.sql, values);
                host::task::outside(query.execute(connection))
                    .await?
                    .rows_affected()
            }
            Sql::Postgres(connection) => {
                let values = postgres_arguments(self.values)?;
                let query = sqlx::query_with::<Postgres, _>(self.sql, values);
                query.execute(connection).await?.rows_affected()
            }
        };

        Ok(Done { rows_affected })
    }

    /// Runs it and returns the first row, if there is one.
    pub(crate) async fn fetch_optional(self, at: Sql<'_>) -> Result<Option<Row>, StoreError> {
        let row = match at {
            Sql::Sqlite(connection) => {
                let values = sqlite_arguments(self.values)?;
                let query = sqlx::query_with::<Sqlite, _>(self.sql, values);
                host::task::outside(query.fetch_optional(connection))
                    .await?
                    .map(Row::Sqlite)
            }
            Sql::Postgres(connection) => {
                let values = postgres_arguments(self.values)?;
                let query = sqlx::query_with::<Postgres, _>(self.sql, values);
                query.fetch_optional(connection).await?.map(Row::Postgres)
            }
        };

        Ok(row)
    }

    /// Runs it and returns the first row.
    pub(crate) async fn fetch_one(self, at: Sql<'_>) -> Result<Row, StoreError> {
        let row = self.fetch_optional(at).await?;

        row.ok_or(StoreError::Sql(sqlx::Error::RowNotFound))
    }

    /// Runs it and returns every row.
    pub(crate) async fn fetch_all(self, at: Sql<'_>) -> Result<Vec<Row>, StoreError> {
        let rows = match at {
            Sql::Sqlite(connection) => {
                let values = sqlite_arguments(self.values)?;
                let query = sqlx::query_with::<Sqlite, _>(self.sql, values);
                let rows = host::task::outside(query.fetch_all(connection)).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Sql::Postgres(connection) => {
                let values = postgres_arguments(self.values)?;
                let query = sqlx::query_with::<Postgres, _>(self.sql, values);
                let rows = query.fetch_all(connection).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        };

        Ok(rows)
    }
}

/// A statement of which only the first column is wanted.
#[derive(Debug)]
pub(crate) struct Scalar<T> {
    query: Query,
    column: PhantomData<fn() -> T>,
}

impl<T: for<'r> FromCell<'r>> Scalar<T> {
    /// Binds the next value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// Runs it and returns the first row's, if there is one.
    pub(crate) async fn fetch_optional(self, at: Sql<'_>) -> Result<Option<T>, StoreError> {
        let row = self.query.fetch_optional(at).await?;

        row.as_ref().map(Row::first).transpose()
    }

    /// Runs it and returns the first row's.
    pub(crate) async fn fetch_one(self, at: Sql<'_>) -> Result<T, StoreError> {
        self.query.fetch_one(at).await?.first()
    }

    /// Runs it and returns every row's.
    pub(crate) async fn fetch_all(self, at: Sql<'_>) -> Result<Vec<T>, StoreError> {
        let rows = self.query.fetch_all(at).await?;

        rows.iter().map(Row::first).collect()
    }
}

/// What a statement changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    rows_affected: u64,
}

impl Done {
    /// Returns how many rows it changed.
    pub(crate) const fn rows_affected(self) -> u64 {
        self.rows_affected
    }
}

/// A value for a parameter.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// An integer.
    Integer(Option<i64>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
    /// A text.
    Text(Option<String>),
    /// Integers in an array, for PostgreSQL.
    Integers(Vec<Option<i64>>),
    /// Many times bytes in an array, for PostgreSQL.
    ManyBytes(Vec<Option<Vec<u8>>>),
}

macro_rules! into_value {
    ($($from:ty => $variant:ident($convert:expr)),* $(,)?) => {
        $(
            impl From<$from> for Value {
                fn from(value: $from) -> Self {
                    Self::$variant(Some($convert(value)))
                }
            }

            impl From<Option<$from>> for Value {
                fn from(value: Option<$from>) -> Self {
                    Self::$variant(value.map($convert))
                }
            }
        )*
    };
}

into_value! {
    i64 => Integer(i64::from),
    u32 => Integer(i64::from),
    bool => Integer(i64::from),
    Vec<u8> => Bytes(Vec::from),
    &[u8] => Bytes(<[u8]>::to_vec),
    String => Text(String::from),
    &str => Text(str::to_owned),
}

fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Integer(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Integers(_) | Value::ManyBytes(_) => {
                Err("SQLite has no arrays: write rows instead".into())
            }
        }
        .map_err(sqlx::Error::Encode)?;
    }

    Ok(arguments)
}

fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Integer(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Integers(values) => arguments.add(values),
            Value::ManyBytes(values) => arguments.add(values),
        }
        .map_err(sqlx::Error::Encode)?;
    }

    Ok(arguments)
}

/// A row of either engine.
pub(crate) enum Row {
    /// From a file.
    Sqlite(SqliteRow),
    /// From a server.
    Postgres(PgRow),
}

impl Row {
    /// Returns what stands in a column.
    pub(crate) fn try_get<'r, T: FromCell<'r>>(&'r self, column: &str) -> Result<T, StoreError> {
        self.cell(column)
    }

    fn first<'r, T: FromCell<'r>>(&'r self) -> Result<T, StoreError> {
        self.cell(0_usize)
    }

    fn cell<'r, T, I>(&'r self, column: I) -> Result<T, StoreError>
    where
        T: FromCell<'r>,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        let cell = match self {
            Self::Sqlite(row) => Cell::Sqlite(row.try_get_raw(column)?),
            Self::Postgres(row) => Cell::Postgres(row.try_get_raw(column)?),
        };

        T::from_cell(cell).map_err(|error| StoreError::Sql(sqlx::Error::Decode(error)))
    }
}

/// What stands in one column of a row.
pub(crate) enum Cell<'r> {
    /// From a file.
    Sqlite(SqliteValueRef<'r>),
    /// From a server.
    Postgres(PgValueRef<'r>),
}

impl Cell<'_> {
    fn is_null(&self) -> bool {
        match self {
            Self::Sqlite(value) => value.is_null(),
            Self::Postgres(value) => value.is_null(),
        }
    }
}

type Decoded<T> = Result<T, sqlx::error::BoxDynError>;

fn of_sqlite<'r, T: Decode<'r, Sqlite>>(value: SqliteValueRef<'r>) -> Decoded<T> {
    T::decode(value)
}

fn of_postgres<'r, T: Decode<'r, Postgres>>(value: PgValueRef<'r>) -> Decoded<T> {
    T::decode(value)
}

/// What can stand in a column.
pub(crate) trait FromCell<'r>: Sized {
    /// Takes it out.
    fn from_cell(cell: Cell<'r>) -> Decoded<Self>;
}

impl FromCell<'_> for i64 {
    fn from_cell(cell: Cell<'_>) -> Decoded<Self> {
        let value = match cell {
            Cell::Sqlite(value) => return of_sqlite(value),
            Cell::Postgres(value) => value,
        };
        let type_name = value.type_info().name().to_owned();
        match type_name.as_str() {
            "INT2" => of_postgres::<i16>(value).map(Self::from),
            "INT4" => of_postgres::<i32>(value).map(Self::from),
            "BOOL" => of_postgres::<bool>(value).map(Self::from),
            "INT8" => of_postgres(value),
            other => Err(format!("a column of type {other} is no integer: cast it").into()),
        }
    }
}

impl FromCell<'_> for u32 {
    fn from_cell(cell: Cell<'_>) -> Decoded<Self> {
        Ok(Self::try_from(i64::from_cell(cell)?)?)
    }
}

impl FromCell<'_> for bool {
    fn from_cell(cell: Cell<'_>) -> Decoded<Self> {
        Ok(i64::from_cell(cell)? != 0)
    }
}

impl<'r> FromCell<'r> for &'r [u8] {
    fn from_cell(cell: Cell<'r>) -> Decoded<Self> {
        match cell {
            Cell::Sqlite(value) => of_sqlite(value),
            Cell::Postgres(value) => of_postgres(value),
        }
    }
}

impl FromCell<'_> for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Decoded<Self> {
        match cell {
            Cell::Sqlite(value) => of_sqlite(value),
            Cell::Postgres(value) => of_postgres(value),
        }
    }
}

impl FromCell<'_> for String {
    fn from_cell(cell: Cell<'_>) -> Decoded<Self> {
        match cell {
            Cell::Sqlite(value) => of_sqlite(value),
            Cell::Postgres(value) => of_postgres(value),
        }
    }
}

impl<'r, T: FromCell<'r>> FromCell<'r> for Option<T> {
    fn from_cell(cell: Cell<'r>) -> Decoded<Self> {
        if cell.is_null() {
            return Ok(None);
        }

        T::from_cell(cell).map(Some)
    }
}
