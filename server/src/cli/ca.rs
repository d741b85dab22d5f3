//! `blepay-server ca`: the root's side and the provider's side of a provider's certificate.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use ops_proto::certificate::{Bound, Certificate, Limits, Role};
use ops_proto::{Amount, Name, PublicKey};
use serde::Serialize;

use super::{Data, output};
use crate::admin::exponent_of;
use crate::provider::HexKey;
use crate::provider::ca::{
    CertificateFile, DirectoryFile, Holder, RequestFile, Root, Terms, Wanted,
};
use crate::writer::now;

/// Where a bound warns: at this many percent of where it refuses.
const WARN_PERCENT: u64 = 80;

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

/// What a provider asks for.
#[derive(Debug, Args)]
pub struct Ask {
    /// The data directory that `init` made
    #[command(flatten)]
    data: Data,
    /// Another name that people will see
    #[arg(long)]
    name: Option<Name>,
    /// The largest TA limits to ask for
    #[command(flatten)]
    limits: LimitArgs,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the root grants.
#[derive(Debug, Args)]
pub struct Certify {
    /// The root's directory
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// The provider's request
    request: PathBuf,
    /// The largest TA limits to allow, instead of those asked for
    #[command(flatten)]
    limits: LimitArgs,
    /// How many days the certificate is valid
    #[arg(long, default_value_t = 1825)]
    days: u64,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The largest limits of a provider's TAs. What is not said stays as it is.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Largest balance of a TA, such as 1000.00
    #[arg(long, value_name = "AMOUNT")]
    balance_max: Option<String>,
    /// Largest single payment
    #[arg(long, value_name = "AMOUNT")]
    payment_max: Option<String>,
    /// Payments between two syncs
    #[arg(long, value_name = "COUNT")]
    paid_count: Option<u64>,
    /// Their sum
    #[arg(long, value_name = "AMOUNT")]
    paid_total: Option<String>,
    /// Payments collected between two syncs
    #[arg(long, value_name = "COUNT")]
    collected_count: Option<u64>,
    /// Their sum
    #[arg(long, value_name = "AMOUNT")]
    collected_total: Option<String>,
}

impl LimitArgs {
    /// Returns the limits with what was said in them.
    fn apply(&self, limits: Limits, exponent: u8) -> anyhow::Result<Limits> {
        let amount = |text: &Option<String>, otherwise: Amount| match text {
            None => Ok(otherwise),
            Some(text) => {
                Amount::parse(text, exponent).with_context(|| format!("{text:?} is not an amount"))
            }
        };
        let count = |refuse: Option<u64>, otherwise| refuse.map_or(otherwise, bound);
        let total = |text: &Option<String>, otherwise: Bound| -> anyhow::Result<Bound> {
            match text {
                None => Ok(otherwise),
                Some(text) => {
                    let refuse = Amount::parse(text, exponent)
                        .with_context(|| format!("{text:?} is not an amount"))?;

                    Ok(bound(refuse.minor_units()))
                }
            }
        };

        Ok(Limits {
            balance_max: amount(&self.balance_max, limits.balance_max)?,
            payment_max: amount(&self.payment_max, limits.payment_max)?,
            paid_count: count(self.paid_count, limits.paid_count),
            paid_total: total(&self.paid_total, limits.paid_total)?,
            collected_count: count(self.collected_count, limits.collected_count),
            collected_total: total(&self.collected_total, limits.collected_total)?,
        })
    }
}

fn bound(refuse: u64) -> Bound {
    let warn = u128::from(refuse)
        .saturating_mul(u128::from(WARN_PERCENT))
        .div_euclid(100);

    Bound {
        warn: u64::try_from(warn).unwrap_or(refuse),
        refuse,
    }
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

#[derive(Serialize)]
struct RootView {
    directory: String,
    root: String,
}

fn root(out: &Path, json: bool) -> anyhow::Result<()> {
    let root = Root::create(out)?;
    let view = RootView {
        directory: out.display().to_string(),
        root: root.public_key().to_string(),
    };
    if json {
        return Ok(output::json(&view)?);
    }
    output::line(&format!("Made root {}", view.root))?;

    Ok(output::line(&format!(
        "Keep {dir}/root.key offline; give {dir}/root.pub to every provider",
        dir = view.directory
    ))?)
}

type Make =
    fn(
        &Holder,
        &Wanted,
        ops_proto::Time,
    )
        -> Result<ops_proto::Signed<ops_proto::message::ProviderRequest>, crate::provider::CaError>;

fn request(ask: &Ask, make: Make) -> anyhow::Result<()> {
    ensure!(
        !ask.out.exists(),
        "{} is there already; nothing was changed",
        ask.out.display()
    );
    let holder = Holder::open(&ask.data.data)?;
    let (before, currency) = holder.limits()?;
    let exponent = exponent(&currency)?;
    let wanted = Wanted {
        name: ask.name.clone(),
        limits: Some(ask.limits.apply(before, exponent)?),
    };
    let file = RequestFile::new(&make(&holder, &wanted, now())?);
    file.write(&ask.out)?;
    if ask.json {
        return Ok(output::json(&file)?);
    }
    output::line(&format!("provider  {}  {}", file.provider, file.name))?;
    output::line(&format!("certify   {}", file.certify_key))?;
    output::line(&format!("answer    {}", file.answer_key))?;
    output::line(&format!("list      {}", file.list_key))?;

    Ok(output::line(&format!(
        "Bring {} to the root, and tell its keepers these keys in person",
        ask.out.display()
    ))?)
}

fn certify(options: &Certify) -> anyhow::Result<()> {
    ensure!(
        !options.out.exists(),
        "{} is there already; nothing was signed",
        options.out.display()
    );
    let mut root = Root::open(&options.root)?;
    let request = RequestFile::read(&options.request)?;
    let body = request.body();
    let exponent = exponent(body.currency.as_str())?;
    let terms = Terms {
        limits: options.limits.apply(body.limits_max, exponent)?,
        days: options.days,
    };
    let proposal = root.propose(&request, &terms, now())?;
    if !options.yes {
        show(&proposal.certificate, proposal.before.as_ref(), exponent)?;
        ask("Sign this?")?;
    }
    let certificate = root.sign(proposal, now())?;
    let file = CertificateFile::new(&certificate);
    file.write(&options.out)?;
    if options.json {
        return Ok(output::json(&file)?);
    }

    Ok(output::line(&format!(
        "Certified {} ({}), certificate {}, in {}",
        file.name,
        file.provider,
        file.number,
        options.out.display()
    ))?)
}

fn show(
    certificate: &Certificate,
    before: Option<&Certificate>,
    exponent: u8,
) -> anyhow::Result<()> {
    let mut err = io::stderr().lock();
    let money = |amount: u64| output::money(amount, exponent);
    writeln!(err, "provider   {}", certificate.provider)?;
    writeln!(err, "name       {}", certificate.name)?;
    writeln!(err, "currency   {}", certificate.currency)?;
    writeln!(err, "number     {}", certificate.number)?;
    writeln!(err, "valid      {} days", days(certificate))?;
    writeln!(err, "certify    {}", certificate.subject)?;
    if let Role::Provider {
        answer_key,
        list_key,
        limits_max,
    } = &certificate.role
    {
        writeln!(err, "answer     {answer_key}")?;
        writeln!(err, "list       {list_key}")?;
        writeln!(
            err,
            "its TAs    hold {}, pay {} at once, {} payments of {} offline, collect {} payments of {} offline",
            money(limits_max.balance_max.minor_units()),
            money(limits_max.payment_max.minor_units()),
            limits_max.paid_count.refuse,
            money(limits_max.paid_total.refuse),
            limits_max.collected_count.refuse,
            money(limits_max.collected_total.refuse)
        )?;
    }
    if let Some(before) = before {
        let keys = if before.subject == certificate.subject {
            "the same keys"
        } else {
            "OTHER KEYS"
        };
        writeln!(
            err,
            "before     certificate {}, {keys}, name {}",
            before.number, before.name
        )?;
    }

    Ok(())
}

fn days(certificate: &Certificate) -> u64 {
    let ms = certificate.not_after.ms_since(now());

    ms.div_euclid(24 * 3600 * 1000)
}

/// Asks a person; who is not there has not agreed.
fn ask(question: &str) -> anyhow::Result<()> {
    let input = io::stdin();
    if !input.is_terminal() {
        bail!("nobody is there to ask: say --yes if you have compared everything");
    }
    let mut err = io::stderr().lock();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    ensure!(
        matches!(line.trim(), "y" | "Y" | "yes"),
        "not agreed; nothing was signed"
    );

    Ok(())
}

async fn install(data: &Path, file: &Path, json: bool) -> anyhow::Result<()> {
    let holder = Holder::open(data)?;
    if let Ok(directory) = DirectoryFile::read(file) {
        holder.install_directory(&directory)?;
        let view = DirectoryFile::new(&directory);
        if json {
            return Ok(output::json(&view)?);
        }

        return Ok(output::line(&format!(
            "Installed directory {} with {} providers",
            view.number,
            view.providers.len()
        ))?);
    }
    let certificate = CertificateFile::read(file)?;
    let installed = holder.install(&certificate, now()).await?;
    let view = CertificateFile::new(&installed.certificate);
    if json {
        return Ok(output::json(&view)?);
    }
    let what = if installed.repeated {
        "Installed before, nothing changed"
    } else {
        "Installed"
    };
    output::line(&format!(
        "{what}: certificate {} of {}",
        view.number, view.name
    ))?;
    if !installed.others.is_empty() {
        output::line(&format!(
            "{} before it stay usable until they expire",
            installed.others.len()
        ))?;
    }

    Ok(output::line(&format!(
        "Next: start the server again, blepay-server run --data {}",
        data.display()
    ))?)
}

fn directory(root: &Path, out: &Path, json: bool) -> anyhow::Result<()> {
    ensure!(
        !out.exists(),
        "{} is there already; nothing was signed",
        out.display()
    );
    let mut root = Root::open(root)?;
    let file = DirectoryFile::new(&root.sign_directory(now())?);
    file.write(out)?;
    if json {
        return Ok(output::json(&file)?);
    }
    for entry in &file.providers {
        output::line(&format!(
            "{}  {}  epoch {}  {}",
            entry.provider, entry.standing, entry.epoch, entry.name
        ))?;
    }

    Ok(output::line(&format!(
        "Directory {} in {}: install it with every provider",
        file.number,
        out.display()
    ))?)
}

fn revoke(root: &Path, provider: &str, yes: bool, json: bool) -> anyhow::Result<()> {
    let mut root = Root::open(root)?;
    if !yes {
        ask(&format!(
            "Stand behind {provider} no more? This cannot be taken back."
        ))?;
    }
    let id = root.revoke(provider)?;
    if json {
        return Ok(output::json(
            &serde_json::json!({ "revoked": id.to_string() }),
        )?);
    }

    Ok(output::line(&format!(
        "Revoked {id}: sign a directory now, and install it with every provider"
    ))?)
}

#[derive(Serialize)]
struct ListView {
    root: String,
    directory_number: u32,
    certificates: Vec<CertificateFile>,
    revoked: Vec<String>,
}

fn list(root: &Path, json: bool) -> anyhow::Result<()> {
    let root = Root::open(root)?;
    let certificates = root.register().certificates();
    let view = ListView {
        root: root.public_key().to_string(),
        directory_number: root.register().directory_number,
        certificates: certificates.map(|c| CertificateFile::new(&c)).collect(),
        revoked: root.register().revoked.clone(),
    };
    if json {
        return Ok(output::json(&view)?);
    }
    output::line(&format!("root {}", view.root))?;
    for file in &view.certificates {
        let standing = if view.revoked.contains(&file.provider) {
            "revoked"
        } else {
            "live"
        };
        output::line(&format!(
            "{}  certificate {}  {standing}  {}  {}",
            file.provider, file.number, file.currency, file.name
        ))?;
    }

    Ok(())
}

fn exponent(currency: &str) -> anyhow::Result<u8> {
    exponent_of(currency).with_context(|| format!("{currency} is not a currency of ISO 4217"))
}
