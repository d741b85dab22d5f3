//! What the boards keep between runs, made while the tests run, most of which wait.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::Context;

/// Below this much free memory the boards prepare when it is their turn, beside nothing else.
const MEMORY_KIB_MIN: u64 = 8 * 1024 * 1024;

/// A preparation that is under way.
#[derive(Debug)]
pub(crate) struct Early(Child);

impl Early {
    /// Starts it, where there is memory for a board beside the tests.
    ///
    /// # Errors
    ///
    /// When its log cannot be written.
    pub(crate) fn start(logs: &Path) -> anyhow::Result<Option<Self>> {
        if memory_available_kib() < MEMORY_KIB_MIN {
            return Ok(None);
        }
        let log = File::create(logs.join("boards-prepare.log"))?;
        let child = crate::command("setpriv")?
            .args(["--pdeathsig", "TERM", "cargo", "boards", "--built"])
            .args(["--", "--prepare"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start to prepare the boards")?;
        crate::say("boards: prepared while the tests run, see boards-prepare.log");

        Ok(Some(Self(child)))
    }

    /// Waits until it has ended. Whether it succeeded shows when the boards start, which make what is missing.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell.
    pub(crate) fn wait(mut self) -> anyhow::Result<()> {
        self.0.wait().map(drop).context("the preparation is lost")
    }
}

/// Returns the memory that can be had without taking it from anybody; none where the kernel does not say.
fn memory_available_kib() -> u64 {
    let about = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = about
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.split_whitespace().next());

    number.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
