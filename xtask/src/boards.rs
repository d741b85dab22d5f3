//! `cargo boards`: the Debian packages, installed on two virtual machines that share one air.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, ensure};

use crate::install;

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo boards               every scenario
  cargo boards payment       one scenario
  cargo boards ops           withdraw, spend on, mailbox, revocation, retire, roll-back
  cargo boards -- --help     all scenarios and options

The first run builds a Debian image, which takes some minutes; it is kept for later runs.";

/// Shells that the packages ship completions for.
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

const PACKAGES: [&str; 3] = ["blepayd", "ta-sim", "blepay-server"];

/// Builds the packages and the bench and becomes the boards program.
///
/// # Errors
///
/// When something cannot be installed, built or started.
pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    let release = crate::target()?.join("release");
    build_programs()?;
    write_manual(&release)?;
    let debs = build_debs(&release)?;

    let failure = crate::command(&release.join("boards").to_string_lossy())?
        .arg("--debs")
        .arg(debs)
        .arg("--server")
        .arg(release.join("blepay-server"))
        .arg("--echo")
        .arg(release.join("board-echo"))
        .args(args)
        .exec();

    Err(anyhow!(failure).context("cannot start the boards program"))
}

/// Builds everything that is installed or measured in one go, so that it shares its dependencies.
fn build_programs() -> anyhow::Result<()> {
    crate::say("building the programs for release");
    let mut build = crate::command("cargo")?;
    build.args(["build", "--release", "--bins", "--package", "scenarios"]);
    for package in PACKAGES {
        build.args(["--package", package]);
    }

    crate::run(&mut build).context("the programs do not build")
}

/// Lets each command line write its own manual and completions, which its package ships.
fn write_manual(release: &Path) -> anyhow::Result<()> {
    for (name, manual) in [("blepay", "man"), ("blepay-server", "manual")] {
        let program = release.join(name);
        let program = program.to_string_lossy();
        let folder = release.join("manual").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;

        crate::run(crate::command(&program)?.arg(manual).arg(&folder))
            .with_context(|| format!("cannot write the manual of {name}"))?;
        for shell in SHELLS {
            let mut completions = crate::command(&program)?;
            let output = completions.args(["completions", shell]).output()?;
            ensure!(
                output.status.success(),
                "{name} knows no completions of {shell}"
            );
            fs::write(folder.join(shell), output.stdout)?;
        }
    }

    Ok(())
}

/// Packs the built programs, in an empty folder: a package of yesterday is never installed.
fn build_debs(release: &Path) -> anyhow::Result<PathBuf> {
    let cargo_deb = install::tool(install::CARGO_DEB)?;
    let folder = release.join("debs");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;

    for package in PACKAGES {
        crate::say(&format!("packing {package}"));
        let mut pack = crate::command(&cargo_deb.to_string_lossy())?;
        pack.args(["--quiet", "--no-build", "--no-strip"]);
        pack.args(["--package", package, "--output"]).arg(&folder);
        crate::run(&mut pack).with_context(|| format!("cannot pack {package}"))?;
    }

    Ok(folder)
}
