//! `blepay-server peers` and `positions`: other providers, what they owe and are owed.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use ops_proto::Amount;
use ops_proto::enrolment::Enrolment;

use super::{Data, output};
use crate::admin::{Office, PeerView, PositionDetail, SettlementView};

/// Whose payments are taken.
#[derive(Debug, Subcommand)]
pub enum PeersCommand {
    /// Take payments of another provider's TAs, up to what it may owe; again: change the terms
    #[command(
        after_help = "Example, with the file that the other provider's `enrol` wrote:
  blepay-server peers add --data ./data --from ferry.enrol --name Ferry --exposure 5000.00

A running server takes it at once. Exposure is what you lose if that provider never pays."
    )]
    Add {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// The other provider's enrolment file
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// What to call it here; the name in its certificate when none is given
        #[arg(long)]
        name: Option<String>,
        /// The most that it may owe
        #[arg(long, value_name = "AMOUNT")]
        exposure: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show whose payments are taken
    #[command(after_help = "Example:
  blepay-server peers list --data ./data --json")]
    List {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON, in minor units
        #[arg(long)]
        json: bool,
    },
    /// Take no payments of a provider any more; what is owed stays owed
    #[command(after_help = "Example:
  blepay-server peers remove Ferry --data ./data")]
    Remove {
        /// Its name here, or its id
        peer: String,
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What is owed, and what settles it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Positions {
    /// What to do; to show them when nothing is said
    #[command(subcommand)]
    command: Option<PositionsCommand>,
    /// The data directory that `init` made
    #[command(flatten)]
    data: Data,
    /// Print JSON, in minor units
    #[arg(long)]
    json: bool,
}

/// What can be done about positions.
#[derive(Debug, Subcommand)]
pub enum PositionsCommand {
    /// Say that what is owed to a provider was paid by other means; once for each reference
    #[command(after_help = "Example, at the provider that owes:
  blepay-server positions settle Ferry --data ./data --amount 250.00 --reference transfer-2026-117

The running server tells it to the creditor until that confirms it. Never more than is owed.")]
    Settle(BookedTransfer),
    /// Confirm that what a provider says it paid has arrived; once for each reference
    #[command(
        after_help = "Example, at the provider that is owed, once the bank statement shows the transfer:
  blepay-server positions receive Harbour --data ./data --amount 250.00 --reference transfer-2026-117

Until then the debtor owes as before: its word alone is booked nowhere."
    )]
    Receive(BookedTransfer),
}

/// A transfer outside the books.
#[derive(Debug, Args)]
pub struct BookedTransfer {
    /// The other provider's name here, or its id
    peer: String,
    /// The data directory that `init` made
    #[command(flatten)]
    data: Data,
    /// How much was paid
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    /// What the transfer went with: the same reference is booked once
    #[arg(long, value_name = "TEXT")]
    reference: String,
    /// Print JSON, in minor units
    #[arg(long)]
    json: bool,
}

pub(super) async fn peers(command: PeersCommand) -> anyhow::Result<()> {
    match command {
        PeersCommand::Add {
            data,
            from,
            name,
            exposure,
            json,
        } => add(&data.data, &from, name, &exposure, json).await,
        PeersCommand::List { data, json } => {
            let mut office = Office::open(&data.data).await?;
            let exponent = office.exponent()?;
            let peers = office.peers().await?;
            if json {
                return Ok(output::json(&peers)?);
            }

            peers.iter().try_for_each(|peer| Ok(line(peer, exponent)?))
        }
        PeersCommand::Remove { peer, data, json } => {
            let mut office = Office::open(&data.data).await?;
            let removed = office.remove_peer(&peer).await?;
            if json {
                return Ok(output::json(&removed)?);
            }

            Ok(output::line(&format!(
                "Payments of {} are taken no more",
                removed.name
            ))?)
        }
    }
}

