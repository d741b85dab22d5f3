//! What a fresh Debian lacks: packages from Debian, and two cargo tools that we build and cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// A program that cargo builds once for this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
}

pub(crate) const CARGO_DEB: Tool = Tool {
    name: "cargo-deb",
    version: "3.8.0",
};

pub(crate) const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};

/// The version of schemathesis, from PyPI.
const SCHEMATHESIS: &str = "4.32.5";

/// How long one download or build may take.
const SECONDS_MAX: &str = "600";

/// Returns the path of `tool`, built now if this machine does not have it yet.
///
/// # Errors
///
/// When cargo cannot build it.
pub(crate) fn tool(tool: Tool) -> anyhow::Result<PathBuf> {
    let Tool { name, version } = tool;
    let folder = cache()?.join("tools").join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if program.exists() {
        return Ok(program);
    }

    crate::say(&format!("building {name} {version}, once for this machine"));
    let mut install = crate::command("timeout")?;
    install
        .args(["--foreground", SECONDS_MAX, "cargo"])
        .args(["install", "--quiet", "--locked", "--root"])
        .arg(&folder)
        // built without optimisation in a third of the time, and quick enough for its few seconds of work
        .args(["--debug", "--version", version, name])
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    crate::run(&mut install).with_context(|| format!("cannot build {name}"))?;

    Ok(program)
}

/// Returns schemathesis, installed now if this machine does not have it yet.
///
/// # Errors
///
/// When Python or its package cannot be installed.
pub(crate) fn schemathesis() -> anyhow::Result<PathBuf> {
    let folder = cache()?
        .join("tools")
        .join(format!("schemathesis-{SCHEMATHESIS}"));
    let (program, complete) = (folder.join("bin").join("st"), folder.join("complete"));
    if complete.exists() {
        return Ok(program);
    }
    let has_venv = Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_venv {
        debian_packages(&[("a-python-with-venv", "python3-venv")])?;
    }
    crate::say(&format!(
        "installing schemathesis {SCHEMATHESIS}, once for this machine"
    ));
    let folder = folder.to_string_lossy();
    crate::run(crate::command("python3")?.args(["-m", "venv", "--clear", &folder]))?;
    let mut pip = crate::command("timeout")?;
    pip.args(["--foreground", SECONDS_MAX]);
    pip.arg(format!("{folder}/bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.arg(format!("schemathesis=={SCHEMATHESIS}"));
    crate::run(&mut pip).context("cannot install schemathesis")?;
    fs::write(complete, "")?;

    Ok(program)
}

/// Installs the Debian packages whose program is not on this machine; each pair is program, package.
///
/// # Errors
///
/// When one is missing and apt cannot install it, with the line to run by hand.
pub(crate) fn debian_packages(wanted: &[(&str, &'static str)]) -> anyhow::Result<()> {
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(program, _)| !has_program(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }

    let list = missing.join(" ");
    crate::say(&format!("installing from Debian: {list}"));
    let by_hand = || format!("install them by hand: apt-get install --yes {list}");
    crate::run(as_root()?.args(["apt-get", "update", "-qq"])).with_context(by_hand)?;
    let mut install = as_root()?;
    install.args(["apt-get", "install", "-qq", "--yes"]);
    install.args(["--no-install-recommends"]).args(&missing);
    crate::run(&mut install).with_context(by_hand)
}

/// Returns the folder outside the repository in which tools and images outlive a fresh clone.
fn cache() -> anyhow::Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set, so there is no place for a cache")?;
    let folder = base.join("blepay");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;

    Ok(folder)
}

/// Returns a command that runs its arguments as root.
fn as_root() -> anyhow::Result<Command> {
    let id = Command::new("id").arg("-u").output()?;
    let mut command = crate::command("timeout")?;
    command.args(["--foreground", SECONDS_MAX]);
    if id.stdout.trim_ascii() != b"0" {
        ensure!(has_program("sudo"), "this needs root, and there is no sudo");
        crate::say("asking sudo for root");
        command.arg("sudo");
    }
    command.args(["env", "DEBIAN_FRONTEND=noninteractive"]);

    Ok(command)
}

/// Whether a shell finds `program`, in the places of an administrator too.
fn has_program(program: &str) -> bool {
    Command::new("sh")
        .args([
            "-c",
            "PATH=$PATH:/usr/sbin:/sbin; command -v \"$0\"",
            program,
        ])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
