//! Providers that are made once for all tests of an engine: a world begins as a copy of one.
//!
//! To make one costs more than most tests do: keys, certificates, and books of the newest schema.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::path::Path;
use std::time::Duration;

use blepay_server::provider::Layout;
use blepay_server::store::StoreAddress;
use tempfile::TempDir;

use crate::cluster;

/// The rate that [`blepay_server::init`] writes.
const RATE: &str = "requests_per_second = 200";

/// The files of a directory, in memory: nobody has to remove them.
#[derive(Debug)]
pub(crate) struct Files(Vec<(OsString, Vec<u8>, Permissions)>);

impl Files {
    pub(crate) fn read(directory: &Path) -> Self {
        let entries = fs::read_dir(directory).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let permissions = entry.metadata().unwrap().permissions();

            (
                entry.file_name(),
                fs::read(entry.path()).unwrap(),
                permissions,
            )
        });

        Self(entries.collect())
    }

    pub(crate) fn write(&self, directory: &Path) {
        for (name, content, permissions) in &self.0 {
            let path = directory.join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, permissions.clone()).unwrap();
        }
    }
}

/// A provider that no server runs for.
#[derive(Debug)]
pub(crate) struct Template {
    files: Files,
    /// The URL of its books, when they are in a database.
    store: Option<String>,
}

impl Template {
    /// Takes a provider that was made. Whoever opened its books has closed them, or is about to.
    pub(crate) async fn of(data: &Path, store: Option<String>) -> Self {
        if let StoreAddress::File(books) = Layout::new(data).store_address().unwrap() {
            // It is removed when the last connection has folded it into the file.
            let mut log = books.into_os_string();
            log.push("-wal");
            while Path::new(&log).exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }

        Self {
            files: Files::read(data),
            store,
        }
    }

    /// Makes a copy whose server lets an address send that many requests in a second.
    pub(crate) async fn copy(&self, per_second: u32) -> TempDir {
        let data = tempfile::tempdir().unwrap();
        self.files.write(data.path());
        let config = data.path().join("server.toml");
        let mut text = fs::read_to_string(&config).unwrap();
        text = text.replace(RATE, &format!("requests_per_second = {per_second}"));
        if let Some(store) = &self.store {
            text = text.replace(store, &cluster::copy(store).await);
        }
        fs::write(&config, text).unwrap();

        data
    }
}
