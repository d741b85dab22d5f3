//! Plays a story: founds a town, lets every step happen, brings all to rest, and checks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;

use crate::checks::{CHECKS, When};
use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::panics;
use crate::rng::Rng;
use crate::story::Story;
use crate::town::Town;
use crate::world::World;

/// How often everybody syncs before all is at rest, and the time between.
const REST_ROUNDS: u32 = 6;
const REST_PAUSE: Duration = Duration::from_secs(40);

/// How long a town may take to be founded, in the world.
const FOUNDING_MAX: Duration = Duration::from_secs(3600);

/// What came of a story.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// What the checks found, each check and shape once.
    pub(crate) faults: Vec<Fault>,
    /// What happened, a line for each step.
    pub(crate) said: Vec<String>,
    /// Everything that happened, as one number.
    pub(crate) trace: u64,
    /// What was counted.
    pub(crate) counted: BTreeMap<&'static str, u64>,
    /// How long it took in the world.
    pub(crate) simulated: Duration,
    /// How long it took here.
    pub(crate) real: Duration,
    /// How often a task was run.
    pub(crate) polls: u64,
    /// Messages to the server.
    pub(crate) asked: u64,
}

/// Plays a story under the schedule of a seed.
///
/// # Errors
///
/// When the machine lacks what the world stands on.
pub(crate) fn play(story: &Story, schedule: u64) -> anyhow::Result<Outcome> {
    play_traced(story, schedule, None)
}

/// As [`play`]; writes the trace to a file.
///
/// # Errors
///
/// As [`play`].
pub(crate) fn play_traced(
    story: &Story,
    schedule: u64,
    trace: Option<File>,
) -> anyhow::Result<Outcome> {
    panics::listen();
    let _of_before = panics::take();
    let begun = Instant::now();
    let dir = scratch()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let mut outcome = runtime.block_on(in_world(story.clone(), schedule, dir.path(), trace))?;
    outcome.real = begun.elapsed();

    Ok(outcome)
}

/// Makes a folder in memory: thousands of worlds write to it.
fn scratch() -> anyhow::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };

    dir.context("no folder for a world")
}

async fn in_world(
    story: Story,
    schedule: u64,
    dir: &Path,
    trace: Option<File>,
) -> anyhow::Result<Outcome> {
    let world = World::new(schedule);
    if let Some(file) = trace {
        world.trace.write_to(file);
    }
    let host: Rc<dyn host::world::World> = Rc::<World>::clone(&world);
    let inside = host::world::enter(host);
    let (is_done, end) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(None)));
    let (done, told) = (Rc::clone(&is_done), Rc::clone(&end));
    let telling = tell(Rc::clone(&world), story, schedule, dir.to_owned());
    let telling = async move {
        let ended = AssertUnwindSafe(telling).catch_unwind().await;
        *told.borrow_mut() = Some(ended);
        done.set(true);
    };
    world.executor.spawn(telling.boxed_local());
    world.run(|| is_done.get()).await;
    world.executor.clear();
    world.net.clear();
    let mut outcome = match end.borrow_mut().take().context("the story has an end")? {
        Ok(outcome) => outcome,
        Err(_heard_by_the_hook) => Outcome {
            faults: panics::take()
                .into_iter()
                .map(|(place, message)| {
                    Fault::new("World", "a check panics", format!("{place}: {message}"))
                })
                .collect(),
            ..Outcome::default()
        },
    };
    outcome.trace = world.trace.hash();
    outcome.simulated = world.age();
    outcome.polls = world.executor.polls();
    outcome.asked = world.net.asked();
    drop(inside);

    Ok(outcome)
}

async fn tell(world: Rc<World>, story: Story, schedule: u64, dir: std::path::PathBuf) -> Outcome {
    let founding = tokio::time::timeout(FOUNDING_MAX, Town::found(world, &dir, schedule)).await;
    let town = match founding.map_err(Into::into).flatten() {
        Ok(town) => town,
        Err(error) => {
            let error: anyhow::Error = error;
            return Outcome {
                faults: vec![Fault::new("World", "no town", format!("{error:#}"))],
                ..Outcome::default()
            };
        }
    };
    if let Err(error) = acts(&town, &story, schedule).await {
        town.found_fault(Fault::new(
            "World",
            "the story breaks off",
            format!("{error:#}"),
        ));
    }

    Outcome {
        faults: town.faults(),
        said: town.said(),
        counted: town.counted(),
        ..Outcome::default()
    }
}

async fn acts(town: &Town, story: &Story, schedule: u64) -> anyhow::Result<()> {
    town.set_conditions(&story.conditions);
    for numbered in &story.steps {
        let purpose = numbered.number.saturating_add(1_000_000);
        let mut luck = Rng::for_purpose(schedule, purpose);
        town.wait(Duration::from_millis(luck.between(0, 3000)))
            .await;
        let playing = numbered.step.play(town, luck);
        let came = match tokio::time::timeout(numbered.step.longest(), playing).await {
            Ok(came) => came?,
            Err(_elapsed) => {
                let text = numbered.step.to_string();
                town.found_fault(Fault::new("C21", "a step has no end", text));
                "it has no end".to_owned()
            }
        };
        town.say(format!("{}: {came}", numbered.step));
        town.count("steps");
        check(town, When::Step).await?;
    }
    rest(town).await?;

    check(town, When::Rest).await
}

/// Ends all troubles and lets everybody settle.
async fn rest(town: &Town) -> anyhow::Result<()> {
    town.set_conditions(&Conditions::default());
    town.world.calm();
    town.start_all().await?;
    for _ in 0..REST_ROUNDS {
        for person in &town.people {
            let _settled_by_more_rounds = town.sync(person).await;
            town.wait(REST_PAUSE).await;
        }
    }

    Ok(())
}

async fn check(town: &Town, when: When) -> anyhow::Result<()> {
    for check in CHECKS.iter().filter(|check| check.when == when) {
        let looked = (check.look)(town).await;
        let faults = looked.with_context(|| format!("{} cannot look", check.name))?;
        for fault in faults {
            town.found_fault(fault);
        }
    }

    Ok(())
}
