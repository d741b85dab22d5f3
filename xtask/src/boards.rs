//! `cargo boards`: the Debian packages, installed on two virtual machines that share one air.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};

use crate::{Programs, install};

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo boards               every scenario but `hostile`
  cargo boards payment       one scenario
  cargo boards hostile       strangers on the air, while the payee is paid; only by its name
  cargo boards ops           withdraw, spend on, mailbox, revocation, retire, roll-back
  cargo boards latency       measures how long a payment takes
  cargo boards --release     every scenario, with the packages that are shipped
  cargo boards -- --prepare  only what later runs keep: tools, the Debian image, a booted board
  cargo boards -- --help     all scenarios and options

The packages hold the programs that the tests are built with; target/boards/release/debs holds those to
ship after `cargo boards --release`. The first run builds a Debian image and boots it, which takes some
minutes; both are kept for later runs.";

/// Shells that the packages ship completions for.
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

const PACKAGES: [&str; 3] = ["blepayd", "ta-sim", "blepay-server"];

/// What the packages and the boards need of what cargo builds.
const PROGRAMS: [&str; 5] = [
    "blepayd",
    "blepay",
    "blepay-ta",
    "blepay-server",
    "board-echo",
];

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As for the tests, so that one build serves both.
    ForTests,
    /// As they are shipped.
    ForRelease,
}

impl From<bool> for Profile {
    fn from(release: bool) -> Self {
        if release {
            Self::ForRelease
        } else {
            Self::ForTests
        }
    }
}

impl Profile {
    /// The folder in the target folder that cargo builds into.
    const fn folder(self) -> &'static str {
        match self {
            Self::ForTests => "debug",
            Self::ForRelease => "release",
        }
    }
}

/// Builds the packages and the bench and becomes the boards program.
///
/// # Errors
///
/// When something cannot be installed, built or started.
pub(crate) fn run(
    programs: Programs,
    profile: Profile,
    args: &[String],
) -> anyhow::Result<ExitCode> {
    if programs == Programs::Build {
        build_programs(profile)?;
    }
    let target = crate::target()?;
    let programs = target.join(profile.folder());
    let mut boards = crate::command(&programs.join("boards").to_string_lossy())?;
    if !args.iter().any(|arg| arg == "--prepare") {
        let started = Instant::now();
        let packed = pack(profile, &target)?;
        let seconds = started.elapsed().as_secs_f64();
        boards.arg("--debs").arg(packed.join("debs"));
        boards.arg("--server").arg(programs.join("blepay-server"));
        boards.arg("--echo").arg(packed.join("release/board-echo"));
        boards.arg("--packing-seconds").arg(format!("{seconds:.1}"));
    }

    let failure = boards.args(args).exec();

    Err(anyhow!(failure).context("cannot start the boards program"))
}

/// Builds all programs in one go: with other packages chosen, cargo would choose other features and build
/// for the boards alone what the tests have already.
fn build_programs(profile: Profile) -> anyhow::Result<()> {
    crate::say("building the programs");
    let mut build = crate::command("cargo")?;
    build.args(["build", "--workspace", "--bins"]);
    if profile == Profile::ForRelease {
        build.arg("--release");
    }

    crate::run(&mut build).context("the programs do not build")
}

/// Packs the programs, without their symbols, and returns the folder: programs are in `release`, where the
/// packages' descriptions expect them, and the packages in `debs`.
fn pack(profile: Profile, target: &Path) -> anyhow::Result<PathBuf> {
    let packed = target.join("boards").join(profile.folder());
    let programs = packed.join("release");
    fs::create_dir_all(&programs)?;
    for name in PROGRAMS {
        let from = target.join(profile.folder()).join(name);
        strip(&from, &programs.join(name))?;
    }
    write_manual(&programs)?;
    build_debs(profile, &packed)?;

    Ok(packed)
}

/// Copies a program without its symbols, if the copy is older than it.
fn strip(from: &Path, to: &Path) -> anyhow::Result<()> {
    let time = |path: &Path| fs::metadata(path).and_then(|about| about.modified());
    let changed = time(from).with_context(|| format!("there is no {}", from.display()))?;
    if time(to).is_ok_and(|copied| copied > changed) {
        return Ok(());
    }
    let mut strip = crate::command("strip")?;

    crate::run(strip.arg("-o").arg(to).arg(from))
}

/// Lets each command line write its own manual and completions, which its package ships.
fn write_manual(programs: &Path) -> anyhow::Result<()> {
    for (name, manual) in [("blepay", "man"), ("blepay-server", "manual")] {
        let program = programs.join(name);
        let program = program.to_string_lossy();
        let folder = programs.join("manual").join(name);
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
    let daemon = programs.join("blepayd");
    let mut daemon = crate::command(&daemon.to_string_lossy())?;
    daemon.arg("--manual").arg(programs.join("manual/blepay"));
    crate::run(&mut daemon).context("cannot write the manual of blepayd")?;

    Ok(())
}

/// Packs the built programs, in an empty folder: a package of yesterday is never installed.
fn build_debs(profile: Profile, packed: &Path) -> anyhow::Result<()> {
    let cargo_deb = install::tool(install::CARGO_DEB)?;
    let folder = packed.join("debs");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;

    for package in PACKAGES {
        crate::say(&format!("packing {package}"));
        let mut pack = crate::command(&cargo_deb.to_string_lossy())?;
        pack.env("CARGO_TARGET_DIR", packed);
        pack.args(["--quiet", "--no-build", "--no-strip"]);
        if profile == Profile::ForTests {
            // Unpacked once, on an emulated processor.
            pack.args(["--fast", "--compress-type", "gz", "--compress-system"]);
        }
        pack.args(["--package", package, "--output"]).arg(&folder);
        crate::run(&mut pack).with_context(|| format!("cannot pack {package}"))?;
    }

    Ok(())
}
