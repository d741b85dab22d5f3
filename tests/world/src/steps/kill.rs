//! `Ada's device is killed`: it starts again at once, from its disk.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        Rc::new(Kill {
            who: super::draw_person(dice),
        })
    },
    read: |line| {
        let words = scan("{}'s device is killed", line)?;
        let who = super::read_person(words.first()?)?;

        Some(Rc::new(Kill { who }))
    },
};

struct Kill {
    who: &'static str,
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}'s device is killed", self.who)
    }
}

impl Step for Kill {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some(person) = town.person(self.who) else {
                return Ok(String::new());
            };
            person.kill(&town.world);
            person.start(&town.world, &town.air).await?;
            town.count("kills");

            Ok(String::new())
        }
        .boxed_local()
    }
}
