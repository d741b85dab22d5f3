//! What the provider knows, in SQL: the only place with statements of it.
//!
//! A [`Store`] is one connection, a [`Unit`] one transaction on it. What the messages need is methods of
//! [`Unit`], in words of the protocol; each statement is written once and runs on SQLite and on PostgreSQL.

mod address;
mod answers;
pub(crate) mod audit;
mod backup;
mod books;
mod bulk;
mod certificates;
mod challenges;
mod client_standing;
mod clock;
mod column;
mod connect;
mod credited;
mod debts;
mod deposits;
mod ends;
mod error;
mod forwards;
mod life;
mod lists;
mod mailbox;
mod migrate;
mod office;
mod payments;
mod peer_lives;
mod peer_papers;
mod plain_file;
mod positions;
mod probe;
mod rows;
mod sql;
mod statements;
mod subjects;
mod withdrawals;

use host::task::{Turn, Work};
use sqlx::{Connection as _, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

pub use address::{NoStoreAddress, StoreAddress};
pub(crate) use answers::AnswerKind;
pub use books::Totals;
pub(crate) use bulk::{
    KnownPayment, LiveTa, Neighbours, Numbers, OpenGrant, PlainPayment, StoredNear, StoredPosition,
};
pub(crate) use clock::AcceptedClock;
pub use deposits::DepositRow;
pub use ends::{DeathRow, RetirementRow};
pub use error::StoreError;
pub use forwards::{ForwardRow, ForwardState};
pub use office::FindingRow;
pub use payments::{PaymentRow, PaymentState, Standing};
pub(crate) use peer_papers::PeerAnswerKind;
pub(crate) use plain_file::{PlainFile, PlainUnit};
pub use positions::{PeerRow, SettlementRow};
pub use subjects::{ClientRow, SubjectKind, TaRow, TaStanding};
pub use withdrawals::WithdrawalRow;

use answers::Stamps;
use connect::Connected;
use sql::Sql;

/// Begins a transaction that reads what is committed at its beginning, and keeps nobody from writing.
const POSTGRES_BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Begins a transaction that takes effect as if it were alone, or fails and may be repeated.
const POSTGRES_BEGIN: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";

/// One connection to the books.
#[derive(Debug)]
pub struct Store {
    address: StoreAddress,
    connection: Connection,
    stamps: Stamps,
}

#[derive(Debug)]
enum Connection {
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>),
}

impl Store {
    /// Opens the books and brings them to the newest schema.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when there are none, they cannot be opened, or they are newer than this program.
    pub async fn open(address: &StoreAddress) -> Result<Self, StoreError> {
        Self::connect(address, Connected::ToWhatIsThere).await
    }

    /// Makes new books.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be made, or the database holds books already.
    pub async fn create(address: &StoreAddress) -> Result<Self, StoreError> {
        Self::connect(address, Connected::ToNewBooks).await
    }

    async fn connect(address: &StoreAddress, to: Connected) -> Result<Self, StoreError> {
        host::task::pause(Work::Books).await;
        let connection = match address {
            StoreAddress::File(path) => {
                let connected = host::task::outside(connect::sqlite(path, to)).await;
                Connection::Sqlite(connected.map_err(StoreError::Away)?)
            }
            StoreAddress::Postgres(options) => {
                let connected = connect::postgres(options).await;
                Connection::Postgres(Box::new(connected.map_err(StoreError::Away)?))
            }
        };
        let mut store = Self {
            address: address.clone(),
            connection,
            stamps: Stamps::default(),
        };
        host::task::outside(store.migrate()).await?;

        Ok(store)
    }

    /// Opens the books again after the connection was lost. Stamps that were drawn are not used again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be opened now.
    pub async fn reopen(&mut self) -> Result<(), StoreError> {
        *self = Self::open(&self.address).await?;

        Ok(())
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when another process keeps writing for longer than the wait.
    pub async fn begin(&mut self) -> Result<Unit<'_>, StoreError> {
        let turn = self.turn().await;
        let mut unit = self.begin_with("BEGIN IMMEDIATE", POSTGRES_BEGIN).await?;
        unit.turn = Some(turn);

        Ok(unit)
    }

