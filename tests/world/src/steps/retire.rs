//! `Ada retires her TA`: it signs its last statement, and what it held goes into the account.

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
        Rc::new(Retire {
            who: super::draw_holder(dice),
        })
    },
    read: |line| {
        let words = scan("{} retires the TA", line)?;
        let who = super::read_person(words.first()?)?;

        Some(Rc::new(Retire { who }))
    },
};

struct Retire {
    who: &'static str,
}

impl fmt::Display for Retire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} retires the TA", self.who)
    }
}

impl Step for Retire {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some((person, device)) = town.device(self.who) else {
                return Ok("the device is off".to_owned());
            };
            let ended = town.world.at(person.node, device.sync.retire()).await;
            town.count("ends of TAs");

            Ok(match ended {
                Ok(ended) => match ended.pending {
                    Some(why) => format!("no answer yet: {why}"),
                    None => "booked".to_owned(),
                },
                Err(error) => format!("refused: {error}"),
            })
        }
        .boxed_local()
    }
}
