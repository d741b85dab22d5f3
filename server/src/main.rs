//! `blepay-server`: see `blepay-server --help`.

use std::io::Write as _;
use std::process::ExitCode;

use blepay_server::cli::{Cli, LogFormat, execute};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("BLEPAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match cli.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(execute(cli.command)));

    result.unwrap_or_else(|error| {
        let mut err = std::io::stderr().lock();
        // The error output may be gone; there is nobody left to tell.
        drop(writeln!(err, "blepay-server: {error:#}"));
        ExitCode::FAILURE
    })
}
