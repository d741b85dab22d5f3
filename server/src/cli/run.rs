//! Does what the command line says.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap_complete::generate;
use ops_proto::Amount;
use sd_notify::NotifyState;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    AccountCommand, Command, Init, bench, ca, command, evidence, lists, office, output, positions,
};
use crate::admin::{Office, Progress, Standing, audit_with, exponent_of};
use crate::clock::ClockTrust;
use crate::http::admin::token_file;
use crate::limits::OUTBOX_INTERVAL;
use crate::provider::{Config, InitOptions, Layout, init};
use crate::run::{Durability, RunOptions, Server};
use crate::writer::now;

/// How often an audit says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Exit code of an audit that found something.
const NOT_BALANCED: u8 = 3;

/// Does what the command line says, and returns how the process ends.
///
/// # Errors
///
/// Says what is wrong and what to do about it.
pub async fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(options) => make(options).await?,
        Command::Run {
            data,
            listen,
            admin_listen,
            store,
            allow_loss_of_answers,
            accept_clock,
        } => {
            let options = RunOptions {
                data: data.data,
                listen,
                admin_listen,
                store,
                durability: durability(allow_loss_of_answers),
                outbox_interval: OUTBOX_INTERVAL,
                clock: trust(accept_clock),
            };
            serve(options).await?;
        }
        Command::Enrol { data, url, out } => enrol(&data.data, url, out.as_deref()).await?,
        Command::Credit {
            data,
            client,
            amount,
            reference,
            json,
        } => credit(&data.data, &client, &amount, reference, json).await?,
        Command::Account(AccountCommand::List { data, json }) => list(&data.data, json).await?,
        Command::Account(AccountCommand::Show { client, data, json }) => {
            show(&data.data, &client, json).await?;
        }
        Command::Ledger { data, json } => ledger(&data.data, json).await?,
        Command::Ca(command) => ca::execute(command).await?,
        Command::Peers(command) => positions::peers(command).await?,
        Command::Positions(args) => positions::positions(args).await?,
        Command::Evidence(command) => return evidence::execute(command).await,
        Command::Audit { data, json } => return run_audit(&data.data, json).await,
        Command::Suspend(args) => office::set_standing(args, Standing::Suspended).await?,
        Command::Unsuspend(args) => office::set_standing(args, Standing::Live).await?,
        Command::Revoke(args) => office::set_standing(args, Standing::Revoked).await?,
        Command::Backup(args) => office::make_backup(args).await?,
        Command::Restore(args) => office::restore_backup(args).await?,
        Command::Lists(command) => lists::execute(command).await?,
        Command::Measurement(command) => office::measurement(command)?,
        Command::Bench(args) => bench::execute(args).await?,
        Command::Openapi { admin } => {
            output::line(&serde_json::to_string_pretty(&description(admin))?)?;
        }
        Command::Completions { shell } => {
            generate(
                shell,
                &mut self::command(),
                "blepay-server",
                &mut io::stdout(),
            );
        }
        Command::Manual { directory } => {
            clap_mangen::generate_to(self::command(), &directory)
                .with_context(|| format!("{} cannot be written", directory.display()))?;
        }
    }

    Ok(ExitCode::SUCCESS)
}

const fn durability(allow_loss_of_answers: bool) -> Durability {
    if allow_loss_of_answers {
        Durability::Waived
    } else {
        Durability::Demanded
    }
}

const fn trust(accept_clock: bool) -> ClockTrust {
    if accept_clock {
        ClockTrust::Accepted
    } else {
        ClockTrust::Checked
    }
}

fn description(is_admin: bool) -> utoipa::openapi::OpenApi {
    if is_admin {
        return crate::http::admin::description();
    }

    crate::http::openapi::public()
}

#[derive(Serialize)]
struct Made {
    data: String,
    root: String,
    provider: String,
    root_secret: Option<String>,
    request: String,
    trusts_test_oem: bool,
}

