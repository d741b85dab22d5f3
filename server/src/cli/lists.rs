//! `blepay-server lists`: deny-lists by file.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;

use super::{Data, output};
use crate::admin::Office;

/// What can be done with deny-lists.
#[derive(Debug, Subcommand)]
pub enum ListsCommand {
    /// Write every deny-list that is served here into a file
    #[command(after_help = "Example:
  blepay-server lists export --data ./data --out today.lists")]
    Export {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Take in deny-lists of other providers from a file; what the directory's list keys did not sign is
    /// left out
    #[command(after_help = "Example:
  blepay-server lists import today.lists --data ./data --json")]
    Import {
        /// The file that `lists export` wrote at another provider
        file: PathBuf,
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn execute(command: ListsCommand) -> anyhow::Result<()> {
    match command {
        ListsCommand::Export { data, out } => {
            let bytes = Office::open(&data.data).await?.export_lists().await?;
            std::fs::write(&out, bytes)
                .with_context(|| format!("{} cannot be written", out.display()))
        }
        ListsCommand::Import { file, data, json } => {
            let bytes = std::fs::read(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let imported = Office::open(&data.data).await?.import_lists(&bytes).await?;
            if json {
                return Ok(output::json(&imported)?);
            }

            Ok(output::line(&format!(
                "{} pieces taken in or known, {} left out",
                imported.taken, imported.refused
            ))?)
        }
    }
}
