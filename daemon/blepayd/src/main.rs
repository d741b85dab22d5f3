//! `blepayd`: the daemon.

mod check;
mod run;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use blepayd::args::{Arguments, Instead};
use blepayd::config::{Config, LogConfig, LogFormat};
use clap::Parser as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

fn main() -> ExitCode {
    let Err(error) = start() else {
        return ExitCode::SUCCESS;
    };
    // The error output may be gone; there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "blepayd: {error:#}"));

    ExitCode::FAILURE
}

fn start() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.manual {
        return Arguments::write_manual(folder)
            .with_context(|| format!("no manual in {}", folder.display()));
    }
    let config = Config::load(arguments.config.as_deref())?;
    if let Some(Instead::Check { json, rebuild }) = arguments.instead {
        return check::run(&config.state_directory, json, rebuild);
    }
    log(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;

    runtime.block_on(run::run(config))
}

fn log(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter)
        .with_context(|| format!("log.filter {:?} is not a filter", config.filter))?;
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
