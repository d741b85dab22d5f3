//! Why books cannot be read or written, and what may be done about it.

/// The books cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine says no.
    #[error("the books cannot be read or written")]
    Sql(#[from] sqlx::Error),
    /// The file says no.
    #[error("the books cannot be read or written")]
    File(#[from] rusqlite::Error),
    /// The connection was lost while a transaction was made durable.
    #[error("whether the books took it is not known")]
    CommitUnknown(#[source] sqlx::Error),
    /// The schema cannot be brought to this program's.
    #[error("the books are of another version of this program")]
    Newer,
    /// The database may lose what it calls durable.
    #[error("{0}")]
    NotDurable(String),
    /// A row says what no row may say.
    #[error("the books are damaged: {0}")]
    Damaged(&'static str),
}

impl StoreError {
    /// Sorts the error of a commit: what the engine itself refused certainly did not take effect.
    pub(super) fn at_commit(error: sqlx::Error) -> Self {
        let error = Self::Sql(error);
        if error.may_be_repeated() {
            return error;
        }
        match error {
            Self::Sql(error) => Self::CommitUnknown(error),
            other @ (Self::File(_)
            | Self::CommitUnknown(_)
            | Self::Newer
            | Self::NotDurable(_)
            | Self::Damaged(_)) => other,
        }
    }

    /// Sorts an error from before anything was booked: what is not known counts as failed.
    pub(crate) fn of_nothing_booked(self) -> Self {
        match self {
            Self::CommitUnknown(error) => Self::Sql(error),
            other @ (Self::Sql(_)
            | Self::File(_)
            | Self::Newer
            | Self::NotDurable(_)
            | Self::Damaged(_)) => other,
        }
    }

    /// Returns whether the transaction did not take effect only because of others beside it: the whole
    /// of it may be tried again. (Serialization failure and deadlock, in PostgreSQL's words.)
    #[must_use]
    pub fn may_be_repeated(&self) -> bool {
        let error = match self {
            Self::Sql(sqlx::Error::Database(error)) => error,
            Self::File(error) => {
                return error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
            }
            Self::Sql(_)
            | Self::CommitUnknown(_)
            | Self::Newer
            | Self::NotDurable(_)
            | Self::Damaged(_) => return false,
        };

        error.code().is_some_and(|code| {
            code == "40001" || code == "40P01" || code == "55P03" || is_sqlite_busy(&code)
        })
    }

    /// Returns whether the transaction may have taken effect.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::CommitUnknown(_))
    }

    /// Returns whether nothing more can be done in the transaction.
    #[must_use]
    pub fn ends_transaction(&self) -> bool {
        self.may_be_repeated() || self.is_connection_lost()
    }

    /// Returns whether the connection is gone and has to be made again.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        match self {
            Self::CommitUnknown(_) => true,
            Self::Sql(sqlx::Error::Database(error)) => {
                // 57P01 to 57P05: the server ends the session. 08xxx: connection exception.
                error
                    .code()
                    .is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
            }
            Self::Sql(
                sqlx::Error::Io(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::WorkerCrashed,
            ) => true,
            Self::Sql(_) | Self::File(_) | Self::Newer | Self::NotDurable(_) | Self::Damaged(_) => {
                false
            }
        }
    }
}

/// SQLITE_BUSY and its extended codes.
fn is_sqlite_busy(code: &str) -> bool {
    code.parse().is_ok_and(|code: u32| code & 0xff == 5)
}
