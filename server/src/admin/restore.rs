//! Putting a backup back: the server begins its next life.
//!
//! The life is raised in the copy, before that takes the place of the books. What happened after the backup is forgotten by the books, and not by the devices. The next answer
//! carries a higher incarnation, at which devices send again what they kept.

use std::path::{Path, PathBuf};

use ops_proto::ProviderId;
use serde::Serialize;
use tokio::process::Command;

use super::AdminError;
use super::backup::{io, run_tool, settle};
use crate::life::Lives;
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
        StoreAddress::Postgres(_) => restore_database(&layout, data, address, from, force).await,
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
    let ready = raise_copy(layout, data, books, (&copy, from), force).await;
    let incarnation = match ready {
        Ok(incarnation) => incarnation,
        Err(error) => {
            drop(std::fs::remove_file(&copy));
            return Err(error);
        }
    };
    // The copy is in its life already, and the machine knows of it: wherever this is cut, no server starts before it was
    // run again, and no life begins twice.
    let lives = Lives::new(data);
    lives.begin(incarnation)?;
    lives.begin_restore()?;
    settle(&copy)?;
    let put_aside = put_aside(books)?;
    std::fs::rename(&copy, books).map_err(|source| io(books.to_owned(), source))?;
    settle(books)?;
    lives.end_restore()?;

    Ok(RestoreView {
        incarnation,
        put_aside: put_aside.map(|path| path.display().to_string()),
    })
}

/// Begins the next life in a copy of a backup, and returns its number.
async fn raise_copy(
    layout: &Layout,
    data: &Path,
    books: &Path,
    (copy, from): (&Path, &Path),
    force: Force,
) -> Result<i64, AdminError> {
    let kept = reached_in(layout, copy, from).await?;
    let here = match books.exists() {
        true => Some(reached_at(&StoreAddress::file(books)).await),
        false => None,
    };
    let here = match (here, force) {
        (Some(Ok(here)), _) => Some(here),
        // books that cannot be read are a reason to restore
        (None, _) | (Some(Err(_)), Force::Yes) => None,
        (Some(Err(error)), Force::No) => return Err(error),
    };
    if let Some(here) = here
        && here > kept
        && force == Force::No
    {
        return Err(newer(here));
    }
    let known = here.map_or(kept.0, |here| here.0.max(kept.0));
    let next = Lives::new(data).next(known, now())?;

    begin_life(&provider_id(layout)?, &StoreAddress::file(copy), next).await
}

fn provider_id(layout: &Layout) -> Result<ProviderId, AdminError> {
    Ok(layout.provider_certificate()?.body().provider)
}

async fn restore_database(
    layout: &Layout,
    data: &Path,
    address: &StoreAddress,
    from: &Path,
    force: Force,
) -> Result<RestoreView, AdminError> {
    let lives = Lives::new(data);
    let here = reached_at(address).await.ok();
    if let (Some(here), Force::No) = (here, force) {
        // What a dump holds is known only when it is restored: over books, it wants to be forced.
        return Err(newer(here));
    }
    // Until the life of what is put back is raised, no server of this machine starts.
    lives.begin_restore()?;
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
    let known = here.map_or(kept.0, |here| here.0.max(kept.0));
    let next = lives.next(known, now())?;
    lives.begin(next)?;
    let incarnation = begin_life(&provider_id(layout)?, address, next).await?;
    lives.end_restore()?;

    Ok(RestoreView {
        incarnation,
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

/// Begins a life, with a version of our deny-list above all that devices may have seen; returns its number.
async fn begin_life(
    ours: &ProviderId,
    address: &StoreAddress,
    number: i64,
) -> Result<i64, AdminError> {
    let life = u32::try_from(number).unwrap_or(u32::MAX);
    let mut store = Store::open(address).await?;
    let mut unit = store.begin().await?;
    unit.begin_next_life(life, now()).await?;
    unit.begin_list_of_life(ours, life).await?;
    unit.commit().await?;
    store.close().await?;

    Ok(i64::from(life))
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
