//! Putting a backup back: the server begins its next life.
//!
//! What happened after the backup is forgotten by the books, and not by the devices. The next answer carries a higher
//! incarnation, at which devices send again what they kept.
//!
//! The life is raised in a copy, before that takes the place of the books. Wherever a restore is cut, no server starts before
//! it was run again (`restore.pending`), and no life begins twice.

use std::path::{Path, PathBuf};

use ops_proto::ProviderId;
use serde::Serialize;
use tokio::process::Command;

use super::AdminError;
use super::backup::{io, run_tool, settle};
use crate::life::{Begun, Lives};
use crate::lock::DataLock;
use crate::provider::{Access, Layout, make_file};
use crate::store::{Store, StoreAddress, StoreError, Unit};
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
    remove(&copy)?;
    let bytes = std::fs::read(from).map_err(|source| io(from.to_owned(), source))?;
    make_file(&copy, &bytes, Access::Secret)?;
    let begun = match raise_copy(layout, data, books, (&copy, from), force).await {
        Ok(begun) => begun,
        Err(error) => {
            remove(&copy)?;
            return Err(error);
        }
    };
    let lives = Lives::new(data);
    lives.begin_restore()?;
    settle(&copy)?;
    let put_aside = put_aside(books)?;
    std::fs::rename(&copy, books).map_err(|source| io(books.to_owned(), source))?;
    settle(books)?;
    lives.begin(begun)?;
    lives.end_restore()?;
    let incarnation = begun.life;

    Ok(RestoreView {
        incarnation,
        put_aside: put_aside.map(|path| path.display().to_string()),
    })
}

/// Begins the next life in a copy of a backup, and returns it.
async fn raise_copy(
    layout: &Layout,
    data: &Path,
    books: &Path,
    (copy, from): (&Path, &Path),
    force: Force,
) -> Result<Begun, AdminError> {
    let kept = reached_in(layout, copy, from).await?;
    let ours = provider_id(layout)?;
    let here = match books.exists() {
        true => Some(reached_at(&ours, &StoreAddress::file(books)).await),
        false => None,
    };
    let here = match (here, force) {
        (Some(Ok(here)), _) => Some(here),
        // books that cannot be read are a reason to restore
        (None, _) | (Some(Err(_)), Force::Yes) => None,
        (Some(Err(error)), Force::No) => return Err(error),
    };
    if let Some(here) = &here
        && here.books > kept.books
        && force == Force::No
    {
        return Err(newer(here));
    }
    let known = here.map_or(kept.begun, |here| here.begun.or(kept.begun));
    let next = Lives::new(data).next(known, now())?;
    begin_life(&ours, &StoreAddress::file(copy), next).await?;
    // the file alone takes the place of the books
    let left = with_ending(copy, "-wal");
    if left.metadata().is_ok_and(|left| left.len() > 0) {
        let why = std::io::Error::other("the database did not fold its log into the file");
        return Err(io(left, why));
    }

    Ok(next)
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
    let ours = provider_id(layout)?;
    let here = reached_at(&ours, address).await.ok();
    if let (Some(here), Force::No) = (&here, force) {
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
    if let Err(error) = run_tool(tool, address, "pg_restore").await {
        // it changes all or nothing; nothing, if the books say the same as before
        let after = reached_at(&ours, address).await.ok();
        if after == here {
            lives.end_restore()?;
        }
        return Err(error);
    }
    let kept = reached_at(&ours, address).await?.begun;
    let known = here.map_or(kept, |here| here.begun.or(kept));
    let next = lives.next(known, now())?;
    begin_life(&ours, address, next).await?;
    lives.begin(next)?;
    lives.end_restore()?;
    let incarnation = next.life;

    Ok(RestoreView {
        incarnation,
        put_aside: None,
    })
}

const fn newer(here: &Reached) -> AdminError {
    let (incarnation, answer, entry) = here.books;

    AdminError::NewerBooks {
        incarnation,
        answer,
        entry,
    }
}

/// How far books are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reached {
    /// Their life, and the numbers of their newest answer and entry.
    books: (i64, i64, i64),
    begun: Begun,
}

impl Reached {
    async fn read(unit: &mut Unit<'_>, ours: &ProviderId) -> Result<Self, StoreError> {
        Ok(Self {
            books: unit.reached().await?,
            begun: unit.begun(ours).await?,
        })
    }
}

/// Returns how far a copy of a backup, if it is this provider's.
async fn reached_in(layout: &Layout, copy: &Path, from: &Path) -> Result<Reached, AdminError> {
    let no_backup = |why| AdminError::NoBackup {
        file: from.to_owned(),
        why,
    };
    let mut store = Store::open(&StoreAddress::file(copy))
        .await
        .map_err(|_| no_backup("it holds no books"))?;
    let mut unit = store.begin_reading().await?;
    let reached = Reached::read(&mut unit, &provider_id(layout)?)
        .await
        .map_err(|_| no_backup("it holds no books"))?;
    let certify = layout.provider_certificate()?.body().subject;
    let is_ours = unit.has_subject(&certify).await?;
    drop(unit);
    store.close().await?;
    if !is_ours {
        return Err(no_backup("it is another provider's"));
    }

    Ok(reached)
}

async fn reached_at(ours: &ProviderId, address: &StoreAddress) -> Result<Reached, AdminError> {
    let mut store = Store::open(address).await?;
    let reached = Reached::read(&mut store.begin_reading().await?, ours).await?;
    store.close().await?;

    Ok(reached)
}

/// Begins a life in books, with the first version of its deny-list.
async fn begin_life(
    ours: &ProviderId,
    address: &StoreAddress,
    begun: Begun,
) -> Result<(), AdminError> {
    let life = u32::try_from(begun.life).unwrap_or(u32::MAX);
    let mut store = Store::open(address).await?;
    let mut unit = store.begin().await?;
    unit.begin_next_life(life, now()).await?;
    unit.begin_list_of_life(ours, begun.list).await?;
    unit.commit().await?;

    Ok(store.close().await?)
}

/// Puts books aside that are there, with what was not folded into them yet.
fn put_aside(books: &Path) -> Result<Option<PathBuf>, AdminError> {
    let were_there = books.exists();
    let aside = beside(books, &format!("before-restore-{}", now().as_ms()));
    // a log without its file would be taken for that of the next one
    for ending in FILES {
        let from = with_ending(books, ending);
        if from.exists() {
            std::fs::rename(&from, with_ending(&aside, ending))
                .map_err(|source| io(from, source))?;
        }
    }

    Ok(were_there.then_some(aside))
}

/// Removes books that a restore which was cut has left, with what was not folded into them.
fn remove(books: &Path) -> Result<(), AdminError> {
    for ending in FILES {
        let path = with_ending(books, ending);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(path, error)),
        }
    }

    Ok(())
}

/// The endings of the files that books in a file are made of.
const FILES: [&str; 3] = ["", "-wal", "-shm"];

fn beside(books: &Path, what: &str) -> PathBuf {
    with_ending(books, &format!(".{what}"))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);

    PathBuf::from(name)
}
