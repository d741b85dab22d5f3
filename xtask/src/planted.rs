//! `cargo sim --planted`: plants faults one by one, and lets the world look for them.
//!
//! A planted fault is a patch in `tests/world/planted/`. The lines before its first `diff` say what it plants
//! (`Plants:`) and which check has to find it (`Found by:`, a check, or check and shape), by seeds or in a story that is kept (`Story:`).
//! It is built from a copy of the workspace's files, and in a folder, below `target/planted/`. Only what changes is
//! written, so that little is built anew.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::{command, say, sim, target, workspace};

/// In how many seeds a planted fault has to be found.
const SEEDS: u64 = 500;
/// Under how many schedules of its story.
const SCHEDULES: u32 = 20;

const FOLDER: &str = "tests/world/planted";
const STORIES: &str = "tests/world/stories";

/// A planted fault.
pub(crate) struct Planted {
    pub(crate) name: String,
    patch: PathBuf,
    plants: String,
    check: String,
    story: Option<String>,
}

/// Plants the faults that are named, or all, and tells which are found.
///
/// # Errors
///
/// When a fault is not known, or the machine does not do its part.
pub(crate) fn run(names: &[String]) -> anyhow::Result<ExitCode> {
    let all = all()?;
    for name in names {
        let is_known = all.iter().any(|planted| planted.name == *name);
        ensure!(is_known, "no fault is called {name:?} in {FOLDER}");
    }
    let is_wanted = |it: &&Planted| names.is_empty() || names.contains(&it.name);
    let folder = target()?.join("planted");
    fs::create_dir_all(&folder)?;
    let good = folder.join("good");
    // a copy, which no other build replaces meanwhile
    fs::copy(sim::build()?, &good).context("the world cannot be copied")?;
    let (mut passed, mut failed) = (0_u32, 0_u32);
    for planted in all.iter().filter(is_wanted) {
        say(&format!("{}: {}", planted.name, planted.plants));
        match planted.look_for(&good) {
            Ok(found) => {
                passed = passed.saturating_add(1);
                say(&format!("    passed: {found}"));
            }
            Err(error) => {
                failed = failed.saturating_add(1);
                say(&format!("    FAILED: {error:#}"));
            }
        }
    }
    writeln!(io::stdout().lock(), "{passed} passed, {failed} failed")?;

    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns all planted faults, in the order of their names.
///
/// # Errors
///
/// When one does not say what it plants and who finds it.
pub(crate) fn all() -> anyhow::Result<Vec<Planted>> {
    let folder = workspace()?.join(FOLDER);
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {FOLDER}"))? {
        let patch = entry?.path();
        if patch.extension().is_some_and(|it| it == "patch") {
            all.push(Planted::read(patch)?);
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));

    Ok(all)
}

impl Planted {
    fn read(patch: PathBuf) -> anyhow::Result<Self> {
        let text = fs::read_to_string(&patch)?;
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        let head = text.split("\ndiff ").next().unwrap_or_default();
        let field = |field: &str| {
            let lines = head.lines().skip_while(|line| !line.starts_with(field));
            let lines = lines.take_while(|line| line.starts_with(field) || !line.contains(": "));
            let words: Vec<_> = lines
                .map(|line| line.trim_start_matches(field).trim())
                .collect();
            let words = words.join(" ").trim().to_owned();
            (!words.is_empty()).then_some(words)
        };
        let lacks = |what: &str| format!("{} has no line `{what}`", patch.display());

        Ok(Self {
            name: name.into_owned(),
            plants: field("Plants:").with_context(|| lacks("Plants:"))?,
            check: field("Found by:").with_context(|| lacks("Found by:"))?,
            story: field("Story:"),
            patch,
        })
    }