    /// Begins a transaction that draws numbers and does nothing else: processes that draw wait for each other.
    async fn begin_drawing(&mut self) -> Result<Unit<'_>, StoreError> {
        let turn = self.turn().await;
        let mut unit = self.begin_with("BEGIN IMMEDIATE", "BEGIN").await?;
        unit.turn = Some(turn);

        Ok(unit)
    }

    /// Begins a transaction that only reads: it sees one state and keeps nobody from writing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    pub async fn begin_reading(&mut self) -> Result<Unit<'_>, StoreError> {
        self.begin_with("BEGIN DEFERRED", POSTGRES_BEGIN_READING)
            .await
    }

    async fn begin_with(
        &mut self,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> Result<Unit<'_>, StoreError> {
        let transaction = match &mut self.connection {
            Connection::Sqlite(connection) => {
                Begun::Sqlite(host::task::outside(connection.begin_with(sqlite)).await?)
            }
            Connection::Postgres(connection) => {
                Begun::Postgres(connection.begin_with(postgres).await?)
            }
        };

        Ok(Unit {
            transaction,
            stamps: &mut self.stamps,
            incarnation: None,
            turn: None,
        })
    }

    /// Waits, in the world, until nobody else writes: the engine would wait in real time.
    pub(crate) async fn turn(&self) -> Turn {
        match &self.address {
            StoreAddress::File(path) => host::task::turn(path).await,
            StoreAddress::Postgres(_) => Turn::default(),
        }
    }

    /// Closes the connection, so that the log of writes is folded into the file.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be written; nothing that was committed is lost.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.connection {
            Connection::Sqlite(connection) => host::task::outside(connection.close()).await?,
            Connection::Postgres(connection) => connection.close().await?,
        }

        Ok(())
    }
}

/// One transaction. Dropping it without [`Unit::commit`] undoes it.
#[derive(Debug)]
pub struct Unit<'s> {
    transaction: Begun<'s>,
    stamps: &'s mut Stamps,
    /// The incarnation, once it was read in this transaction.
    incarnation: Option<u32>,
    turn: Option<Turn>,
}

#[derive(Debug)]
enum Begun<'s> {
    Sqlite(Transaction<'s, Sqlite>),
    Postgres(Transaction<'s, Postgres>),
}

impl Unit<'_> {
    /// Makes everything since the beginning durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: unless [`StoreError::may_be_repeated`], whether the transaction took effect is
    /// unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        let _turn = self.turn;
        host::task::pause(Work::Books).await;
        let committed = match self.transaction {
            Begun::Sqlite(transaction) => host::task::outside(transaction.commit()).await,
            Begun::Postgres(transaction) => transaction.commit().await,
        };

        committed.map_err(StoreError::at_commit)
    }

    /// Undoes everything since the beginning.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails; nothing takes effect then either.
    pub async fn abandon(self) -> Result<(), StoreError> {
        let _turn = self.turn;
        match self.transaction {
            Begun::Sqlite(transaction) => host::task::outside(transaction.rollback()).await?,
            Begun::Postgres(transaction) => transaction.rollback().await?,
        }

        Ok(())
    }

    /// Marks a point to which [`Unit::undo`] goes back.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    pub async fn mark(&mut self) -> Result<(), StoreError> {
        self.run("SAVEPOINT message").await
    }

    /// Keeps what was done since the mark, and forgets the mark.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    pub async fn keep(&mut self) -> Result<(), StoreError> {
        self.run("RELEASE SAVEPOINT message").await
    }

    /// Undoes what was done since the mark, and forgets the mark.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    pub async fn undo(&mut self) -> Result<(), StoreError> {
        self.run("ROLLBACK TO SAVEPOINT message").await?;

        self.run("RELEASE SAVEPOINT message").await
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sql::query(sql).execute(self.sql()).await?;

        Ok(())
    }

    pub(crate) fn sql(&mut self) -> Sql<'_> {
        match &mut self.transaction {
            Begun::Sqlite(transaction) => Sql::Sqlite(transaction),
            Begun::Postgres(transaction) => Sql::Postgres(transaction),
        }
    }
}
