//! Where books are: in a file, or on a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// Where books are.
#[derive(Clone)]
pub enum StoreAddress {
    /// In a file, for one process and the commands beside it.
    File(PathBuf),
    /// On a PostgreSQL server, for any number of processes.
    Postgres(Box<PgConnectOptions>),
}

impl StoreAddress {
    /// Returns the address of a file.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl FromStr for StoreAddress {
    type Err = NoStoreAddress;

    fn from_str(url: &str) -> Result<Self, NoStoreAddress> {
        if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
            return Err(NoStoreAddress);
        }
        let options = url.parse().map_err(|_| NoStoreAddress)?;

        Ok(Self::Postgres(Box::new(options)))
    }
}

/// Says where, without a password.
impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Postgres(options) => write!(
                f,
                "postgresql://{}:{}/{}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or_default()
            ),
        }
    }
}

/// A text is no address of books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write the books' address as postgresql://USER@HOST/DATABASE; without one they are in a file"
)]
pub struct NoStoreAddress;
