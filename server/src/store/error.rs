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
    /// There is no connection to be had.
    #[error("the books cannot be reached")]
    Away(#[source] sqlx::Error),
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
            | Self::Away(_)
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
            | Self::Away(_)
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
            | Self::Away(_)
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
        self.may_be_repeated() || self.is_connection_lost() || self.lacks_means()
    }

    /// Returns whether the same may be taken later: somebody is in the way, the books are away, or there is no
    /// room for more.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.ends_transaction()
    }

    /// Returns whether the database lives and has no means to write: no room, no memory, or it only reads.
    fn lacks_means(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else {
            return false;
        };

        // 53xxx: insufficient resources. 58xxx: system error. 25006: read-only transaction.
        error.code().is_some_and(|code| {
            code.len() == POSTGRES_CODE_LEN
                && (code.starts_with("53") || code.starts_with("58") || code == "25006")
        })
    }

    /// Returns whether the connection is gone and has to be made again.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        match self {
            Self::CommitUnknown(_) | Self::Away(_) => true,
            Self::Sql(sqlx::Error::Database(error)) => {
                // 57P01 to 57P05: the server ends the session. 08xxx: connection exception.
                error.code().is_some_and(|code| {
                    code.starts_with("57P") || code.starts_with("08") || is_sqlite_unfit(&code)
                })
            }
            Self::File(error) => error
                .sqlite_error()
                .is_some_and(|error| is_unfit(error.extended_code.unsigned_abs())),
            Self::Sql(
                sqlx::Error::Io(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::WorkerCrashed,
            ) => true,
            Self::Sql(_) | Self::Newer | Self::NotDurable(_) | Self::Damaged(_) => false,
        }
    }
}

/// Characters of a code of PostgreSQL; those of SQLite are shorter.
const POSTGRES_CODE_LEN: usize = 5;

/// What SQLite says when the file cannot be written now: it may have ended the transaction by itself, so that the
/// connection begins anew.
fn is_sqlite_unfit(code: &str) -> bool {
    code.len() < POSTGRES_CODE_LEN && code.parse().is_ok_and(is_unfit)
}

/// SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN and their extended codes.
const fn is_unfit(code: u32) -> bool {
    matches!(code & 0xff, 8 | 10 | 13 | 14)
}

/// SQLITE_BUSY and its extended codes.
fn is_sqlite_busy(code: &str) -> bool {
    code.parse().is_ok_and(|code: u32| code & 0xff == 5)
}
