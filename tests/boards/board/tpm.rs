//! A board's TPM: a software one, whose memory outlives the board's power, as that of a chip does.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::failure::{Failure, Outcome};
use crate::process::{Process, command, wait_until};

const START_LIMIT: Duration = Duration::from_secs(100);

/// Gives the TPM of a board power, with its memory in a folder, and waits until a machine can be wired to it.
pub(super) fn start(board: &str, memory: &Path, socket: &Path, log: &Path) -> Outcome<Process> {
    fs::create_dir_all(memory).map_err(Failure::host("create the TPM's folder"))?;
    // What a TPM left that lost its power with its board.
    drop(fs::remove_file(socket));
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(Failure::host("open the TPM's log"))?;
    let mut swtpm = command("swtpm");
    swtpm.args(["socket", "--tpm2", "--tpmstate"]);
    swtpm.arg(format!("dir={}", memory.display()));
    swtpm.arg("--ctrl");
    swtpm.arg(format!("type=unixio,path={}", socket.display()));
    swtpm.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut process = Process::start(&format!("TPM of {board}"), &mut swtpm)?;
    wait_until(&format!("{board}: the TPM has power"), START_LIMIT, || {
        if let Some(status) = process.ended()? {
            return Err(Failure::Unexpected(format!("swtpm ended with {status}")));
        }
        Ok(socket.exists().then_some(()))
    })?;

    Ok(process)
}
