//! A booted board, kept: its disk, its memory and the state of its devices, from which others go on.
//!
//! To boot takes a board on an emulated processor a minute, and to go on takes a second. What is kept
//! has not met its radio nor the disk of a run, and each board that goes on gets random numbers of its own.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::machine::{self, Begin};
use super::{Board, Surroundings, monitor};
use crate::air::Place;
use crate::cache::{Image, key, remove_old};
use crate::failure::{Failure, Outcome};
use crate::folder::RunFolder;
use crate::process::{command, run_tool};
use crate::progress::step;

const PREFIX: &str = "board-";
const DISK: &str = "disk.img";
const MEMORY: &str = "memory";
/// Written last: without it a snapshot is not whole.
const DEVICES: &str = "devices";
/// The size of every run's disk, which a board that goes on cannot see change.
pub(crate) const RUN_DISK_BYTES: u64 = 512 * 1024 * 1024;
const UP_LIMIT: Duration = Duration::from_secs(900);
const TOOL_LIMIT: Duration = Duration::from_secs(60);
/// What the first command of each kind would otherwise have to read from the disk.
const READ_ONCE: &str = "cat /usr/bin/dpkg* /usr/bin/tar /usr/bin/curl /usr/bin/btattach /usr/bin/busctl /usr/bin/nmcli /usr/bin/systemctl \
     /usr/libexec/bluetooth/bluetoothd /usr/lib/x86_64-linux-gnu/libcurl.so.4 /usr/lib/x86_64-linux-gnu/libnm.so.0 /var/lib/dpkg/status >/dev/null";
/// Who has asked for the boards' sockets, in a folder with a short path.
const SOCKETS_PREFIX: &str = "blepay-board-kept-";

/// A kept board in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    folder: PathBuf,
}

impl Snapshot {
    /// Returns the kept board that fits the image and this machine's QEMU; makes it if there is none.
    pub(crate) fn prepare(cache: &Path, image: &Image) -> Outcome<Self> {
        let root = fs::metadata(&image.root).map_err(Failure::host("look at the image"))?;
        let version = run_tool(
            command("qemu-system-x86_64").arg("--version"),
            &cache.join("check.log"),
            TOOL_LIMIT,
        )?;
        let parts = [
            &image.root.to_string_lossy(),
            format!("{} {}", root.mtime(), root.mtime_nsec()).as_str(),
            &machine::text(),
            READ_ONCE,
            &version,
        ]
        .map(str::to_owned);
        let folder = cache.join(format!("{PREFIX}{}", key(&parts)));
        let ready = Self { folder };
        if !ready.devices().exists() {
            step("boot a board and keep it for later runs (once)", || {
                record(cache, image, &ready.folder)
            })?;
            remove_old(cache, PREFIX, &ready.folder);
        }

        Ok(ready)
    }

    /// Forgets a kept board from which none can go on; the next run makes another one.
    pub(crate) fn discard(&self) -> Outcome<()> {
        fs::remove_dir_all(&self.folder).map_err(Failure::host("remove a kept board"))
    }

    pub(super) fn disk(&self) -> PathBuf {
        self.folder.join(DISK)
    }

    pub(super) fn memory(&self) -> PathBuf {
        self.folder.join(MEMORY)
    }

    pub(super) fn devices(&self) -> PathBuf {
        self.folder.join(DEVICES)
    }
}

fn record(cache: &Path, image: &Image, ready: &Path) -> Outcome<()> {
    let partial = RunFolder::create(cache, "kept-partial-")?;
    let sockets = RunFolder::create(&std::env::temp_dir(), SOCKETS_PREFIX)?;
    let run_disk = partial.path.join("run.img");
    File::create(&run_disk)
        .and_then(|file| file.set_len(RUN_DISK_BYTES))
        .map_err(Failure::host("make an empty run disk"))?;
    let place = Place {
        name: "kept".to_owned(),
        address: String::new(),
        socket: PathBuf::new(),
    };
    let mut board = Board::create(
        place,
        Surroundings {
            image: image.clone(),
            snapshot: None,
            folder: partial.path.clone(),
            sockets: sockets.path.clone(),
            run_disk,
            server_ports: [0, 0],
        },
    )?;
    let memory = partial.path.join(MEMORY);
    board.begin(Begin::Keep { memory: &memory })?;
    // A unit that failed makes no difference to what the boards are for; one that is still starting does.
    board.run("systemctl is-system-running --wait", UP_LIMIT)?;
    board.wait_until(
        "NetworkManager has the network",
        "nmcli -t -f STATE general | grep -q ^connected",
        UP_LIMIT,
    )?;
    board.must(&format!("{READ_ONCE}; sync"))?;
    let socket = board.socket("monitor");
    monitor::execute(&socket, "stop", &json!({}))?;
    let devices = partial.path.join("devices.partial");
    monitor::keep_state(&socket, &devices)?;
    let disk = board.disk();
    board.cut_power()?;

    if ready.exists() {
        fs::remove_dir_all(ready).map_err(Failure::host("remove half a kept board"))?;
    }
    fs::create_dir_all(ready).map_err(Failure::host("create a kept board's folder"))?;
    for (from, to) in [(disk, DISK), (memory, MEMORY), (devices, DEVICES)] {
        fs::rename(&from, ready.join(to))
            .map_err(Failure::host(format!("keep {}", from.display())))?;
    }

    Ok(())
}
