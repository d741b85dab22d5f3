//! Draws the story of a seed, all of it before it is played.

use crate::conditions::Conditions;
use crate::marks::Switches;
use crate::rng::Rng;
use crate::steps::KINDS;
use crate::story::{Numbered, Story};

/// How many steps a story has.
const STEPS: u64 = 60;

/// Draws a story. Each step has dice of its own, so that leaving one out changes no other.
pub(crate) fn draw(seed: u64, switches: Switches) -> Story {
    let mut dice = Rng::for_purpose(seed, 10);
    let conditions = Conditions::draw(&mut dice);
    // Each story has its own liking for each kind, and leaves some out.
    let weights: Vec<u64> = KINDS
        .iter()
        .map(|kind| match dice.below(4) {
            0 => 0,
            1 => kind.weight.saturating_mul(3),
            _ => kind.weight,
        })
        .collect();
    let mut story = Story {
        conditions,
        steps: Vec::new(),
    };
    for number in 0..STEPS {
        let mut dice = Rng::for_purpose(seed, number.saturating_add(1_000));
        let Some(kind) = pick(&mut dice, &weights) else {
            continue;
        };
        let step = (kind.draw)(&mut dice);
        story.steps.push(Numbered { number, step });
        if !switches.allow(&story) {
            let _kept_from = story.steps.pop();
        }
    }

    story
}

fn pick(dice: &mut Rng, weights: &[u64]) -> Option<&'static crate::steps::Kind> {
    let mut drawn = dice.below(weights.iter().sum());
    for (kind, weight) in KINDS.iter().zip(weights) {
        if drawn < *weight {
            return Some(kind);
        }
        drawn = drawn.saturating_sub(*weight);
    }

    None
}
