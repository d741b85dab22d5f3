//! Plays the stories that are kept in `tests/world/stories/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::fault::Fault;
use crate::marks::{MARKS, Switches};
use crate::play::play;
use crate::report::{say, show};
use crate::story::Kept;

/// Under how many schedules a story is played.
pub(crate) const SCHEDULES: u64 = 20;

/// What came of a story under all schedules.
struct Verdict {
    name: String,
    /// Under how many schedules the marked fault was found.
    shown: u64,
    /// Of how many.
    schedules: u64,
    /// What else was found, and under which schedule.
    others: Vec<(u64, Fault)>,
    is_marked: bool,
}

impl Verdict {
    fn is_good(&self) -> bool {
        self.others.is_empty() && (!self.is_marked || self.shown > 0)
    }

    fn words(&self) -> String {
        let Self {
            name,
            shown,
            schedules,
            others,
            is_marked,
        } = self;
        let mut first: BTreeMap<_, (u64, &Fault)> = BTreeMap::new();
        for (schedule, fault) in others {
            let _of_a_later_schedule = first.entry(fault.class()).or_insert((*schedule, fault));
        }
        let others: Vec<_> = first
            .values()
            .map(|(schedule, fault)| format!("\n    schedule {schedule}: {fault}"))
            .collect();
        let others = others.concat();
        match (is_marked, shown, others.is_empty()) {
            (true, 0, _) => {
                format!("{name}: marked, and shows its fault no more: remove the mark. {others}")
            }
            (true, shown, true) => format!("{name}: known, under {shown} of {schedules} schedules"),
            (false, _, true) => format!("{name}: good"),
            (_, _, false) => format!("{name}: NOT MARKED {others}"),
        }
    }
}

/// Plays one story, under one schedule or all, and tells what came of it.
pub(crate) fn play_file(file: &Path, schedule: Option<u64>) -> anyhow::Result<bool> {
    let kept = read(file)?;
    if let Some(schedule) = schedule {
        let outcome = play(&kept.story, schedule)?;
        for line in &outcome.said {
            show(line);
        }
        for fault in &outcome.faults {
            show(&format!("=> {fault}"));
        }
        return Ok(outcome.faults.is_empty());
    }
    let verdict = judge(file, &kept, SCHEDULES)?;
    show(&verdict.words());

    Ok(verdict.is_good())
}

/// Plays every story that is kept.
pub(crate) fn play_all(jobs: usize, schedules: u64, json: bool) -> anyhow::Result<bool> {
    let files = files()?;
    let next = AtomicUsize::new(0);
    let mut verdicts = Vec::new();
    thread::scope(|scope| {
        let (judged_in, judged) = mpsc::sync_channel(jobs);
        for _ in 0..jobs {
            let (next, files, judged_in) = (&next, &files, judged_in.clone());
            let judging = move || {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = read(file).and_then(|kept| judge(file, &kept, schedules));
                    if judged_in.send(verdict).is_err() {
                        return;
                    }
                }
            };
            let _joined_by_scope = scope.spawn(judging);
        }
        drop(judged_in);
        for verdict in judged {
            let verdict = verdict?;
            say(&verdict.words());
            verdicts.push(verdict);
        }

        anyhow::Ok(())
    })?;
    check_marks(&verdicts)?;
    let bad: Vec<_> = verdicts.iter().filter(|it| !it.is_good()).collect();
    let known = verdicts
        .iter()
        .filter(|it| it.is_marked && it.is_good())
        .count();
    if json {
        let bad: Vec<_> = bad.iter().map(|it| it.words()).collect();
        show(&json!({ "stories": verdicts.len(), "known": known, "failed": bad }).to_string());
    } else {
        show(&format!(
            "{} stories, {known} known faults, {} failed",
            verdicts.len(),
            bad.len()
        ));
    }

    Ok(bad.is_empty())
}

/// Every mark has its story, and every marked story its mark.
fn check_marks(verdicts: &[Verdict]) -> anyhow::Result<()> {
    for mark in MARKS {
        let story = verdicts.iter().find(|it| it.name == mark.story);
        let story = story.with_context(|| format!("the mark {} has no story", mark.story))?;
        ensure!(story.is_marked, "the story {} is not marked", mark.story);
    }
    for story in verdicts.iter().filter(|it| it.is_marked) {
        let is_listed = MARKS.iter().any(|mark| mark.story == story.name);
        ensure!(
            is_listed,
            "the marked story {} has no line in MARKS",
            story.name
        );
    }

    Ok(())
}

/// Plays a story under so many schedules; a marked one that has not shown its fault by then under more.
fn judge(file: &Path, kept: &Kept, schedules: u64) -> anyhow::Result<Verdict> {
    let name = file.file_stem().unwrap_or_default();
    let mut verdict = Verdict {
        name: name.to_string_lossy().into_owned(),
        shown: 0,
        schedules: 0,
        others: Vec::new(),
        is_marked: kept.mark.is_some(),
    };
    for schedule in 1..=SCHEDULES.max(schedules) {
        let is_enough = schedule > schedules && (!verdict.is_marked || verdict.shown > 0);
        if is_enough {
            break;
        }
        verdict.schedules = schedule;
        let outcome = play(&kept.story, schedule)?;
        let mut is_shown = false;
        for fault in outcome.faults {
            let is_its_own = kept.mark.as_ref().is_some_and(|mark| mark.is_of(&fault));
            is_shown |= is_its_own && kept.mark.as_ref().is_some_and(|mark| mark.finds(&fault));
            if !is_its_own && !Switches::On.forgive(&fault) {
                verdict.others.push((schedule, fault));
            }
        }
        verdict.shown = verdict.shown.saturating_add(u64::from(is_shown));
    }

    Ok(verdict)
}

fn read(file: &Path) -> anyhow::Result<Kept> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("{} cannot be read", file.display()))?;

    Kept::read(&text).with_context(|| file.display().to_string())
}

fn files() -> anyhow::Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).context("no stories")? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "story") {
            files.push(path);
        }
    }
    files.sort();

    Ok(files)
}
