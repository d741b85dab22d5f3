//! What a test reads from the books and writes to them behind the server's back.

use blepay_server::provider::Layout;
use blepay_server::store::StoreAddress;
use ops_proto::statement::Evidence;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::{World, decode};

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
