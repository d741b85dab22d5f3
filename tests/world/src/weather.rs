//! The air between devices, as dice and orders of the story make it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use radio::memory::{Fate, Place, Reach, Weather};

use crate::rng::Rng;

/// How the air is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AirConditions {
    /// Of a thousand links, how many break by themselves within half a second.
    pub(crate) links_break: u64,
    /// Of a thousand frames, how many vanish.
    pub(crate) frames_lost: u64,
    /// Of a thousand frames, how many arrive twice.
    pub(crate) frames_twice: u64,
    /// Of a thousand links, how many have the smallest MTU.
    pub(crate) links_small: u64,
}

/// The air of a world.
#[derive(Debug)]
pub(crate) struct Air {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: Rng,
    conditions: AirConditions,
    /// When the next link breaks, at the story's wish.
    next_breaks: Option<Duration>,
}

const MTU_SMALL: usize = 23;
const MTU_LARGE: usize = 517;

impl Air {
    pub(crate) const fn new(dice: Rng) -> Self {
        Self {
            state: Mutex::new(State {
                dice,
                conditions: AirConditions {
                    links_break: 0,
                    frames_lost: 0,
                    frames_twice: 0,
                    links_small: 0,
                },
                next_breaks: None,
            }),
        }
    }

    pub(crate) fn set_conditions(&self, conditions: AirConditions) {
        self.state().conditions = conditions;
    }

    /// Breaks the next link that comes about, so long after.
    pub(crate) fn break_next(&self, after: Option<Duration>) {
        self.state().next_breaks = after;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Weather for Air {
    fn hears(&self, listener: Place, sender: Place) -> bool {
        listener != sender
    }

    fn connects(&self, central: Place, peripheral: Place) -> Option<Reach> {
        let mut state = self.state();
        if central == peripheral {
            return None;
        }
        let conditions = state.conditions;
        let after = Duration::from_millis(state.dice.between(0, 40));
        let is_small = state.dice.chance(conditions.links_small);
        let breaks = state.dice.chance(conditions.links_break);
        let breaks_after = Duration::from_millis(state.dice.between(0, 500));
        let wished = state.next_breaks.take();

        Some(Reach {
            after,
            mtu: if is_small { MTU_SMALL } else { MTU_LARGE },
            breaks_after: wished.or_else(|| breaks.then_some(breaks_after)),
        })
    }

    fn frame(&self, _from: Place, _to: Place) -> Fate {
        let mut state = self.state();
        let conditions = state.conditions;
        let after = Duration::from_millis(state.dice.between(0, 15));
        if state.dice.chance(conditions.frames_lost) {
            return Fate::Vanishes;
        }
        if state.dice.chance(conditions.frames_twice) {
            return Fate::ArrivesTwice(after);
        }

        Fate::Arrives(after)
    }
}
