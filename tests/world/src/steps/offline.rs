//! `Ada is offline for 10 minutes`: her device reaches no server meanwhile.

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
        Rc::new(Offline {
            who: super::draw_person(dice),
            minutes: dice.between(1, 15),
        })
    },
    read: |line| {
        let words = scan("{} is offline for {} minutes", line)?;
        let [who, minutes] = words.as_slice() else {
            return None;
        };

        Some(Rc::new(Offline {
            who: super::read_person(who)?,
            minutes: minutes.parse().ok()?,
        }))
    },
};

struct Offline {
    who: &'static str,
    minutes: u64,
}

impl fmt::Display for Offline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is offline for {} minutes", self.who, self.minutes)
    }
}

impl Step for Offline {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some(person) = town.person(self.who) else {
                return Ok(String::new());
            };
            let seconds = self.minutes.saturating_mul(60);
            let node = person.node;
            town.world.net.set_cut_off(node, true);
            town.count("partitions");
            town.world
                .later(Duration::from_secs(seconds), move |world| {
                    world.net.set_cut_off(node, false);
                });

            Ok(String::new())
        }
        .boxed_local()
    }
}
