//! The wallet provider's server, on this machine; the boards reach it through their network.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Outcome;
use crate::process::{Process, command};

/// How long the server may take to finish what it has when asked to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// The running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    program: PathBuf,
    data: PathBuf,
}

impl Server {
    /// Makes a new provider and starts its server on a loopback port.
    pub(crate) fn start(program: &Path, folder: &Path, port: u16) -> Outcome<Self> {
        let data = folder.join("server");
        let mut run = command(program);
        run.args(["run", "--data"]).arg(&data).args(["--listen", &format!("127.0.0.1:{port}")]);
        let process = Process::start("blepay-server", &mut run)?;

        Ok(Self { process, program: program.to_owned(), data })
    }
}