    /// Tells whether it can be planted into the sources as they are.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub(crate) fn check_applies(&self) -> anyhow::Result<()> {
        let mut apply = command("git")?;
        apply.args(["apply", "--check"]).arg(&self.patch);
        crate::run(&mut apply).context("the patch does not apply any more: write it anew")
    }

    /// Plants it, builds the world, and looks for it; returns in words where it was found.
    fn look_for(&self, good: &Path) -> anyhow::Result<String> {
        self.check_applies()?;
        let sources = target()?.join("planted").join("src");
        copy_workspace(&sources)?;
        let mut apply = command("git")?;
        apply.arg("apply").arg(&self.patch).current_dir(&sources);
        // the copy lies in a repository that is not its own
        apply.env("GIT_CEILING_DIRECTORIES", target()?.join("planted"));
        crate::run(&mut apply)?;
        let begun = Instant::now();
        // not the folder of the world: cargo tells two copies of a workspace apart by times alone, and would take
        // what is built here for what is built there
        let bad = sim::build_in(&sources, &target()?.join("planted").join("target"))?;
        say(&format!("    built in {} s", begun.elapsed().as_secs()));

        match &self.story {
            Some(story) => self.look_in_story(story, &bad, good),
            None => self.look_in_seeds(&bad, good),
        }
    }

    fn look_in_seeds(&self, bad: &Path, good: &Path) -> anyhow::Result<String> {
        let mut next = 1;
        while next <= SEEDS {
            let left = SEEDS.saturating_add(1).saturating_sub(next).to_string();
            let first = next.to_string();
            let finds = |seed, many| ["--finds", &self.check, "--seed", seed, "--seeds", many];
            let (is_found, said) = ask(bad, &finds(first.as_str(), left.as_str()))?;
            ensure!(is_found, "{} does not find it: {said}", self.check);
            let seed = said.split_whitespace().nth(1).unwrap_or_default();
            // what is found without the patch says nothing of it
            let (is_always_found, _) = ask(good, &finds(seed, "1"))?;
            if !is_always_found {
                return Ok(said);
            }
            say(&format!("    also without the patch: {said}"));
            next = seed.parse::<u64>()?.saturating_add(1);
        }

        bail!("{} finds nothing that is not there without it", self.check)
    }

    /// Plays the story under one schedule after the other: a moment that has to be met is met under some.
    fn look_in_story(&self, story: &str, bad: &Path, good: &Path) -> anyhow::Result<String> {
        let file = workspace()?.join(STORIES).join(format!("{story}.story"));
        let file = file.to_string_lossy();
        for schedule in 1..=SCHEDULES {
            let schedule = schedule.to_string();
            let play = |world| ask(world, &["--story", &file, "--seed", &schedule]);
            let (is_good, said) = play(bad)?;
            let found = said.lines().find(|line| is_of(line, &self.check));
            let Some(found) = found.filter(|_| !is_good) else {
                continue;
            };
            let (_, said) = play(good)?;
            ensure!(!said.is_empty(), "{story} cannot be played without it");
            let is_always_found = said.lines().any(|line| is_of(line, &self.check));
            ensure!(!is_always_found, "{story} is not good without it: {said}");
            return Ok(format!("{story}, schedule {schedule}: {found}"));
        }

        bail!(
            "{} does not find it in {story} under {SCHEDULES} schedules",
            self.check
        )
    }
}

/// Whether a line of a story tells what this check finds.
fn is_of(line: &str, check: &str) -> bool {
    let found = line.strip_prefix("=> ");
    let rest = found.and_then(|found| found.strip_prefix(check));

    rest.is_some_and(|rest| rest.starts_with([' ', ':']))
}

/// Runs the world, and returns whether it succeeded and what it said.
fn ask(world: &Path, args: &[&str]) -> anyhow::Result<(bool, String)> {
    let mut asked = command(&world.to_string_lossy())?;
    let output = asked.args(args).stderr(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", world.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();

    Ok((output.status.success(), said))
}

/// Copies the files that git knows of, as they are; what is equal already keeps its time.
fn copy_workspace(to: &Path) -> anyhow::Result<()> {
    let from = workspace()?;
    let listed = command("git")?.args(["ls-files", "-z"]).output()?;
    ensure!(
        listed.status.success(),
        "git cannot list the workspace's files"
    );
    let names = String::from_utf8(listed.stdout)?;
    for name in names.split_terminator('\0') {
        let bytes = match fs::read(from.join(name)) {
            Ok(bytes) => bytes,
            // removed and not yet committed
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
        };
        let copy = to.join(name);
        if fs::read(&copy).is_ok_and(|before| before == bytes) {
            continue;
        }
        if let Some(folder) = copy.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&copy, bytes)?;
    }

    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planted_fault_says_what_it_plants_and_who_finds_it() {
        let all = all().expect("each says it");
        assert!(all.len() >= 10, "{} faults are planted", all.len());
        for planted in all {
            let first = planted.check.chars().next();
            let is_check = first == Some('C') || planted.check.starts_with("World ");
            assert!(is_check, "{}: {}", planted.name, planted.check);
            assert!(planted.plants.ends_with('.') || planted.plants.ends_with(')'));
        }
    }
}
