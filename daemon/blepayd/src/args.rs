//! The daemon's command line.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{CommandFactory as _, Parser, Subcommand};
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
    /// What to do instead of running
    #[command(subcommand)]
    pub instead: Option<Instead>,
}

/// What the program does instead of running.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Instead {
    /// Read every fact of the journal again, and compare what the daemon uses with what follows from them
    ///
    /// It works beside a daemon that runs. It ends with 0 when all is well and with 1 when something differs.
    #[command(
        after_help = "Examples:\n  blepayd check\n  blepayd check --json\n  systemctl stop blepayd && blepayd check --rebuild"
    )]
    Check {
        /// Write one JSON object
        #[arg(long)]
        json: bool,
        /// Then forget all that follows from the facts: the next start makes it again. No daemon may run
        #[arg(long)]
        rebuild: bool,
    },
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
