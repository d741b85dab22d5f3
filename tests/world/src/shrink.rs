//! Makes a story short: leaves out steps, then kinds of trouble, then what makes a step particular, as long as
//! the same check finds the same shape.
//!
//! Leaving out a step shifts all later times, so a fault that depends on a moment may vanish. Therefore each
//! candidate is played under several schedules, and the last steps alone are tried first.

use crate::fault::Fault;
use crate::marks::Switches;
use crate::play::play;
use crate::story::{Numbered, Story};

/// How often a story is played to make it short.
const RUNS_MAX: u32 = 200;

/// Under how many schedules a candidate is played, and those that are tried first.
const SCHEDULES: u64 = 3;
const SCHEDULES_OF_ENDS: u64 = 12;

/// How many of the last steps are tried alone.
const ENDS: [usize; 4] = [1, 2, 4, 8];

/// A short story.
pub(crate) struct Short {
    pub(crate) story: Story,
    /// The schedule that shows it.
    pub(crate) schedule: u64,
    /// How often it was played.
    pub(crate) runs: u32,
}

/// Makes a story short that shows `fault` under the schedule.
pub(crate) fn shrink(story: &Story, schedule: u64, fault: &Fault, switches: Switches) -> Short {
    let mut shrinker = Shrinker {
        schedule,
        fault,
        switches,
        runs: 0,
    };
    let mut story = shrinker.take_an_end(story).unwrap_or_else(|| story.clone());
    loop {
        let before = story.to_string();
        shrinker.leave_out_steps(&mut story);
        shrinker.leave_out_troubles(&mut story);
        shrinker.simplify_steps(&mut story);
        if story.to_string() == before || shrinker.runs >= RUNS_MAX {
            break;
        }
    }

    Short {
        story,
        schedule: shrinker.schedule,
        runs: shrinker.runs,
    }
}

struct Shrinker<'f> {
    schedule: u64,
    fault: &'f Fault,
    switches: Switches,
    runs: u32,
}

impl Shrinker<'_> {
    /// Whether a story still shows the fault; its schedule is the one from here on.
    fn shows(&mut self, story: &Story) -> bool {
        self.shows_in(story, SCHEDULES)
    }

    fn shows_in(&mut self, story: &Story, schedules: u64) -> bool {
        if !self.switches.allow(story) {
            return false;
        }
        for further in 0..schedules {
            if self.runs >= RUNS_MAX {
                return false;
            }
            self.runs = self.runs.saturating_add(1);
            let schedule = self.schedule.wrapping_add(further);
            let shown = play(story, schedule).is_ok_and(|outcome| {
                let mut faults = outcome.faults.iter();
                faults.any(|fault| fault.class() == self.fault.class())
            });
            if shown {
                self.schedule = schedule;
                return true;
            }
        }

        false
    }

    /// Tries the last steps alone.
    fn take_an_end(&mut self, story: &Story) -> Option<Story> {
        for many in ENDS {
            let from = story.steps.len().checked_sub(many)?;
            let end = Story {
                steps: story.steps.get(from..).unwrap_or_default().to_vec(),
                ..story.clone()
            };
            if self.shows_in(&end, SCHEDULES_OF_ENDS) {
                return Some(end);
            }
        }

        None
    }

    /// Leaves out halves, quarters, and at last single steps.
    fn leave_out_steps(&mut self, story: &mut Story) {
        let mut size = story.steps.len().div_euclid(2).max(1);
        loop {
            let mut from = 0_usize;
            let mut is_shorter = false;
            while from < story.steps.len() {
                let to = from.saturating_add(size).min(story.steps.len());
                let mut shorter = story.clone();
                drop(shorter.steps.drain(from..to));
                if self.shows(&shorter) {
                    *story = shorter;
                    is_shorter = true;
                } else {
                    from = to;
                }
            }
            match (size, is_shorter) {
                (1, false) => return,
                (1, true) => {}
                (_, _) => size = size.div_euclid(2),
            }
            if self.runs >= RUNS_MAX {
                return;
            }
        }
    }

    fn leave_out_troubles(&mut self, story: &mut Story) {
        while let Some(calmer) = story
            .conditions
            .simpler()
            .into_iter()
            .find_map(|conditions| {
                let calmer = Story {
                    conditions,
                    ..story.clone()
                };
                self.shows(&calmer).then_some(calmer)
            })
        {
            *story = calmer;
        }
    }

    fn simplify_steps(&mut self, story: &mut Story) {
        for index in 0..story.steps.len() {
            let Some(old) = story.steps.get(index).cloned() else {
                return;
            };
            for step in old.step.simpler() {
                let mut simpler = story.clone();
                if let Some(place) = simpler.steps.get_mut(index) {
                    *place = Numbered {
                        number: old.number,
                        step,
                    };
                }
                if self.shows(&simpler) {
                    *story = simpler;
                    break;
                }
            }
        }
    }
}
