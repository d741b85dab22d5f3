//! A provider that is made once for a test binary: every provider of its tests begins as a copy of this one.
//!
//! To make one costs more than most tests do: keys, certificates, and books of the newest schema.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use blepay_server::provider::Layout;
use blepay_server::{InitOptions, init};
use runtime::clock;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The rate that [`blepay_server::init`] writes, and one that no test exceeds: all devices of a test share an address.
const RATES: [&str; 2] = ["requests_per_second = 200", "requests_per_second = 100000"];

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(1);

/// The files of a data directory that no server runs on.
#[derive(Debug)]
pub(crate) struct Template(Vec<(OsString, Vec<u8>, Permissions)>);

impl Template {
    /// Returns the one of this test binary.
    pub(crate) async fn get() -> &'static Self {
        static TEMPLATE: OnceCell<Template> = OnceCell::const_new();

        TEMPLATE.get_or_init(Self::make).await
    }

    async fn make() -> Self {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let options = InitOptions {
            name: "Bank".parse().expect("a name"),
            currency: "EUR".parse().expect("a currency"),
            url: "https://127.0.0.1:8443".to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            // those of the simulated TA
            oem_root: None,
            measurements: Vec::new(),
            store: None,
            root: None,
            now: clock::now(),
        };
        init(&data, &options).await.expect("a provider");
        until_closed(&Layout::new(&data).books_path()).await;
        let config = data.join("server.toml");
        let [strict, lax] = RATES;
        let text = fs::read_to_string(&config).expect("the settings");
        assert!(text.contains(strict), "the settings name a rate: {text}");
        fs::write(&config, text.replace(strict, lax)).expect("written");

        Self::read(&data, |_name| true)
    }

    /// Reads the files of a data directory that are wanted.
    pub(crate) fn read(data: &Path, is_wanted: impl Fn(&str) -> bool) -> Self {
        let mut files = Vec::new();
        for entry in fs::read_dir(data).expect("a data directory") {
            let entry = entry.expect("an entry");
            let name = entry.file_name();
            if !is_wanted(&name.to_string_lossy()) {
                continue;
            }
            let permissions = entry.metadata().expect("an entry").permissions();
            let content = fs::read(entry.path()).expect("a file");
            files.push((name, content, permissions));
        }

        Self(files)
    }

    /// Writes the files into a directory that is not there yet.
    pub(crate) fn write(&self, data: &Path) {
        fs::create_dir(data).expect("a data directory");
        for (name, content, permissions) in &self.0 {
            let path = data.join(name);
            fs::write(&path, content).expect("written");
            fs::set_permissions(&path, permissions.clone()).expect("as they were");
        }
    }
}

/// Waits until no thread has books open: who drops a connection leaves the closing to that connection's thread, which
/// folds the log into the file.
pub(crate) async fn until_closed(books: &Path) {
    while is_open(books) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether this process has a file open whose name begins so.
fn is_open(path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    let begins_so = |target: PathBuf| target.as_os_str().as_encoded_bytes().starts_with(path);
    let open = fs::read_dir("/proc/self/fd").expect("this process has files");
    let mut targets = open.filter_map(|file| fs::read_link(file.ok()?.path()).ok());

    targets.any(begins_so)
}
