//! `cargo sim`: devices, server, radio, network and clocks in one process, from seeds.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use crate::{planted, sim_verify};

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo sim --seeds 300             what a seed finds that nobody has named
  cargo sim --seeds 300 --all       known faults too
  cargo sim --seed 7                everything that happens in one seed
  cargo sim --story FILE            one story under 20 schedules
  cargo sim --stories               every story that is kept
  cargo sim --planted [NAME]        whether planted faults are found: a build for each
  cargo sim --verify [--times FILE] what `cargo verify` runs: patches, stories, 40 seeds
  cargo sim --help                  all of it";

/// What the world is built under: no package is.
const FLAGS: &str = "--cfg blepay_world --cfg tokio_unstable";

/// Builds the world into a folder of its own and becomes it.
///
/// # Errors
///
/// When it does not build or does not start.
pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    match args.split_first() {
        Some((first, names)) if first == "--planted" => return planted::run(names),
        Some((first, rest)) if first == "--verify" => return sim_verify::run(rest),
        Some(_) | None => {}
    }
    let program = build()?;
    let failure = crate::command(&program.to_string_lossy())?
        .args(args)
        .exec();

    Err(anyhow!(failure).context(format!("cannot start {}", program.display())))
}

/// Builds the world and returns its program.
///
/// # Errors
///
/// When it does not build.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    crate::say("building the world");
    // flags are part of what cargo compares: one folder for both would be built anew each time
    build_in(&crate::workspace()?, &folder()?)
}

/// Returns the folder that worlds are built in.
///
/// # Errors
///
/// When cargo does not say where it builds.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    Ok(crate::target()?.join("world"))
}

/// Builds the world of some sources into a folder, and returns its program.
///
/// # Errors
///
/// When it does not build.
pub(crate) fn build_in(sources: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut build = crate::command("cargo")?;
    build.args(["build", "--quiet", "--package", "world"]);
    build.args(["--profile", "world", "--target-dir"]);
    build
        .arg(folder)
        .current_dir(sources)
        .env("RUSTFLAGS", FLAGS);
    crate::run(&mut build).context("the world does not build")?;

    Ok(folder.join("world").join("world"))
}