async fn add(
    data: &Path,
    from: &Path,
    name: Option<String>,
    exposure: &str,
    json: bool,
) -> anyhow::Result<()> {
    let mut office = Office::open(data).await?;
    let exponent = office.exponent()?;
    let exposure = if exposure.trim() == "0" {
        0
    } else {
        amount(exposure, exponent)?.minor_units()
    };
    let text = std::fs::read_to_string(from)
        .with_context(|| format!("{} cannot be read", from.display()))?;
    let enrolment: Enrolment = serde_json::from_str(&text)
        .with_context(|| format!("{} is no enrolment file", from.display()))?;
    let name = match name {
        Some(name) => name,
        None => enrolment.provider_certificate()?.body().name.to_string(),
    };
    let peer = office.add_peer(&name, &enrolment, exposure).await?;
    if json {
        return Ok(output::json(&peer)?);
    }

    Ok(line(&peer, exponent)?)
}

fn line(peer: &PeerView, exponent: u8) -> std::io::Result<()> {
    let trouble = match peer.failures {
        0 => String::new(),
        failures => format!("  not understood {failures} times in a row"),
    };

    output::line(&format!(
        "{}  {}  may owe {}  {}{trouble}",
        peer.provider,
        peer.name,
        output::money(peer.exposure, exponent),
        peer.url
    ))
}

pub(super) async fn positions(args: Positions) -> anyhow::Result<()> {
    if let Some(command) = args.command {
        return book(command).await;
    }
    let mut office = Office::open(&args.data.data).await?;
    let exponent = office.exponent()?;
    let positions = office.positions().await?;
    if args.json {
        return Ok(output::json(&positions)?);
    }
    if positions.is_empty() {
        return Ok(output::line(
            "no other provider: see `blepay-server peers add --help`",
        )?);
    }
    for position in &positions {
        show(position, exponent)?;
    }

    Ok(())
}

fn show(position: &PositionDetail, exponent: u8) -> anyhow::Result<()> {
    let money = |minor_units: u64| output::money(minor_units, exponent);
    let name = position.name.as_deref().unwrap_or("(taken no more)");
    output::line(&format!("{}  {name}", position.provider))?;
    output::line(&format!(
        "  owes us {}, of which {} is not accepted yet; kept back {}",
        money(position.owed_to_us),
        money(position.not_accepted),
        money(position.kept_back)
    ))?;
    output::line(&format!(
        "  we owe {}; paid and not acknowledged {}",
        money(position.owed_by_us),
        money(position.not_acknowledged)
    ))?;
    if let Some(exposure) = position.exposure {
        output::line(&format!("  may owe {}", money(exposure)))?;
    }
    for settlement in &position.settlements {
        settled(settlement, exponent)?;
    }

    Ok(())
}

async fn book(command: PositionsCommand) -> anyhow::Result<()> {
    let (transfer, is_ours) = match command {
        PositionsCommand::Settle(transfer) => (transfer, true),
        PositionsCommand::Receive(transfer) => (transfer, false),
    };
    let BookedTransfer {
        peer,
        data,
        amount: text,
        reference,
        json,
    } = transfer;
    let mut office = Office::open(&data.data).await?;
    let exponent = office.exponent()?;
    let amount = amount(&text, exponent)?;
    let settlement = if is_ours {
        office.settle(&peer, amount, &reference).await?
    } else {
        office.receive(&peer, amount, &reference).await?
    };
    if json {
        return Ok(output::json(&settlement)?);
    }

    settled(&settlement, exponent)
}

fn settled(settlement: &SettlementView, exponent: u8) -> anyhow::Result<()> {
    let state = match (settlement.acknowledged, settlement.repeated) {
        (true, _) => "acknowledged",
        (false, true) => "made before, not acknowledged yet",
        (false, false) => "not acknowledged yet",
    };

    Ok(output::line(&format!(
        "  settlement {} of {} from {} to {}  {}  {state}",
        settlement.number,
        output::money(settlement.amount, exponent),
        settlement.debtor,
        settlement.creditor,
        settlement.words.as_deref().unwrap_or(&settlement.reference)
    ))?)
}

fn amount(text: &str, exponent: u8) -> anyhow::Result<Amount> {
    Amount::parse(text, exponent).with_context(|| format!("{text:?} is not an amount"))
}
