//! `everybody is off for 50 minutes`: no device runs, and none is started again before something needs it.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const KIND: Kind = Kind {
    // for stories only: nobody does anything afterwards, until all is at rest
    weight: 0,
    draw: |dice| {
        Rc::new(Off {
            minutes: dice.between(1, 50),
        })
    },
    read: |line| {
        let words = scan("everybody is off for {} minutes", line)?;
        let minutes = words.first()?.parse().ok()?;

        Some(Rc::new(Off { minutes }))
    },
};

struct Off {
    minutes: u64,
}

impl fmt::Display for Off {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "everybody is off for {} minutes", self.minutes)
    }
}

impl Step for Off {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            for person in &town.people {
                person.kill(&town.world);
            }
            let seconds = self.minutes.saturating_mul(60);
            town.wait(Duration::from_secs(seconds)).await;

            Ok(String::new())
        }
        .boxed_local()
    }
}
