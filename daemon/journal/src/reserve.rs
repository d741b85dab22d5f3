//! Space set aside for what must not be lost: a payment that the TA has signed.
//!
//! A full disk between debit and record would lose P. So a file of known size stands by; it is removed
//! when an append finds the disk full, and no payment is begun without it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

/// The file in the state directory; where it is missing no payment begins.
pub const RESERVE_FILE: &str = "journal.reserve";

/// Room for some forty commits and the pages around them, in bytes: a payment takes four, and four are made at once.
pub(super) const RESERVE_SIZE: u64 = 2 * 1024 * 1024;

/// The space that stands by.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    held: bool,
}

impl Reserve {
    /// Finds the reserve of this directory, or tries to make it.
    pub(super) fn open(state_dir: &Path) -> Self {
        let mut reserve = Self {
            path: state_dir.join(RESERVE_FILE),
            held: false,
        };
        if !reserve.hold() {
            tracing::warn!("No payment is possible: the disk has no room for the reserve");
        }

        reserve
    }

    /// Tells whether the space is set aside, after trying to set it aside.
    pub(super) fn hold(&mut self) -> bool {
        if !self.held {
            self.held = self.allocate().is_ok();
        }

        self.held
    }

    /// Gives the space back to the disk. Returns whether there was any.
    pub(super) fn release(&mut self) -> bool {
        if !self.held {
            return false;
        }
        self.held = false;
        let released = fs::remove_file(&self.path);
        if let Some(dir) = self.path.parent()
            && let Ok(dir) = File::open(dir)
        {
            // some file systems free the space only when the removal is on disk
            let _best_effort = dir.sync_all();
        }

        released.is_ok()
    }

    fn allocate(&self) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)?;
        let allocated = fallocate(&file, FallocateFlags::empty(), 0, RESERVE_SIZE)
            .map_err(io::Error::from)
            .and_then(|()| file.sync_all());
        if allocated.is_err() {
            fs::remove_file(&self.path)?;
        }

        allocated
    }
}
