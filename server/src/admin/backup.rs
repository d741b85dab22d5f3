//! A backup of the books while the server runs.
//!
//! It holds the books alone. Keys and settings stay in the data directory: they change seldom, and
//! belong into another safe than what is copied every night.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::process::Command;
use utoipa::ToSchema;

use super::AdminError;
use crate::provider::{Access, FileError, Layout, make_file, settle_name};
use crate::store::{Store, StoreAddress};

/// How long PostgreSQL's own program may take.
const DUMP_TIME_MAX: Duration = Duration::from_secs(3600);

/// A backup that was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BackupView {
    /// The file.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// How it is restored.
    pub restore: String,
}

/// Writes the books of a data directory into a new file, as they are at one instant.
///
/// # Errors
///
/// [`AdminError`] when the file is there already, or the books cannot be read.
pub async fn backup(
    data: &Path,
    address: &StoreAddress,
    out: &Path,
) -> Result<BackupView, AdminError> {
    Layout::new(data).provider_certificate()?;
    // Others must not read it, not even while it grows.
    make_file(out, &[], Access::Secret)?;
    let written = match address {
        StoreAddress::File(_) => copy(address, out).await,
        StoreAddress::Postgres(_) => dump(address, out).await,
    };
    if let Err(error) = written {
        // Half a backup is worse than none.
        drop(std::fs::remove_file(out));
        return Err(error);
    }
    let bytes = settle(out)?;

    Ok(BackupView {
        file: out.display().to_string(),
        bytes,
        restore: format!(
            "blepay-server restore --data {} --from {}",
            data.display(),
            out.display()
        ),
    })
}

async fn copy(address: &StoreAddress, out: &Path) -> Result<(), AdminError> {
    let mut store = Store::open(address).await?;
    store.copy_into(out).await?;

    Ok(store.close().await?)
}

async fn dump(address: &StoreAddress, out: &Path) -> Result<(), AdminError> {
    let mut dump = Command::new("pg_dump");
    dump.args(["--format=custom", "--no-owner", "--dbname"])
        .arg(address.url_without_password())
        .arg("--file")
        .arg(out);
    run_tool(dump, address, "pg_dump").await
}

/// Runs a program of PostgreSQL, with the password in its environment: arguments are seen by everybody.
pub(super) async fn run_tool(
    mut tool: Command,
    address: &StoreAddress,
    name: &str,
) -> Result<(), AdminError> {
    if let Some(password) = address.password() {
        tool.env("PGPASSWORD", password);
    }
    let running = tool.kill_on_drop(true).output();
    let output = tokio::time::timeout(DUMP_TIME_MAX, running)
        .await
        .map_err(|_| AdminError::Tool(format!("{name} took longer than an hour")))?
        .map_err(|error| {
            AdminError::Tool(format!(
                "{name} cannot be run ({error}): install the package postgresql-client"
            ))
        })?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        let line = why.lines().next().unwrap_or_default();
        return Err(AdminError::Tool(format!("{name} failed: {line}")));
    }

    Ok(())
}

/// Makes a file and its name durable, and returns its size.
pub(super) fn settle(path: &Path) -> Result<u64, AdminError> {
    let settled = || -> std::io::Result<u64> {
        let file = std::fs::File::open(path)?;
        file.sync_all()?;

        Ok(file.metadata()?.len())
    };
    let size = settled().map_err(|source| io(path.to_owned(), source))?;
    settle_name(path)?;

    Ok(size)
}

pub(super) fn io(path: PathBuf, source: std::io::Error) -> AdminError {
    AdminError::File(FileError::Io { path, source })
}
