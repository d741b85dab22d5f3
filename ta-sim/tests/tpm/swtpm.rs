//! A software TPM in a process of its own.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ta_sim::storage::tpm::{NvIndex, TpmAddress, TpmChoice};

/// A TPM that keeps what it holds in a directory, as one in a chip does.
pub(crate) struct Swtpm {
    child: Child,
    directory: tempfile::TempDir,
}

impl Swtpm {
    /// A TPM as it leaves the factory.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");

        Self {
            child: spawn(directory.path()),
            directory,
        }
    }

    /// Takes its power away and gives it back.
    pub(crate) fn reset(&mut self) {
        self.stop();
        self.child = spawn(self.directory.path());
    }

    pub(crate) fn stop(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
        // It leaves its socket behind when it is killed.
        drop(std::fs::remove_file(self.socket()));
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("tpm.sock")
    }

    pub(crate) fn choice(&self) -> TpmChoice {
        choice(&self.socket())
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        // It may have ended already, as some tests want.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn choice(socket: &Path) -> TpmChoice {
    TpmChoice {
        address: address(socket),
        index: NvIndex::DEFAULT,
        credentials: None,
    }
}

pub(crate) fn address(socket: &Path) -> TpmAddress {
    let address = format!("swtpm:path={}", socket.display());

    address.parse().expect("it is well formed")
}

fn spawn(directory: &Path) -> Child {
    let socket = directory.join("tpm.sock");
    let child = Command::new("swtpm")
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .args(["--tpmstate", &format!("dir={}", directory.display())])
        .args([
            "--server",
            &format!("type=unixio,path={}", socket.display()),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("these tests need swtpm: apt-get install swtpm");
    let begun = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(20), "swtpm never listened");
        std::thread::sleep(Duration::from_millis(5));
    }

    child
}
