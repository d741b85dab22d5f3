//! Connections to books, and what they demand of the engine.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::sql::{self, Sql};
use super::{Connection, Store, StoreError};

/// How long to wait for another process that is writing.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one statement may take on PostgreSQL, and how long it may wait for a lock, in milliseconds.
const STATEMENT_TIMEOUT_MS: u32 = 25_000;
const LOCK_TIMEOUT_MS: u32 = 10_000;

/// How long PostgreSQL keeps a transaction of a process that has gone silent, in milliseconds.
const IDLE_TRANSACTION_TIMEOUT_MS: u32 = 30_000;

/// Pages of the file that are kept in memory: as a negative number, in KiB.
const CACHE_KIB: &str = "-32768";

/// The same for the connection that books plain claims.
pub(super) const PLAIN_CACHE_KIB: &str = "-65536";

/// Pages in the log of writes before they are folded into the file: 32 MiB, so that a page that changes
/// often is folded in once.
pub(super) const CHECKPOINT_PAGES: &str = "8192";

/// Statements kept prepared.
const STATEMENTS_MAX: usize = 256;

/// Whether books are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connected {
    /// They must be there.
    ToWhatIsThere,
    /// They are made.
    ToNewBooks,
}

pub(super) async fn sqlite(path: &Path, to: Connected) -> Result<SqliteConnection, sqlx::Error> {
    let connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(to == Connected::ToNewBooks)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("cache_size", CACHE_KIB)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging()
        .connect()
        .await;
    #[cfg(blepay_world)]
    let connection = match connection {
        Ok(connection) => Ok(that_may_refuse(connection).await?),
        Err(error) => Err(error),
    };

    connection
}

/// Lets the world's disk refuse commits.
#[cfg(blepay_world)]
async fn that_may_refuse(
    mut connection: SqliteConnection,
) -> Result<SqliteConnection, sqlx::Error> {
    let refusals = host::world::refusals();
    let commits = move || !refusals.refuse();
    connection.lock_handle().await?.set_commit_hook(commits);

    Ok(connection)
}

pub(super) async fn postgres(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options
        .clone()
        .application_name("blepay-server")
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging()
        .connect()
        .await?;
    // All that is asked is asked by key: plans are made once, and never for tables that were small then.
    let settings = format!(
        "SET statement_timeout = {STATEMENT_TIMEOUT_MS}; SET lock_timeout = {LOCK_TIMEOUT_MS};
         SET idle_in_transaction_session_timeout = {IDLE_TRANSACTION_TIMEOUT_MS};
         SET client_min_messages = 'warning'; SET plan_cache_mode = force_generic_plan;
         SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off"
    );
    sqlx::raw_sql(AssertSqlSafe(settings))
        .execute(&mut connection)
        .await?;

    Ok(connection)
}

impl Store {
    /// Returns an error that says what could be lost, when the engine does not write to disk before it
    /// says that it did, or would promote a standby that does not have everything.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotDurable`], or what keeps from asking.
    pub async fn check_durable(&mut self) -> Result<(), StoreError> {
        for (setting, good) in [("fsync", &["on"][..]), ("full_page_writes", &["on"])]
            .into_iter()
            .chain([("synchronous_commit", &["on", "remote_apply"][..])])
        {
            let Some(stands) = self.setting(setting).await? else {
                return Ok(());
            };
            if !good.contains(&stands.as_str()) {
                let good = good.first().copied().unwrap_or_default();
                return Err(StoreError::NotDurable(format!(
                    "PostgreSQL has {setting} = {stands}, with which a crash loses payments that were \
                     answered: set it to {good}, or run with --allow-loss-of-answers"
                )));
            }
        }
        let standbys: i64 = sql::query_scalar("SELECT count(*) FROM pg_stat_replication")
            .fetch_one(self.sql())
            .await?;
        let names = self.setting("synchronous_standby_names").await?;
        if standbys > 0 && names.is_some_and(|names| names.is_empty()) {
            return Err(StoreError::NotDurable(
                "PostgreSQL has standbys and waits for none: whoever promotes one loses payments that \
                 were answered. Set synchronous_standby_names, or run with --allow-loss-of-answers"
                    .to_owned(),
            ));
        }

        Ok(())
    }

    /// Returns a setting of PostgreSQL; files have none.
    async fn setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        match &self.connection {
            Connection::Sqlite(_) => return Ok(None),
            Connection::Postgres(_) => {}
        }

        sql::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_optional(self.sql())
            .await
    }

    pub(super) fn sql(&mut self) -> Sql<'_> {
        match &mut self.connection {
            Connection::Sqlite(connection) => Sql::Sqlite(connection),
            Connection::Postgres(connection) => Sql::Postgres(connection),
        }
    }
}
