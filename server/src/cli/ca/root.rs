//! The root's side: it certifies providers, says who they are, and stands behind one no more.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use clap::Args;
use ops_proto::certificate::{Certificate, Role};
use serde::Serialize;

use super::exponent;
use super::limits::LimitArgs;
use crate::cli::output;
use crate::provider::ca::{CertificateFile, DirectoryFile, RequestFile, Root, Terms};
use crate::writer::now;

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

#[derive(Serialize)]
struct RootView {
    directory: String,
    root: String,
}

pub(super) fn root(out: &Path, json: bool) -> anyhow::Result<()> {
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

pub(super) fn certify(options: &Certify) -> anyhow::Result<()> {
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

pub(super) fn directory(root: &Path, out: &Path, json: bool) -> anyhow::Result<()> {
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

pub(super) fn revoke(root: &Path, provider: &str, yes: bool, json: bool) -> anyhow::Result<()> {
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

pub(super) fn list(root: &Path, json: bool) -> anyhow::Result<()> {
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
