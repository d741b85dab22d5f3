//! The scenarios: each is one promise about two boards.

mod echo;

use clap::ValueEnum;
use serde_json::Value;

use crate::bench::Bench;
use crate::failure::Outcome;

/// A scenario by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// The bench itself.
    Echo,
}

/// What a scenario that passed has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// For programs.
    pub(crate) facts: Value,
    /// For people.
    pub(crate) lines: Vec<String>,
}

impl Scenario {
    /// All scenarios, in the order in which they run.
    pub(crate) const ALL: [Self; 1] = [Self::Echo];

    /// Returns the name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
        }
    }

    /// Returns the promise in one line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Echo => "the bench itself: a bare echo between the boards, without the product",
        }
    }

    /// Plays the scenario.
    pub(crate) fn run(self, bench: &mut Bench) -> Outcome<Found> {
        match self {
            Self::Echo => echo::run(bench),
        }
    }
}
