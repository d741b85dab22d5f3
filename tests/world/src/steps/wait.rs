//! `20 minutes pass`.

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
    weight: 1,
    draw: |dice| {
        Rc::new(Wait {
            minutes: dice.between(1, 30),
        })
    },
    read: |line| {
        let words = scan("{} minutes pass", line)?;
        let minutes = words.first()?.parse().ok()?;

        Some(Rc::new(Wait { minutes }))
    },
};

struct Wait {
    minutes: u64,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} minutes pass", self.minutes)
    }
}

impl Step for Wait {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let seconds = self.minutes.saturating_mul(60);
            town.wait(Duration::from_secs(seconds)).await;

            Ok(String::new())
        }
        .boxed_local()
    }
}
