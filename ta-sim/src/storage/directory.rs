//! The directory of a state: two slot files, in the hands of one TA at a time.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::Slot;
use crate::limits::SLOT_SIZE_MAX;

/// A directory that this TA has to itself.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held for the life of the storage: two TAs on one state would fork its history.
    lock: File,
}

impl Directory {
    /// Takes the directory, which is made when it is not there.
    ///
    /// # Errors
    ///
    /// When another TA has it, or when it cannot be made.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;

        Ok(Self {
            path: path.to_owned(),
            lock: lock(path)?,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    pub(super) fn has_slots(&self) -> bool {
        self.slot(Slot::First).exists() || self.slot(Slot::Second).exists()
    }

    /// Returns the content of a file, or nothing when it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is larger than `size_max` bytes.
    pub(super) fn read(&self, name: &str, size_max: usize) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.path.join(name), size_max)
    }

    /// Makes a file that is there with all of `bytes` when this returns, and before that not at all.
    ///
    /// # Errors
    ///
    /// When that is not certain.
    pub(super) fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.path.join(format!("{name}.new"));
        let mut file = File::create(&unfinished)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, self.path.join(name))?;

        File::open(&self.path)?.sync_all()
    }

    pub(super) fn read_slot(&self, slot: Slot) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.slot(slot), SLOT_SIZE_MAX)
    }

    pub(super) fn write_slot(&self, slot: Slot, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > SLOT_SIZE_MAX {
            return Err(io::Error::other("the state is larger than a slot"));
        }
        let path = self.slot(slot);
        let is_new = !path.exists();
        // In place: blocks and length mostly stay, and fdatasync has little else to make durable.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        if is_new {
            File::open(&self.path)?.sync_all()?;
        }
        file.write_all(bytes)?;

        file.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    pub(super) fn sync_slot(&self, slot: Slot) -> io::Result<()> {
        File::open(self.slot(slot))?.sync_data()
    }

    fn slot(&self, slot: Slot) -> PathBuf {
        let name = match slot {
            Slot::First => "slot-0",
            Slot::Second => "slot-1",
        };

        self.path.join(name)
    }
}

/// Returns the content of a file, or nothing when it is not there.
///
/// # Errors
///
/// When it cannot be read, or is larger than `size_max` bytes.
pub(super) fn read_bounded(path: &Path, size_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let limit = u64::try_from(size_max).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that is too long shows.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > size_max {
        let message = format!("{} is larger than {size_max} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }

    Ok(Some(bytes))
}

impl Drop for Directory {
    /// Closing the file would do, but for a child that is being started at this moment: until it runs
    /// its own program it holds a copy of the file, and with it the lock.
    fn drop(&mut self) {
        // Failing leaves the lock to the close.
        let _left_to_the_close = self.lock.unlock();
    }
}

fn lock(directory: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory.join("lock"))?;

    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another TA has this state directory",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
