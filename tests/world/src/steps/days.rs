//! `60 days pass, everything off`: certificates end and claim windows close.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        Rc::new(Days {
            days: match dice.below(3) {
                0 => 1,
                1 => 20,
                _ => 60,
            },
        })
    },
    read: |line| {
        let days = u32::try_from(passed(line)?).ok()?;

        Some(Rc::new(Days { days }))
    },
};

/// How many days pass in a line.
pub(crate) fn passed(line: &str) -> Option<u64> {
    let words = scan("{} days pass, everything off", line)?;

    words.first()?.parse().ok()
}

struct Days {
    days: u32,
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} days pass, everything off", self.days)
    }
}

impl Step for Days {
    fn longest(&self) -> Duration {
        DAY.saturating_mul(self.days.saturating_add(1))
    }

    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            for person in &town.people {
                person.kill(&town.world);
            }
            town.bank.kill(&town.world)?;
            town.wait(DAY.saturating_mul(self.days)).await;
            town.start_all().await?;

            Ok(String::new())
        }
        .boxed_local()
    }
}
