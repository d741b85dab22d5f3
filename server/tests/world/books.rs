//! What a test reads from the books and writes to them behind the server's back.

use blepay_server::provider::Layout;
use blepay_server::store::StoreAddress;
use ops_proto::statement::Evidence;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::{World, decode};

/// Keeps everybody else from writing until it is let go.
pub(crate) enum Hold {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Hold {
    pub(crate) async fn let_go(self) {
        match self {
            Self::Sqlite(books) => books.close().await.unwrap(),
            Self::Postgres(books) => books.close().await.unwrap(),
        }
    }
}

impl World {
    /// Returns the evidence that is stored, as a third party would get it.
    pub(crate) async fn evidence(&self) -> Vec<Evidence> {
        let select = "SELECT evidence FROM findings WHERE evidence IS NOT NULL";
        let rows: Vec<Vec<u8>> = match self.store_address() {
            StoreAddress::File(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut books = SqliteConnection::connect(&url).await.unwrap();
                let rows = sqlx::query_scalar(select).fetch_all(&mut books).await;
                rows.unwrap()
            }
            StoreAddress::Postgres(options) => {
                let mut books = PgConnection::connect_with(&options).await.unwrap();
                let rows = sqlx::query_scalar(select).fetch_all(&mut books).await;
                rows.unwrap()
            }
        };

        rows.iter().map(|bytes| decode(bytes)).collect()
    }

    /// Writes to the books behind the server's back.
    pub(crate) async fn sql(&self, statement: &'static str) {
        self.try_sql(statement).await.unwrap();
    }

    /// Writes to the books behind the server's back, if they let it.
    pub(crate) async fn try_sql(&self, statement: &'static str) -> Result<(), sqlx::Error> {
        match self.store_address() {
            StoreAddress::File(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut books = SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql(statement).execute(&mut books).await.map(drop)
            }
            StoreAddress::Postgres(options) => {
                let mut books = PgConnection::connect_with(&options).await.unwrap();
                sqlx::raw_sql(statement).execute(&mut books).await.map(drop)
            }
        }
    }

    /// Takes the books for itself.
    pub(crate) async fn hold(&self) -> Hold {
        match self.store_address() {
            StoreAddress::File(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut books = SqliteConnection::connect(&url).await.unwrap();
                let begin = sqlx::raw_sql("BEGIN IMMEDIATE");
                begin.execute(&mut books).await.unwrap();
                Hold::Sqlite(books)
            }
            StoreAddress::Postgres(options) => {
                let mut books = PgConnection::connect_with(&options).await.unwrap();
                let begin = sqlx::raw_sql("BEGIN; LOCK TABLE probe IN ACCESS EXCLUSIVE MODE");
                begin.execute(&mut books).await.unwrap();
                Hold::Postgres(books)
            }
        }
    }

    /// Returns the name of the database; none for a file.
    pub(crate) fn database(&self) -> Option<String> {
        match self.store_address() {
            StoreAddress::File(_) => None,
            StoreAddress::Postgres(options) => options.get_database().map(str::to_owned),
        }
    }

    /// Reads a number from the books.
    pub(crate) async fn number(&self, select: &'static str) -> i64 {
        match self.store_address() {
            StoreAddress::File(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut books = SqliteConnection::connect(&url).await.unwrap();
                let number = sqlx::query_scalar(select).fetch_one(&mut books).await;
                number.unwrap()
            }
            StoreAddress::Postgres(options) => {
                let mut books = PgConnection::connect_with(&options).await.unwrap();
                let number = sqlx::query_scalar(select).fetch_one(&mut books).await;
                number.unwrap()
            }
        }
    }

    /// Makes due what is said to other providers again only after a while.
    pub(crate) async fn time_passes(&self) {
        self.sql(
            "UPDATE peers SET due_ms = 0; UPDATE forwards SET due_ms = 0;
             UPDATE deliveries SET due_ms = 0; UPDATE settlements SET due_ms = 0",
        )
        .await;
    }

    fn store_address(&self) -> StoreAddress {
        Layout::new(self.data.path()).store_address().unwrap()
    }
}