async fn make(options: Init) -> anyhow::Result<()> {
    let data = options.data.data;
    exponent_of(options.currency.as_str()).with_context(|| {
        format!(
            "{} is not a currency of ISO 4217: write a code such as EUR",
            options.currency
        )
    })?;
    let init_options = InitOptions {
        name: options.provider_name,
        currency: options.currency,
        url: options.url,
        listen: options.listen.to_string(),
        oem_root: options.oem_root.map(|key| key.0),
        measurements: options.measurement.iter().map(|hash| hash.0).collect(),
        store: options.store,
        root: options
            .root_public
            .as_deref()
            .map(ca::read_root)
            .transpose()?,
        now: now(),
    };
    let made = init(&data, &init_options).await?;
    token_file(&data)?;
    let made = Made {
        data: data.display().to_string(),
        root: made.root.to_string(),
        provider: made.provider.to_string(),
        root_secret: made.root_secret.map(|path| path.display().to_string()),
        request: made.request.display().to_string(),
        trusts_test_oem: made.trusts_test_oem,
    };
    if options.json {
        return Ok(output::json(&made)?);
    }
    output::line(&format!("Made provider {} in {}", made.provider, made.data))?;
    output::line(&format!("Root: {}", made.root))?;
    if let Some(root_secret) = &made.root_secret {
        output::line(&format!(
            "Keep the root's key offline: move {root_secret} to a medium that you lock away"
        ))?;
    }
    if made.trusts_test_oem {
        output::line("Trusts the OEM test root, whose secret is published: for trials only")?;
    }

    Ok(output::line(&if made.root_secret.is_some() {
        format!("Next: blepay-server run --data {}", made.data)
    } else {
        format!(
            "Next: have {} certified with `blepay-server ca certify`, and install what comes back with `blepay-server ca install --data {}`",
            made.request, made.data
        )
    })?)
}

async fn serve(options: RunOptions) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::start(&options).await?;
    output::line(&format!("listening {}", server.addr()))?;
    // Who reads no further than the first line may have closed the pipe.
    drop(output::line(&format!("admin {}", server.admin_addr())));
    notify(&[NotifyState::Ready]);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = keep_watchdog_quiet(&server) => {}
        () = server.failed() => anyhow::bail!("the server stopped by itself; its log says why"),
    }
    notify(&[NotifyState::Stopping]);
    server.shutdown().await;

    Ok(())
}

/// Tells systemd that the server answers, at half the time that it allows; waits for ever without.
async fn keep_watchdog_quiet(server: &crate::run::RunningServer) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let half = limit.checked_div(2).unwrap_or(Duration::from_secs(1));
    loop {
        tokio::time::sleep(half).await;
        if server.is_answering() {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

async fn enrol(data: &Path, url: Option<String>, out: Option<&Path>) -> anyhow::Result<()> {
    let office = Office::open(data).await?;
    let url = match url {
        Some(url) => url,
        None => Config::load(&Layout::new(data))?.url,
    };
    let enrolment = office.enrolment(url)?;
    let mut text = serde_json::to_string_pretty(&enrolment)?;
    let Some(path) = out else {
        return Ok(output::line(&text)?);
    };
    text.push('\n');

    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

async fn credit(
    data: &Path,
    client: &str,
    amount: &str,
    reference: Option<String>,
    json: bool,
) -> anyhow::Result<()> {
    let mut office = Office::open(data).await?;
    let exponent = office.exponent()?;
    let amount =
        Amount::parse(amount, exponent).with_context(|| format!("{amount:?} is not an amount"))?;
    let reference = match reference {
        Some(reference) if reference.trim().is_empty() => {
            anyhow::bail!("the reference is empty: write what the money came with")
        }
        Some(reference) => reference,
        None => random_reference()?,
    };
    let credited = office.credit(client, amount, &reference).await?;
    if json {
        return Ok(output::json(&credited)?);
    }

    Ok(output::credited(&credited, exponent)?)
}

fn random_reference() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    host::entropy::fill(&mut bytes).context("the system has no randomness")?;

    Ok(format!("credit-{}", hex::encode(bytes)))
}

async fn list(data: &Path, json: bool) -> anyhow::Result<()> {
    let mut office = Office::open(data).await?;
    let exponent = office.exponent()?;
    let views = office.accounts().await?;
    if json {
        return Ok(output::json(&views)?);
    }
    for view in &views {
        output::account(view, exponent)?;
    }

    Ok(())
}

async fn show(data: &Path, client: &str, json: bool) -> anyhow::Result<()> {
    let mut office = Office::open(data).await?;
    let exponent = office.exponent()?;
    let view = office.account(client).await?;
    if json {
        return Ok(output::json(&view)?);
    }

    Ok(output::account(&view, exponent)?)
}

async fn ledger(data: &Path, json: bool) -> anyhow::Result<()> {
    let mut office = Office::open(data).await?;
    let exponent = office.exponent()?;
    let view = office.ledger().await?;
    if json {
        return Ok(output::json(&view)?);
    }

    Ok(output::ledger(&view, exponent)?)
}

async fn run_audit(data: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let mut shown = std::time::Instant::now();
    let mut progress = |progress: Progress| {
        if shown.elapsed() >= PROGRESS_INTERVAL {
            shown = std::time::Instant::now();
            // Who reads the error output may be gone; the audit goes on.
            drop(writeln!(
                io::stderr().lock(),
                "{} {}",
                progress.done,
                progress.part
            ));
        }
    };
    let audit = audit_with(data, &mut progress).await?;
    if json {
        output::json(&audit)?;
    } else {
        output::audit(&audit)?;
    }

    Ok(if audit.balanced {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_BALANCED)
    })
}
