//! `Ada syncs`: the device meets its provider.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const KIND: Kind = Kind {
    weight: 2,
    draw: |dice| {
        Rc::new(Sync {
            who: super::draw_person(dice),
        })
    },
    read: |line| {
        let words = scan("{} syncs", line)?;
        let who = super::read_person(words.first()?)?;

        Some(Rc::new(Sync { who }))
    },
};

struct Sync {
    who: &'static str,
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} syncs", self.who)
    }
}

impl Step for Sync {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some((person, _)) = town.device(self.who) else {
                return Ok("the device is off".to_owned());
            };
            let troubles = town.sync(person).await.unwrap_or_default();
            if troubles.is_empty() {
                return Ok("all succeeded".to_owned());
            }

            Ok(troubles.join("; "))
        }
        .boxed_local()
    }
}
