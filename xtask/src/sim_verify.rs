//! `cargo sim --verify`: what is to hold of the world at every change.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::step::Tally;
use crate::{command, planted, say, sim, target};

/// How many seeds are played, and under how many schedules each story.
const SEEDS: &str = "40";
const SCHEDULES: &str = "4";

/// Checks that every planted fault can be planted, plays every story and some seeds. `--times FILE` keeps what the
/// time went into.
///
/// # Errors
///
/// When the world does not build, or does not say what came of it.
pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    let times_file = match args {
        [] => None,
        [flag, file] if flag == "--times" => Some(Path::new(file)),
        _ => bail!("`--verify` takes nothing but `--times FILE`"),
    };
    let mut times = Vec::new();
    let mut took = |name: &str, begun: Instant| {
        let seconds = begun.elapsed().as_secs_f64();
        times.push(json!({ "name": name, "seconds": seconds }));
    };
    let mut tally = Tally::default();
    for planted in planted::all()? {
        let applies = planted.check_applies();
        if let Err(error) = &applies {
            say(&format!("{}: {error:#}", planted.name));
        }
        tally = tally.and(Tally::one(applies.is_ok()));
    }
    say(&format!("{} planted faults can be planted", tally.passed));
    let begun = Instant::now();
    // a copy, which no other build in that folder replaces meanwhile
    let world = target()?.join("verify").join("world");
    fs::create_dir_all(target()?.join("verify"))?;
    fs::copy(sim::build()?, &world).context("the world cannot be copied")?;
    took("build", begun);
    let parts = [
        ("stories", ["--stories", "--schedules", SCHEDULES, "--json"]),
        ("seeds", ["--seeds", SEEDS, "--no-shrink", "--json"]),
    ];
    for (what, args) in parts {
        say(&format!("playing {what}"));
        let begun = Instant::now();
        let mut playing = command(&world.to_string_lossy())?;
        let output = playing.args(args).stderr(Stdio::inherit()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let said: Value = serde_json::from_str(said.lines().last().unwrap_or_default())
            .with_context(|| format!("the world says nothing of its {what}"))?;
        tally = tally.and(counted(&said, what)?);
        took(what, begun);
    }
    if let Some(file) = times_file {
        fs::write(file, Value::Array(times).to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    writeln!(io::stdout().lock(), "{tally}")?;

    Ok(ExitCode::from(u8::from(tally.failed != 0)))
}

/// Counts what the world said of its stories or seeds.
fn counted(said: &Value, what: &str) -> anyhow::Result<Tally> {
    let all = said.get(what).and_then(Value::as_u64);
    let failed = said.get("failed").and_then(Value::as_array);
    let (all, failed) = all.zip(failed).context("the world says something else")?;
    let all = usize::try_from(all)?;
    // a seed may have found several things
    let failed: BTreeSet<_> = failed
        .iter()
        .map(|found| found.get("seed").unwrap_or(found).to_string())
        .collect();
    let failed = failed.len();

    Ok(Tally {
        passed: all.saturating_sub(failed),
        failed,
    })
}
