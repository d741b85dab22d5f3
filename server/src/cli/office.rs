//! `suspend`, `unsuspend`, `revoke`, `backup`, `restore` and `measurement`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Data, output};
use crate::admin::{
    Force, Office, Standing, TaView, add_measurement, backup, measurements, remove_measurement,
    restore,
};
use crate::provider::{HexDigest, HexKey, Layout};

/// Whose standing changes, and why.
#[derive(Debug, Args)]
pub struct StandingArgs {
    /// The key of a TA, or of a client: 64 hex digits, as `account show` prints it
    #[arg(value_name = "KEY")]
    key: HexKey,
    /// Why: one sentence, which is kept and shown
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The data directory that `init` made
    #[command(flatten)]
    data: Data,
    /// Print JSON, in minor units
    #[arg(long)]
    json: bool,
}

/// Where a backup goes.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to make; one that is there is never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The data directory that `init` made
    #[command(flatten)]
    data: Data,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is restored.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The file that `backup` made
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Replace books that are newer than the backup; a file of books is put aside, not deleted
    #[arg(long)]
    force: bool,
    /// The data directory that `init` made
    #[command(flatten)]
    data: Data,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which TAs may be registered.
#[derive(Debug, Subcommand)]
pub enum MeasurementCommand {
    /// Show the measurements that are allowed
    #[command(after_help = "Example:
  blepay-server measurement list --data ./data --json")]
    List {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Allow a measurement; counts from the next start of the server
    #[command(after_help = "Example:
  blepay-server measurement add 9f86d081…(64 hex digits) --data ./data")]
    Add {
        /// The measurement: 64 hex digits
        #[arg(value_name = "HASH")]
        measurement: HexDigest,
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
    },
    /// Allow a measurement no longer; TAs that are registered stay so
    #[command(after_help = "Example:
  blepay-server measurement remove 9f86d081…(64 hex digits) --data ./data")]
    Remove {
        /// The measurement: 64 hex digits
        #[arg(value_name = "HASH")]
        measurement: HexDigest,
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
    },
}

/// Changes the standing of a TA, or of a client with its TAs, and prints what it is then.
pub(super) async fn set_standing(args: StandingArgs, standing: Standing) -> anyhow::Result<()> {
    let mut office = Office::open(&args.data.data).await?;
    let exponent = office.exponent()?;
    let HexKey(key) = args.key;
    if office.is_client(&key).await? {
        let view = office
            .set_client_standing(&key, standing, &args.reason)
            .await?;
        if args.json {
            return Ok(output::json(&view)?);
        }

        return Ok(output::account(&view, exponent)?);
    }
    let view: TaView = office.set_standing(&key, standing, &args.reason).await?;
    if args.json {
        return Ok(output::json(&view)?);
    }

    Ok(output::ta(&view, exponent)?)
}

/// Makes a backup.
pub(super) async fn make_backup(args: BackupArgs) -> anyhow::Result<()> {
    let address = Layout::new(&args.data.data).store_address()?;
    let view = backup(&args.data.data, &address, &args.out).await?;
    if args.json {
        return Ok(output::json(&view)?);
    }
    output::line(&format!("Wrote {} bytes to {}", view.bytes, view.file))?;
    output::line("It holds the books alone: keys and server.toml stay in the data directory")?;

    Ok(output::line(&format!("To restore: {}", view.restore))?)
}

/// Restores a backup.
pub(super) async fn restore_backup(args: RestoreArgs) -> anyhow::Result<()> {
    let address = Layout::new(&args.data.data).store_address()?;
    let force = if args.force { Force::Yes } else { Force::No };
    let view = restore(&args.data.data, &address, &args.from, force).await?;
    if args.json {
        return Ok(output::json(&view)?);
    }
    if let Some(path) = &view.put_aside {
        output::line(&format!("The books that were here are in {path}"))?;
    }

    Ok(output::line(&format!(
        "Restored; the server begins life {}, and devices send again what they kept",
        view.incarnation
    ))?)
}

/// Shows or changes which TAs may be registered.
pub(super) fn measurement(command: MeasurementCommand) -> anyhow::Result<()> {
    match command {
        MeasurementCommand::List { data, json } => list_measurements(&data.data, json),
        MeasurementCommand::Add { measurement, data } => {
            add_measurement(&data.data, measurement)?;
            Ok(output::line("Allowed from the next start of the server")?)
        }
        MeasurementCommand::Remove { measurement, data } => {
            remove_measurement(&data.data, measurement)?;
            Ok(output::line("Refused from the next start of the server")?)
        }
    }
}

fn list_measurements(data: &Path, json: bool) -> anyhow::Result<()> {
    let measurements = measurements(data)?;
    if json {
        return Ok(output::json(&measurements)?);
    }
    for measurement in measurements {
        output::line(&String::from(measurement))?;
    }

    Ok(())
}
