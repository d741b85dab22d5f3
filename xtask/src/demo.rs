//! `cargo demo`: server, payee and payer as separate processes on the simulated radio.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use crate::Programs;

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo demo                 a payment with a cut link, step by step
  cargo demo -- --full       everything: two providers, PIN, refund, a forger, a restored server
  cargo demo -- --json       either, and its outcome as one line of JSON
  cargo demo -- --help       all that it can do";

/// Builds the programs and becomes the demo, whose output and exit code are its own.
///
/// # Errors
///
/// When a program does not build or does not start.
pub(crate) fn run(programs: Programs, args: &[String]) -> anyhow::Result<ExitCode> {
    if programs == Programs::Build {
        crate::say("building the daemon, the trusted application and the server");
        let mut build = crate::command("cargo")?;
        build.args(["build", "--bins"]);
        build.args([
            "--package",
            "blepayd",
            "--package",
            "blepay",
            "--package",
            "ta-sim",
        ]);
        build.args(["--package", "blepay-server", "--package", "demo"]);
        crate::run(&mut build).context("the demo does not build")?;
    }

    let program = crate::target()?.join("debug").join("blepay-demo");
    let failure = crate::command(&program.to_string_lossy())?
        .args(args)
        .exec();

    Err(anyhow!(failure).context(format!("cannot start {}", program.display())))
}
