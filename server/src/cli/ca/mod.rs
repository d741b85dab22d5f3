//! `blepay-server ca`: the root's side and the provider's side of a provider's certificate.

mod holder;
mod limits;
mod root;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use ops_proto::PublicKey;

use super::Data;
use crate::admin::exponent_of;
use crate::provider::HexKey;
use crate::provider::ca::Holder;
use holder::{install, request};
use root::{certify, directory, list, revoke, root};

pub use holder::Ask;
pub use limits::LimitArgs;
pub use root::Certify;

/// What the root and the providers under it do.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make a root: the key that signs providers and nothing else
    #[command(after_help = "Example, on a machine without a network:
  blepay-server ca root --out ./root

Refuses to overwrite a root. DIR/root.key is the secret; DIR/root.pub is what everybody pins.")]
    Root {
        /// The directory to make it in
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask the root for a certificate with the keys that are in use: a first one, or a renewal
    #[command(after_help = "Example, on the provider's server:
  blepay-server ca request --data ./data --balance-max 5000.00 --out campus.request")]
    Request(Ask),
    /// Make new keys and ask the root to certify them; the old ones stay in use until they expire
    #[command(after_help = "Example, on the provider's server:
  blepay-server ca rollover --data ./data --out campus.request

Devices learn the new keys when they renew their certificates. Roll over while the old certificate
is still valid for longer than a device's certificate lives.")]
    Rollover(Ask),
    /// Certify a provider, after showing what would be signed
    #[command(after_help = "Examples, on the root's machine:
  blepay-server ca certify --root ./root campus.request --days 1825 --out campus.cert
  blepay-server ca certify --root ./root campus.request --payment-max 200.00 --out campus.cert --yes

Compare the keys with what the provider tells you in person before you say yes.")]
    Certify(Certify),
    /// Take a certificate or a directory that the root signed
    #[command(after_help = "Examples, on the provider's server:
  blepay-server ca install --data ./data campus.cert
  blepay-server ca install --data ./data root.directory

A running server takes it when it is started again.")]
    Install {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// The file with the certificate or the directory
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Sign the directory of all providers, which devices carry
    #[command(after_help = "Example, on the root's machine:
  blepay-server ca directory --root ./root --out root.directory")]
    Directory {
        /// The root's directory
        #[arg(long, value_name = "DIR")]
        root: PathBuf,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Stand behind a provider no more; the next directory says so
    #[command(after_help = "Example, on the root's machine:
  blepay-server ca revoke --root ./root Campus && blepay-server ca directory --root ./root --out root.directory")]
    Revoke {
        /// The root's directory
        #[arg(long, value_name = "DIR")]
        root: PathBuf,
        /// The provider's id or name
        provider: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what the root signed
    #[command(after_help = "Example:
  blepay-server ca list --root ./root --json")]
    List {
        /// The root's directory
        #[arg(long, value_name = "DIR")]
        root: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Reads the file with a root's public key.
pub(super) fn read_root(path: &Path) -> anyhow::Result<PublicKey> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let key: HexKey = text
        .trim()
        .parse()
        .with_context(|| format!("{} is no root's public key", path.display()))?;
    key.0
        .check()
        .with_context(|| format!("{} is no root's public key", path.display()))?;

    Ok(key.0)
}

pub(super) async fn execute(command: CaCommand) -> anyhow::Result<()> {
    match command {
        CaCommand::Root { out, json } => root(&out, json),
        CaCommand::Request(ask) => request(&ask, Holder::request),
        CaCommand::Rollover(ask) => request(&ask, Holder::rollover),
        CaCommand::Certify(options) => certify(&options),
        CaCommand::Install { data, file, json } => install(&data.data, &file, json).await,
        CaCommand::Directory { root, out, json } => directory(&root, &out, json),
        CaCommand::Revoke {
            root,
            provider,
            yes,
            json,
        } => revoke(&root, &provider, yes, json),
        CaCommand::List { root, json } => list(&root, json),
    }
}

fn exponent(currency: &str) -> anyhow::Result<u8> {
    exponent_of(currency).with_context(|| format!("{currency} is not a currency of ISO 4217"))
}
