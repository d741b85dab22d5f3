//! `Ada's clock jumps 400 days`, ahead or (with `-`) back; `Ada's clock is right`.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// How long a clock is wrong at least: long enough for every loop that reads it to see it.
const LOOK: Duration = Duration::from_secs(5);

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        let days = match dice.below(8) {
            0 => 400,
            1 => 2,
            2 => -2,
            3 => -20_000,
            _ => 0,
        };

        Rc::new(Clock {
            who: super::draw_person(dice),
            days,
        })
    },
    read: |line| {
        if let Some(words) = scan("{}'s clock is right", line) {
            let who = super::read_person(words.first()?)?;
            return Some(Rc::new(Clock { who, days: 0 }));
        }
        let words = scan("{}'s clock jumps {} days", line)?;
        let [who, days] = words.as_slice() else {
            return None;
        };

        Some(Rc::new(Clock {
            who: super::read_person(who)?,
            days: days.parse().ok()?,
        }))
    },
};

/// Whether a line sets a clock wrong.
pub(crate) fn is_wrong(line: &str) -> bool {
    line.contains("'s clock jumps ")
}

struct Clock {
    who: &'static str,
    days: i64,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.days {
            0 => write!(f, "{}'s clock is right", self.who),
            days => write!(f, "{}'s clock jumps {days} days", self.who),
        }
    }
}

impl Step for Clock {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some(person) = town.person(self.who) else {
                return Ok(String::new());
            };
            let ahead_ms = self.days.saturating_mul(DAY_MS);
            town.world.set_clock(person.node, ahead_ms);
            town.count("clock jumps");
            town.wait(LOOK).await;

            Ok(String::new())
        }
        .boxed_local()
    }
}
