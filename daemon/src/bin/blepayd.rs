//! `blepayd`: the daemon.

#[path = "blepayd/run.rs"]
mod run;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use anyhow::Context as _;
use blepayd::config::{CONFIG_FILE, Config, LogConfig, LogFormat};
use clap::Parser;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// Pays and is paid over Bluetooth LE without the internet, and settles when the network is back.
///
/// People use it through `blepay`, programs through its API on a Unix socket. It logs to the journal
/// under systemd, else to stderr; `ops=debug` in the filter shows the protocol transcript.
#[derive(Debug, Parser)]
#[command(name = "blepayd", version)]
struct Arguments {
    /// The settings; without one the default file is used if it is there.
    #[arg(long, value_name = "FILE", env = "BLEPAYD_CONFIG", help = format!("Settings [default: {CONFIG_FILE}, if it is there]"))]
    config: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = Config::load(arguments.config.as_deref())?;
    log(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;

    runtime.block_on(run::run(config))
}

fn log(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter)
        .with_context(|| format!("log.filter {:?} is no filter", config.filter))?;
    let registry = tracing_subscriber::registry().with(filter);
    let text = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match config.format {
        LogFormat::Auto if std::env::var_os("JOURNAL_STREAM").is_some() => {
            match tracing_journald::layer() {
                Ok(journald) => registry.with(journald).init(),
                Err(_no_journal) => registry.with(text).init(),
            }
        }
        LogFormat::Auto | LogFormat::Text => registry.with(text).init(),
        LogFormat::Json => registry.with(text.json()).init(),
    }

    Ok(())
}
