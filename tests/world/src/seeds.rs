//! Plays seeds: each twice, many at a time.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::fault::Fault;
use crate::marks::Switches;
use crate::plan;
use crate::play::{Outcome, play_traced};
use crate::report::{Failed, Sums, in_words, say, show};
use crate::shrink::shrink;

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Which seeds to play, and how.
#[derive(Clone, Debug)]
pub(crate) struct Seeds {
    pub(crate) first: u64,
    pub(crate) many: u64,
    pub(crate) jobs: usize,
    pub(crate) time: Option<Duration>,
    pub(crate) switches: Switches,
    pub(crate) json: bool,
    /// Whether the shortest story is looked for.
    pub(crate) shrinks: bool,
}

struct Played {
    seed: u64,
    outcome: anyhow::Result<Outcome>,
    worked: Duration,
}

/// Plays seeds, and returns whether nothing was found.
pub(crate) fn run(seeds: &Seeds) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let mut sums = Sums::default();
    thread::scope(|scope| {
        let (played_in, played) = mpsc::sync_channel(seeds.jobs);
        for _ in 0..seeds.jobs {
            let (next, played_in) = (&next, played_in.clone());
            let working = move || {
                loop {
                    let is_late = seeds.time.is_some_and(|time| begun.elapsed() >= time);
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if is_late || number >= seeds.many {
                        return;
                    }
                    let seed = seeds.first.saturating_add(number);
                    if played_in
                        .send(play_twice(seed, seeds.switches, None))
                        .is_err()
                    {
                        return;
                    }
                }
            };
            let _joined_by_scope = scope.spawn(working);
        }
        drop(played_in);

        collect(&played, &mut sums, seeds.switches)
    })?;
    if seeds.shrinks {
        shrink_each_class(&mut sums, seeds);
    }
    if seeds.json {
        show(&sums.json());
    } else {
        show(&sums.last_line());
    }

    Ok(sums.failed.is_empty())
}

fn collect(
    played: &mpsc::Receiver<Played>,
    sums: &mut Sums,
    switches: Switches,
) -> anyhow::Result<()> {
    let mut told = Instant::now();
    for Played {
        seed,
        outcome,
        worked,
    } in played
    {
        let outcome = outcome.with_context(|| format!("seed {seed} cannot be played"))?;
        sums.add(&outcome, worked);
        for fault in switches.unknown(outcome.faults) {
            say(&format!("seed {seed}: {fault}"));
            let story = None;
            sums.failed.push(Failed { seed, fault, story });
        }
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            say(&sums.progress());
        }
    }

    Ok(())
}

/// Plays a seed two times: both must have one trace.
fn play_twice(seed: u64, switches: Switches, traces: Option<&Path>) -> Played {
    let story = plan::draw(seed, switches);
    let begun = Instant::now();
    let run = |name: &str| {
        let file = traces.map(|folder| File::create(folder.join(name)));
        play_traced(&story, seed, file.transpose()?)
    };
    let outcome = run("1").and_then(|mut first| {
        let second = run("2")?;
        if first.trace != second.trace {
            let text = format!("{:016x} and {:016x}", first.trace, second.trace);
            first
                .faults
                .push(Fault::new("C25", "two runs differ", text));
        }

        Ok(first)
    });

    Played {
        seed,
        outcome,
        worked: begun.elapsed(),
    }
}

fn shrink_each_class(sums: &mut Sums, seeds: &Seeds) {
    let mut classes = BTreeSet::new();
    let mut firsts: Vec<_> = sums
        .failed
        .iter_mut()
        .filter(|failed| failed.fault.check != "C25")
        .filter(|failed| classes.insert((failed.fault.check, failed.fault.shape.clone())))
        .collect();
    thread::scope(|scope| {
        let share = firsts.len().div_ceil(seeds.jobs).max(1);
        for share in firsts.chunks_mut(share) {
            let _joined_by_scope = scope.spawn(move || {
                for failed in share {
                    failed.story = Some(shrunk(failed.seed, &failed.fault, seeds.switches));
                }
            });
        }
    });
}

/// Returns the shortest story that shows what was found in a seed, and tells it.
fn shrunk(seed: u64, fault: &Fault, switches: Switches) -> String {
    let story = plan::draw(seed, switches);
    let short = shrink(&story, seed, fault, switches);
    let text = short.story.to_string();
    say(&format!(
        "seed {seed}, {} {}, from {} steps to {} in {} runs, schedule {}:",
        fault.check,
        fault.shape,
        story.steps.len(),
        short.story.steps.len(),
        short.runs,
        short.schedule
    ));
    for line in text.lines() {
        say(&format!("    {line}"));
    }

    text
}

/// Plays one seed and tells everything that happens.
pub(crate) fn tell(seed: u64, switches: Switches, traces: Option<&Path>) -> anyhow::Result<bool> {
    let story = plan::draw(seed, switches);
    let Played { outcome, .. } = play_twice(seed, switches, traces);
    let outcome = outcome?;
    for line in story
        .conditions
        .to_string()
        .lines()
        .chain(outcome.said.iter().map(String::as_str))
    {
        show(line);
    }
    let found = switches.unknown(outcome.faults);
    for fault in &found {
        show(&format!("=> {fault}"));
        if fault.check != "C25" {
            let _told = shrunk(seed, fault, switches);
        }
    }
    show(&format!(
        "seed {seed}: {:016x}, {:?}, {} polls, {} messages, {} simulated in {:.2} s, {} found",
        outcome.trace,
        outcome.counted,
        outcome.polls,
        outcome.asked,
        in_words(outcome.simulated),
        outcome.real.as_secs_f64(),
        found.len()
    ));

    Ok(found.is_empty())
}
