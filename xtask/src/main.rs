//! `cargo demo`, `cargo verify`, `cargo sim` and `cargo boards`: what a fresh machine needs to see blepay work.
//!
//! Each command installs or builds what it lacks, shows what it is doing on the error output, and
//! may be run again at any time. Outside the repository only the cache of [`install`] is written.

mod boards;
mod demo;
mod early;
mod failures;
mod install;
mod machine;
mod planted;
mod schemathesis;
mod sim;
mod sim_verify;
mod step;
mod times;
mod verify;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

/// What blepay can be asked to show.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo", disable_help_subcommand = true)]
enum Xtask {
    #[command(flatten)]
    Command(XtaskCommand),
}

#[derive(Debug, Subcommand)]
enum XtaskCommand {
    /// Run server, payee and payer on this machine and pay from one to the other
    #[command(after_help = demo::EXAMPLES)]
    Demo {
        /// Play with the programs that `cargo test` or `cargo build` left, without building
        #[arg(long)]
        built: bool,
        /// Arguments of the demo, as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Check everything: style, tests, documentation, dependencies, the demo, the boards
    #[command(after_help = verify::EXAMPLES)]
    Verify {
        /// Steps to run; all of them when none is named
        #[arg(value_name = "STEP", value_parser = verify::STEP_NAMES)]
        steps: Vec<String>,
    },
    /// Ask both APIs of a server everything that their descriptions allow and forbid
    #[command(after_help = schemathesis::EXAMPLES)]
    Schemathesis {
        /// Ask the server that `cargo test` or `cargo build` left, without building
        #[arg(long)]
        built: bool,
    },
    /// Play devices, a server, radio, network and clocks in one process, from seeds
    #[command(after_help = sim::EXAMPLES, disable_help_flag = true)]
    Sim {
        /// Arguments of the world, as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Install the packages on two virtual machines and let them pay each other over BlueZ
    #[command(after_help = boards::EXAMPLES)]
    Boards {
        /// Pack programs built for release, instead of those that the tests use
        #[arg(long)]
        release: bool,
        /// Use the programs that `cargo test` or `cargo build` left, without building
        #[arg(long)]
        built: bool,
        /// Arguments of the boards program, as they are: scenarios and their options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// Whether a command builds the programs that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Programs {
    /// Those of the sources as they are now.
    Build,
    /// Those of the last build, whatever it was for. `cargo test` resolves other features than a build of the
    /// programs alone, so that one after the other would compile everything twice.
    AsBuilt,
}

impl Programs {
    fn new(built: bool) -> Self {
        if built { Self::AsBuilt } else { Self::Build }
    }
}

fn main() -> ExitCode {
    let Xtask::Command(command) = Xtask::parse();
    let done = match command {
        XtaskCommand::Demo { built, args } => demo::run(Programs::new(built), &args),
        XtaskCommand::Verify { steps } => verify::run(&steps),
        XtaskCommand::Schemathesis { built } => schemathesis::run(Programs::new(built)),
        XtaskCommand::Sim { args } => sim::run(&args),
        XtaskCommand::Boards {
            release,
            built,
            args,
        } => boards::run(Programs::new(built), release.into(), &args),
    };

    done.unwrap_or_else(|error| {
        say(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

/// Writes one line of progress to the error output, which leaves the standard output to results.
fn say(line: &str) {
    // whoever closed our error output does not want to hear more
    let _unheard = writeln!(io::stderr().lock(), "{line}");
}

/// Returns the folder of the workspace.
fn workspace() -> anyhow::Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .context("xtask lies in the workspace")
}

/// Returns the folder that cargo builds into.
fn target() -> anyhow::Result<PathBuf> {
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);

    Ok(workspace()?.join(folder))
}

/// Returns a command that runs `program` in the workspace, as if from a plain shell.
///
/// Cargo describes xtask to xtask in variables; build scripts that watch them would see a change
/// and build their crates again.
fn command(program: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(program);
    command.current_dir(workspace()?);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.env_remove("CARGO").env_remove("LD_LIBRARY_PATH");

    Ok(command)
}

/// Runs `command` to its end, its output on our error output.
///
/// # Errors
///
/// When it cannot be started or fails.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("cannot start `{name}`"))?;
    ensure!(status.success(), "`{name}` failed ({status}), see above");

    Ok(())
}
