//! The daemon's command line.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{CommandFactory as _, Parser};
use clap_mangen::Man;

/// Pays and is paid over Bluetooth LE without the internet, and settles when the network is back.
///
/// People use it through blepay, programs through its API on a Unix socket. It logs to the journal
/// under systemd, else to stderr; ops=debug in the filter shows the protocol transcript.
#[derive(Debug, Parser)]
#[command(name = "blepayd", version)]
pub struct Arguments {
    /// Settings [default: /etc/blepay/blepayd.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "BLEPAYD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Write the man page into a folder and end; for packages
    #[arg(long, value_name = "FOLDER", hide = true)]
    pub manual: Option<PathBuf>,
}

impl Arguments {
    /// Writes the man page, from the same grammar as the help.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written to.
    pub fn write_manual(folder: &Path) -> io::Result<()> {
        let mut command = Self::command();
        command.build();
        let mut page = Vec::new();
        Man::new(command).section("8").render(&mut page)?;

        fs::write(folder.join("blepayd.8"), page)
    }
}
