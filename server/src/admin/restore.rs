//! Putting a backup back: the server begins its next life.
//!
//! What happened after the backup is forgotten by the books, and not by the devices. The next answer
//! carries a higher incarnation, at which devices send again what they kept.

use std::path::{Path, PathBuf};

use ops_proto::ProviderId;
use serde::Serialize;
use tokio::process::Command;

use super::AdminError;
use super::backup::{io, run_tool, settle};
use crate::lock::DataLock;
use crate::provider::{Access, Layout, make_file};
use crate::store::{Store, StoreAddress};
use crate::writer::now;

/// Whether newer books may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// They stay.
    No,
    /// They are put aside.
    Yes,
}

/// What was restored.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreView {
    /// The life that the server begins.
    pub incarnation: i64,
    /// Where the books are that were there before.
    pub put_aside: Option<String>,
}

/// Replaces the books of a data directory by a backup, and raises the incarnation.
///
/// # Errors
///
/// [`AdminError`] when a server runs on the books, the file is no backup of them, or they are newer.
pub async fn restore(
    data: &Path,
    address: &StoreAddress,
    from: &Path,
    force: Force,
) -> Result<RestoreView, AdminError> {
    let layout = Layout::new(data);
    match address {
        StoreAddress::File(books) => restore_file(&layout, data, books, from, force).await,
        StoreAddress::Postgres(_) => {
            restore_database(&provider_id(&layout)?, address, from, force).await
        }
    }
}

async fn restore_file(
    layout: &Layout,
    data: &Path,
    books: &Path,
    from: &Path,
    force: Force,
) -> Result<RestoreView, AdminError> {
    let _lock = DataLock::take(data).map_err(|_| AdminError::InUse)?;
    // Looked at as a copy: opening may bring a backup to a newer schema, and backups stay as they are.
    let copy = beside(books, "restoring");
    drop(std::fs::remove_file(&copy));
    let bytes = std::fs::read(from).map_err(|source| io(from.to_owned(), source))?;
    make_file(&copy, &bytes, Access::Secret)?;
    let in_backup = reached_in(layout, &copy, from).await;
    let kept = match in_backup {
        Ok(kept) => kept,
        Err(error) => {
            drop(std::fs::remove_file(&copy));
            return Err(error);
        }
    };
    let here = if books.exists() {
        Some(reached_at(&StoreAddress::file(books)).await?)
    } else {
        None
    };
    if let Some(here) = here
        && here > kept
        && force == Force::No
    {
        drop(std::fs::remove_file(&copy));
        return Err(newer(here));
    }
    let next = here.map_or(kept.0, |here| here.0.max(kept.0));
    let put_aside = put_aside(books)?;
    std::fs::rename(&copy, books).map_err(|source| io(books.to_owned(), source))?;
    settle(books)?;
    let incarnation =
        begin_next_life(&provider_id(layout)?, &StoreAddress::file(books), next).await?;

    Ok(RestoreView {
        incarnation,
        put_aside: put_aside.map(|path| path.display().to_string()),
    })
}

fn provider_id(layout: &Layout) -> Result<ProviderId, AdminError> {
    Ok(layout.provider_certificate()?.body().provider)
}

async fn restore_database(
    ours: &ProviderId,
    address: &StoreAddress,
    from: &Path,
    force: Force,
) -> Result<RestoreView, AdminError> {
    let here = reached_at(address).await.ok();
    if let (Some(here), Force::No) = (here, force) {
        // What a dump holds is known only when it is restored: over books, it wants to be forced.
        return Err(newer(here));
    }
    let mut tool = Command::new("pg_restore");
    tool.args([
        "--clean",
        "--if-exists",
        "--no-owner",
        "--single-transaction",
    ])
    .args(["--dbname", &address.url_without_password()])
    .arg(from);
    run_tool(tool, address, "pg_restore").await?;
    let kept = reached_at(address).await?;
    let next = here.map_or(kept.0, |here| here.0.max(kept.0));

    Ok(RestoreView {
        incarnation: begin_next_life(ours, address, next).await?,
        put_aside: None,
    })
}

const fn newer((incarnation, answer, entry): (i64, i64, i64)) -> AdminError {
    AdminError::NewerBooks {
        incarnation,
        answer,
        entry,
    }
}

/// Returns how far a copy of a backup, if it is this provider's.
async fn reached_in(
    layout: &Layout,
    copy: &Path,
    from: &Path,
) -> Result<(i64, i64, i64), AdminError> {
    let no_backup = |why| AdminError::NoBackup {
        file: from.to_owned(),
        why,
    };
    let mut store = Store::open(&StoreAddress::file(copy))
        .await
        .map_err(|_| no_backup("it holds no books"))?;
    let mut unit = store.begin_reading().await?;
    let life = unit
        .reached()
        .await
        .map_err(|_| no_backup("it holds no books"))?;
    let certify = layout.provider_certificate()?.body().subject;
    let is_ours = unit.has_subject(&certify).await?;
    drop(unit);
    store.close().await?;
    if !is_ours {
        return Err(no_backup("it is another provider's"));
    }

    Ok(life)
}

async fn reached_at(address: &StoreAddress) -> Result<(i64, i64, i64), AdminError> {
    let mut store = Store::open(address).await?;
    let life = store.begin_reading().await?.reached().await?;
    store.close().await?;

    Ok(life)
}

/// Raises the incarnation, and the version of our deny-list, above all that devices may have seen.
async fn begin_next_life(
    ours: &ProviderId,
    address: &StoreAddress,
    after: i64,
) -> Result<i64, AdminError> {
    let mut store = Store::open(address).await?;
    let mut unit = store.begin().await?;
    let mut incarnation = 0;
    while incarnation <= after {
        incarnation = i64::from(unit.raise_incarnation(now()).await?);
    }
    let raised = u32::try_from(incarnation).unwrap_or(u32::MAX);
    unit.begin_list_of_life(ours, raised).await?;
    unit.commit().await?;
    store.close().await?;

    Ok(incarnation)
}

/// Puts books aside that are there, with what was not folded into them yet.
fn put_aside(books: &Path) -> Result<Option<PathBuf>, AdminError> {
    if !books.exists() {
        return Ok(None);
    }
    let aside = beside(books, &format!("before-restore-{}", now().as_ms()));
    for ending in ["", "-wal", "-shm"] {
        let from = with_ending(books, ending);
        if from.exists() {
            std::fs::rename(&from, with_ending(&aside, ending))
                .map_err(|source| io(from, source))?;
        }
    }

    Ok(Some(aside))
}

fn beside(books: &Path, what: &str) -> PathBuf {
    with_ending(books, &format!(".{what}"))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);

    PathBuf::from(name)
}
