//! Which scenarios are played at the same time: boards wait for most of theirs, so two pairs of them share a machine.

use std::fs;
use std::io;
use std::thread::{self, ScopedJoinHandle};

use crate::failure::{Failure, Outcome};
use crate::progress::say;
use crate::scenario::Scenario;

/// Below this much memory that can be had, scenarios are played one after the other: a pair of boards has 2 GiB.
const MEMORY_KIB_MIN: u64 = 6 * 1024 * 1024;

/// Scenarios that are played one after the other, on one pair of boards.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// What its lines of progress begin with, where it is not the only one.
    name: &'static str,
    pub(crate) scenarios: Vec<Scenario>,
}

impl Lane {
    /// Returns the only lane of a run.
    pub(crate) const fn alone(scenarios: Vec<Scenario>) -> Self {
        Self {
            name: "boards",
            scenarios,
        }
    }
}

/// Returns what is played without being named: what an owner and a provider do beside paying takes as long as all
/// else, and has a pair of boards of its own.
pub(crate) fn of_every_run() -> Vec<Lane> {
    let all = Scenario::of_every_run();
    if memory_available_kib() < MEMORY_KIB_MIN {
        say("one pair of boards at a time, for want of memory");
        return vec![Lane::alone(all.collect())];
    }
    let (ops, paying) = all.partition(|scenario| *scenario == Scenario::Ops);

    vec![
        Lane {
            name: "paying",
            scenarios: paying,
        },
        Lane {
            name: "ops",
            scenarios: ops,
        },
    ]
}

/// Plays all lanes at the same time; of several, each in a thread of its own, which its boards do not outlive.
pub(crate) fn play<T: Send>(
    lanes: Vec<Lane>,
    play: impl Fn(Lane) -> Outcome<T> + Sync,
) -> Vec<Outcome<T>> {
    if lanes.len() <= 1 {
        return lanes.into_iter().map(play).collect();
    }
    let play = &play;

    thread::scope(|scope| {
        let start = |lane: Lane| {
            let thread = thread::Builder::new().name(lane.name.to_owned());
            thread.spawn_scoped(scope, move || play(lane))
        };
        let started: Vec<_> = lanes.into_iter().map(start).collect();

        started.into_iter().map(ended).collect()
    })
}

/// Waits for the thread of a lane.
fn ended<T>(started: io::Result<ScopedJoinHandle<'_, Outcome<T>>>) -> Outcome<T> {
    let thread = started.map_err(Failure::host("start a thread"))?;

    thread
        .join()
        .map_err(|_panic| Failure::Unexpected("a thread of the boards has panicked".to_owned()))?
}

/// Returns the memory that can be had without taking it from anybody; none where the kernel does not say.
fn memory_available_kib() -> u64 {
    let about = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = about
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.split_whitespace().next());

    number.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
