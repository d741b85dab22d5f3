//! One process for one file of books: the lock that a running server holds.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Held while a server runs on the books of a data directory; the system gives it back when the
/// process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DataLock {
    file: File,
}

impl DataLock {
    /// Takes the lock of a data directory, if nobody has it.
    pub(crate) fn take(data: &Path) -> Result<Self, NotLocked> {
        let path = data.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| NotLocked::Io(path.clone(), error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(NotLocked::Taken),
            Err(TryLockError::Error(error)) => Err(NotLocked::Io(path, error)),
        }
    }
}

impl Drop for DataLock {
    /// Closing the file would do, but for a child that is being started at this moment: until it runs
    /// its own program it holds a copy of the file, and with it the lock.
    fn drop(&mut self) {
        // Failing leaves the lock to the close.
        let _left_to_the_close = self.file.unlock();
    }
}

/// The lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLocked {
    /// Another process has it.
    #[error("another process has the lock")]
    Taken,
    /// The system says no.
    #[error("the lock cannot be taken")]
    Io(PathBuf, #[source] io::Error),
}
