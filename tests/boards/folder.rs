//! Folders of one run, named by the process so that what a killed run left is found later.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::failure::{Failure, Outcome};

/// A folder that goes away with its run.
#[derive(Debug)]
pub(crate) struct RunFolder {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Whether it stays.
    pub(crate) kept: bool,
}

impl RunFolder {
    /// Makes a folder of this process, and removes those of processes that are no more.
    pub(crate) fn create(parent: &Path, prefix: &str) -> Outcome<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);

        remove_leftovers(parent, prefix);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{prefix}{}-{number}", std::process::id()));
        fs::create_dir_all(&path).map_err(Failure::host("create the run's folder"))?;

        Ok(Self { path, kept: false })
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.kept {
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

fn remove_leftovers(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(own) = name.strip_prefix(prefix) else {
            continue;
        };
        let pid = own.split('-').next().unwrap_or(own);
        if !Path::new("/proc").join(pid).exists() {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}
