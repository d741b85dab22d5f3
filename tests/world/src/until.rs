//! Plays seeds until a check finds something: how a planted fault is looked for.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::Context as _;

use crate::fault::Fault;
use crate::marks::Switches;
use crate::plan;
use crate::play::{Outcome, play};
use crate::report::{say, show};
use crate::seeds::Seeds;

/// The check that compares two runs of a seed.
const TWICE: &str = "C25";

/// What was found first.
struct Found {
    seed: u64,
    fault: Fault,
}

/// Plays seeds until `check` finds a fault that is not marked; returns whether it did.
pub(crate) fn find(check: &str, seeds: &Seeds) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let (next, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = Mutex::new(None::<Found>);
    let done = thread::scope(|scope| {
        let looking = || {
            while !is_over.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let is_late = seeds.time.is_some_and(|time| begun.elapsed() >= time);
                if is_late || number >= seeds.many {
                    break;
                }
                let seed = seeds.first.saturating_add(number);
                let fault = look(check, seed, seeds.switches)
                    .with_context(|| format!("seed {seed} cannot be played"))?;
                if let Some(fault) = fault {
                    is_over.store(true, Ordering::Relaxed);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    if found.as_ref().is_none_or(|found| seed < found.seed) {
                        *found = Some(Found { seed, fault });
                    }
                }
            }

            anyhow::Ok(())
        };
        let lookers: Vec<_> = (0..seeds.jobs).map(|_| scope.spawn(looking)).collect();

        lookers
            .into_iter()
            .try_for_each(|looker| match looker.join() {
                Ok(looked) => looked,
                Err(panic) => resume_unwind(panic),
            })
    });
    done?;
    let seconds = begun.elapsed().as_secs_f64();
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    match &found {
        Some(Found { seed, fault }) => {
            show(&format!("seed {seed} after {seconds:.0} s: {fault}"));
        }
        None => {
            let played = next.into_inner().min(seeds.many);
            show(&format!(
                "nothing in {played} seeds after {seconds:.0} s: {check} finds no fault"
            ));
        }
    }

    Ok(found.is_some())
}

/// Plays one seed, and returns what the check finds.
fn look(check: &str, seed: u64, switches: Switches) -> anyhow::Result<Option<Fault>> {
    let story = plan::draw(seed, switches);
    let first = play(&story, seed)?;
    if check == TWICE {
        let second = play(&story, seed)?;
        let differ = first.trace != second.trace;
        let text = format!("{:016x} and {:016x}", first.trace, second.trace);
        return Ok(differ.then(|| Fault::new(TWICE, "two runs differ", text)));
    }
    tell_others(check, seed, &first, switches);
    let mut faults = first.faults.into_iter();

    Ok(faults.find(|fault| is_it(check, fault) && !switches.forgive(fault)))
}

/// Whether a fault is what is looked for: by its check, or by check and shape.
fn is_it(wanted: &str, fault: &Fault) -> bool {
    let (check, shape) = wanted.split_once(' ').unwrap_or((wanted, ""));

    fault.check == check && (shape.is_empty() || fault.shape == shape)
}

/// Tells what other checks find: one of them may know the fault better.
fn tell_others(check: &str, seed: u64, outcome: &Outcome, switches: Switches) {
    for fault in &outcome.faults {
        if !is_it(check, fault) && !switches.forgive(fault) {
            say(&format!("    seed {seed}, beside it: {fault}"));
        }
    }
}
