//! What the provider knows, in SQL: the only place with statements of it.
//!
//! A [`Store`] is one connection, a [`Unit`] one transaction on it. What the messages need is methods of
//! [`Unit`], in words of the protocol; numbered parameters and plain types keep the statements such that
//! another engine can take them.

mod answers;
mod books;
mod challenges;
mod column;
mod deposits;
mod payments;
mod statements;
mod subjects;

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, Transaction};

pub(crate) use answers::AnswerKind;
pub use books::{AccountRow, EntryRow, Totals};
pub use deposits::DepositRow;
pub use payments::{PaymentRow, PaymentState, Standing};
pub use subjects::{ClientRow, SubjectKind, TaRow, TaStanding};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long to wait for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection to the books.
#[derive(Debug)]
pub struct Store {
    connection: SqliteConnection,
}

impl Store {
    /// Opens the books and brings them to the newest schema.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when there are none, they cannot be opened, or they are newer than this program.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::connect(path, false).await
    }

    /// Makes new books.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be made.
    pub async fn create(path: &Path) -> Result<Self, StoreError> {
        Self::connect(path, true).await
    }

    async fn connect(path: &Path, create: bool) -> Result<Self, StoreError> {
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging()
            .connect()
            .await?;
        MIGRATIONS.run_direct(None, &mut connection, false).await?;

        Ok(Self { connection })
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when another process keeps writing for longer than the wait.
    pub async fn begin(&mut self) -> Result<Unit<'_>, StoreError> {
        let transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;

        Ok(Unit { transaction })
    }

    /// Begins a transaction that only reads: it sees one state and keeps nobody from writing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    pub async fn begin_reading(&mut self) -> Result<Unit<'_>, StoreError> {
        let transaction = self.connection.begin_with("BEGIN DEFERRED").await?;

        Ok(Unit { transaction })
    }

    /// Closes the connection, so that the log of writes is folded into the file.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be written; nothing that was committed is lost.
    pub async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await?;

        Ok(())
    }
}

/// One transaction. Dropping it without [`Unit::commit`] undoes it.
#[derive(Debug)]
pub struct Unit<'s> {
    transaction: Transaction<'s, Sqlite>,
}

impl Unit<'_> {
    /// Makes everything since the beginning durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: whether the transaction took effect is then unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;

        Ok(())
    }

    /// Marks a point to which [`Unit::undo`] goes back.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    pub async fn mark(&mut self) -> Result<(), StoreError> {
        run(self.sql(), "SAVEPOINT message").await
    }

    /// Keeps what was done since the mark, and forgets the mark.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    pub async fn keep(&mut self) -> Result<(), StoreError> {
        run(self.sql(), "RELEASE message").await
    }

    /// Undoes what was done since the mark, and forgets the mark.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    pub async fn undo(&mut self) -> Result<(), StoreError> {
        run(self.sql(), "ROLLBACK TO message").await?;

        run(self.sql(), "RELEASE message").await
    }

    pub(crate) fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(connection).await?;

    Ok(())
}

/// The books cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine says no.
    #[error("the books cannot be read or written")]
    Sql(#[from] sqlx::Error),
    /// The schema cannot be brought to this program's.
    #[error("the books are of another version of this program")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row says what no row may say.
    #[error("the books are damaged: {0}")]
    Damaged(&'static str),
}
