//! The provider's side: it asks the root, and takes what the root signed.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use ops_proto::message::ProviderRequest;
use ops_proto::{Name, Signed, Time};

use super::limits::LimitArgs;
use super::{Data, exponent};
use crate::cli::output;
use crate::provider::CaError;
use crate::provider::ca::{CertificateFile, DirectoryFile, Holder, RequestFile, Wanted};
use crate::writer::now;

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

/// How a request is made: with the keys in use, or with new ones.
type Make = fn(&Holder, &Wanted, Time) -> Result<Signed<ProviderRequest>, CaError>;

pub(super) fn request(ask: &Ask, make: Make) -> anyhow::Result<()> {
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

pub(super) async fn install(data: &Path, file: &Path, json: bool) -> anyhow::Result<()> {
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
