//! `blepay-server evidence`: what convicts a TA, shown to whoever wants to see it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use ops_proto::PublicKey;
use ops_proto::evidence::EvidenceFile;
use serde::Serialize;

use super::{Data, ca, output};
use crate::admin::{ConvictionView, Office, StatementView, conviction_view};
use crate::provider::{HexKey, Layout};

/// Exit code of evidence that convicts nobody.
const CONVICTS_NOBODY: u8 = 1;

/// What can be done with evidence.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Show what was found against TAs
    #[command(after_help = "Example:
  blepay-server evidence list --data ./data --json")]
    List {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the two statements of one finding side by side
    #[command(after_help = "Example:
  blepay-server evidence show 1 --data ./data")]
    Show {
        /// The finding's number
        id: i64,
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a finding as a file that proves it to anybody
    #[command(after_help = "Example:
  blepay-server evidence export 1 --data ./data --out clone.evidence")]
    Export {
        /// The finding's number
        id: i64,
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check such a file, without a server and without a data directory
    #[command(after_help = "Examples:
  blepay-server evidence verify clone.evidence --root 5f0c…(64 hex digits)
  blepay-server evidence verify clone.evidence --root root.pub --json

Exit codes: 0 it convicts, 1 it convicts nobody.")]
    Verify {
        /// The file
        file: PathBuf,
        /// The root's public key, as 64 hex digits or as a file that holds them
        #[arg(long, value_name = "KEY_OR_FILE")]
        root: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn execute(command: EvidenceCommand) -> anyhow::Result<ExitCode> {
    match command {
        EvidenceCommand::List { data, json } => list(&data.data, json).await?,
        EvidenceCommand::Show { id, data, json } => {
            let file = Office::open(&data.data).await?.evidence(id).await?;
            let root = Layout::new(&data.data).root_key()?;
            return verdict(&file, &root, json);
        }
        EvidenceCommand::Export { id, data, out } => export(&data.data, id, &out).await?,
        EvidenceCommand::Verify { file, root, json } => {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let root = root_key(&root)?;
            return match serde_json::from_str(&text) {
                Ok(file) => verdict(&file, &root, json),
                Err(error) => nobody(&format!("this is no evidence file: {error}"), json),
            };
        }
    }

    Ok(ExitCode::SUCCESS)
}

fn root_key(text: &str) -> anyhow::Result<PublicKey> {
    match text.parse::<HexKey>() {
        Ok(key) => Ok(key.0),
        Err(_) => ca::read_root(Path::new(text)),
    }
}

async fn list(data: &Path, json: bool) -> anyhow::Result<()> {
    let findings = Office::open(data).await?.findings().await?;
    if json {
        return Ok(output::json(&findings)?);
    }
    if findings.is_empty() {
        output::line("nobody was found out: no TA is suspended for what it signed")?;
    }
    for finding in &findings {
        let proof = match finding.evidence {
            Some(_) => "two statements",
            None => "the books",
        };
        output::line(&format!(
            "{}  TA {}  {}  ({proof})",
            finding.id, finding.ta, finding.reason
        ))?;
    }

    Ok(())
}

async fn export(data: &Path, id: i64, out: &Path) -> anyhow::Result<()> {
    ensure!(
        !out.exists(),
        "{} is there already; nothing was changed",
        out.display()
    );
    let file = Office::open(data).await?.evidence(id).await?;
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    std::fs::write(out, text).with_context(|| format!("{} cannot be written", out.display()))?;

    Ok(output::line(&format!(
        "Anybody can check it: blepay-server evidence verify {} --root {}",
        out.display(),
        Layout::new(data).root_key()?
    ))?)
}

fn verdict(file: &EvidenceFile, root: &PublicKey, json: bool) -> anyhow::Result<ExitCode> {
    match file.verify(root) {
        Ok(conviction) => {
            let view = conviction_view(&conviction);
            if json {
                output::json(&view)?;
            } else {
                show(&view)?;
            }

            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => {
            let why = match std::error::Error::source(&refused) {
                Some(source) => format!("{refused}: {source}"),
                None => refused.to_string(),
            };

            nobody(&why, json)
        }
    }
}

#[derive(Serialize)]
struct Nobody<'a> {
    convicts: bool,
    why: &'a str,
}

fn nobody(why: &str, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let view = Nobody {
            convicts: false,
            why,
        };
        output::json(&view)?;
    } else {
        output::line(&format!("It convicts nobody: {why}"))?;
    }

    Ok(ExitCode::from(CONVICTS_NOBODY))
}

fn show(view: &ConvictionView) -> anyhow::Result<()> {
    output::line(&format!("It convicts TA {}", view.ta))?;
    output::line(&format!(
        "of {}, certified by {} ({}):",
        view.name, view.provider_name, view.provider
    ))?;
    output::line(&format!("{}.", view.contradiction))?;
    output::line("")?;
    for (name, first, second) in rows(&view.first, &view.second) {
        let mark = if first == second { " " } else { "*" };
        output::line(&format!("{mark} {name:<9} {first:<64}  {second}"))?;
    }

    Ok(())
}

/// Returns what stands in both statements, row by row.
fn rows(first: &StatementView, second: &StatementView) -> Vec<(&'static str, String, String)> {
    let optional = |text: Option<String>| text.unwrap_or_default();
    let request = |view: &StatementView| optional(view.request.map(|id| id.to_string()));

    vec![
        ("kind", first.kind.to_owned(), second.kind.to_owned()),
        ("n", first.n.to_string(), second.n.to_string()),
        ("i", first.i.to_string(), second.i.to_string()),
        ("j", first.j.to_string(), second.j.to_string()),
        ("previous", first.previous.clone(), second.previous.clone()),
        ("hash", first.hash.clone(), second.hash.clone()),
        (
            "amount",
            first.amount.to_string(),
            second.amount.to_string(),
        ),
        (
            "receiver",
            optional(first.receiver.clone()),
            optional(second.receiver.clone()),
        ),
        ("request", request(first), request(second)),
    ]
}
