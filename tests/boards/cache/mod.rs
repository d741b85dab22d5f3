//! What is made once and kept outside the repository: tools, the air's Python, the base image.

mod sources;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::board::Snapshot;
use crate::failure::{Failure, Outcome};
use crate::process::{command, run_tool};
use crate::progress::{say, step};

const RECIPE: &str = include_str!("../image/build.sh");
const PACKAGES: &str = include_str!("../image/packages");
const AIR_REQUIREMENT: &str = "bumble==0.0.236";

/// Commands that have to be there, and the Debian package of each.
const TOOLS: [(&str, &str); 6] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("mmdebstrap", "mmdebstrap"),
    ("mke2fs", "e2fsprogs"),
    ("socat", "socat"),
    ("swtpm", "swtpm"),
    ("setpriv", "util-linux"),
];

const INSTALL_LIMIT: Duration = Duration::from_secs(600);
const IMAGE_LIMIT: Duration = Duration::from_secs(1200);
const CHECK_LIMIT: Duration = Duration::from_secs(100);
const IMAGE_PREFIX: &str = "image-";
/// Of images and of kept boards each.
const KEPT_MAX: usize = 2;

/// The base image that boards start from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    /// The root file system, raw ext4.
    pub(crate) root: PathBuf,
    /// The kernel.
    pub(crate) kernel: PathBuf,
    /// The initial RAM disk.
    pub(crate) initrd: PathBuf,
}

/// What a run takes from the cache.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    /// The cache's folder.
    pub(crate) folder: PathBuf,
    /// A Python that has the air's requirement.
    pub(crate) python: PathBuf,
    /// The boards' base image.
    pub(crate) image: Image,
    /// A booted board; without one the boards boot.
    pub(crate) snapshot: Option<Snapshot>,
}

impl Cache {
    /// Makes what is missing; with nothing missing, returns within a moment.
    pub(crate) fn prepare(folder: &Path) -> Outcome<Self> {
        fs::create_dir_all(folder)
            .map_err(Failure::host(format!("create {}", folder.display())))?;
        // Two runs on one cache: the second waits for what the first is making.
        let lock =
            File::create(folder.join("lock")).map_err(Failure::host("create the cache's lock"))?;
        lock.lock().map_err(Failure::host("lock the cache"))?;

        install_tools(folder)?;
        let python = prepare_python(folder)?;
        let image = prepare_image(folder)?;
        let snapshot = Snapshot::prepare(folder, &image)
            .inspect_err(|failure| say(&format!("no board can be kept, so all boot: {failure}")))
            .ok();

        Ok(Self {
            folder: folder.to_owned(),
            python,
            image,
            snapshot,
        })
    }
}

fn install_tools(folder: &Path) -> Outcome<()> {
    let log = folder.join("install.log");
    let mut missing: Vec<&str> = Vec::new();
    for (tool, package) in TOOLS {
        if !is_on_path(tool) {
            missing.push(package);
        }
    }
    let venv = run_tool(
        command("python3").args(["-c", "import ensurepip, venv"]),
        &folder.join("check.log"),
        CHECK_LIMIT,
    );
    if venv.is_err() {
        missing.push("python3-venv");
    }
    if crate::postgres::programs().is_err() {
        missing.push("postgresql");
    }
    if missing.is_empty() {
        return Ok(());
    }

    let name = format!("install {} on this machine (apt-get)", missing.join(", "));
    step(&name, || {
        run_tool(
            as_root("apt-get").args(["update", "-q"]),
            &log,
            INSTALL_LIMIT,
        )?;
        let mut install = as_root("apt-get");
        install
            .args(["install", "-q", "-y", "--no-install-recommends"])
            .args(&missing);
        install.env("DEBIAN_FRONTEND", "noninteractive");
        run_tool(&mut install, &log, INSTALL_LIMIT)
    })?;

    Ok(())
}

fn prepare_python(folder: &Path) -> Outcome<PathBuf> {
    let venv = folder.join(format!("venv-{}", key(&[AIR_REQUIREMENT])));
    let python = venv.join("bin/python");
    let complete = venv.join("complete");
    if complete.exists() {
        return Ok(python);
    }

    step(&format!("install {AIR_REQUIREMENT} for the air"), || {
        let log = folder.join("venv.log");
        run_tool(
            command("python3").args(["-m", "venv"]).arg(&venv),
            &log,
            INSTALL_LIMIT,
        )?;
        let mut pip = command(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        run_tool(pip.arg(AIR_REQUIREMENT), &log, INSTALL_LIMIT)
    })?;
    File::create(&complete).map_err(Failure::host("mark the air's Python as complete"))?;

    Ok(python)
}

fn prepare_image(folder: &Path) -> Outcome<Image> {
    let ready = folder.join(format!("{IMAGE_PREFIX}{}", key(&[RECIPE, PACKAGES])));
    if !ready.join("root.img").exists() {
        step("build the boards' base image (some minutes, once)", || {
            build_image(folder, &ready)
        })?;
        remove_old(folder, IMAGE_PREFIX, &ready);
    }

    Ok(Image {
        root: ready.join("root.img"),
        kernel: ready.join("vmlinuz"),
        initrd: ready.join("initrd.img"),
    })
}

fn build_image(folder: &Path, ready: &Path) -> Outcome<()> {
    let partial = folder.join("image.partial");
    if partial.exists() {
        let mut clean = as_root("rm");
        run_tool(
            clean.arg("-rf").arg(&partial),
            &folder.join("check.log"),
            INSTALL_LIMIT,
        )?;
    }
    fs::create_dir_all(&partial).map_err(Failure::host("create the image's folder"))?;
    let write = |name: &str, text: &str| {
        let path = partial.join(name);
        fs::write(&path, text)
            .map(|()| path)
            .map_err(Failure::host(format!("write the image's {name}")))
    };
    let recipe = write("build.sh", RECIPE)?;
    let packages = write("packages", PACKAGES)?;
    let found = sources::of_this_machine()?;
    let one_line = write("host.list", &found.one_line)?;
    let stanzas = write("host.sources", &found.stanzas)?;

    let mut build = as_root("sh");
    build
        .arg(&recipe)
        .arg(&partial)
        .arg(&packages)
        .arg(&one_line)
        .arg(&stanzas);
    run_tool(&mut build, &folder.join("image.log"), IMAGE_LIMIT)?;
    fs::rename(&partial, ready).map_err(Failure::host("put the image in its place"))?;

    Ok(())
}

/// Keeps the newest folders of a kind only; one that is in use stays readable for who has it open.
pub(crate) fn remove_old(folder: &Path, prefix: &str, ready: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut others: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .filter(|entry| entry.path() != ready)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    others.sort();
    others.reverse();
    for (_, old) in others.iter().skip(KEPT_MAX.saturating_sub(1)) {
        if fs::remove_dir_all(old).is_err() {
            say(&format!("an old one stays behind: {}", old.display()));
        }
    }
}

/// Prepares a command that runs as root: directly, or through sudo, which may ask for a password.
pub(crate) fn as_root(program: &str) -> std::process::Command {
    if rustix::process::geteuid().is_root() {
        return command(program);
    }
    let mut sudo = command("sudo");
    sudo.arg(program);
    sudo
}

fn is_on_path(program: &str) -> bool {
    // mke2fs lives in sbin, which a user's PATH may lack.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .any(|folder| folder.join(program).exists())
}

/// Returns a short name for what is made of these parts.
pub(crate) fn key(parts: &[impl AsRef<[u8]>]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_ref());
        hash.update([0]);
    }

    hex::encode(hash.finalize().get(..8).unwrap_or_default())
}
