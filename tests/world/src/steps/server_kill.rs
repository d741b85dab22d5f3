//! `the server is killed`: it starts again at once, from its disk; `…, its disk refuses once`: the first commit of the
//! new process.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::bank::SERVER;
use crate::rng::Rng;
use crate::town::Town;
use crate::words::split_trouble;

const LINE: &str = "the server is killed";
const REFUSES: &str = "its disk refuses once";

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        Rc::new(ServerKill {
            refusals: u64::from(dice.chance(300)),
        })
    },
    read: |line| match split_trouble(line) {
        (LINE, None) => Some(Rc::new(ServerKill { refusals: 0 })),
        (LINE, Some(REFUSES)) => Some(Rc::new(ServerKill { refusals: 1 })),
        (_, _) => None,
    },
};

struct ServerKill {
    /// How many commits its disk refuses.
    refusals: u64,
}

impl fmt::Display for ServerKill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LINE)?;
        if self.refusals > 0 {
            write!(f, ", {REFUSES}")?;
        }

        Ok(())
    }
}

impl Step for ServerKill {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            town.bank.kill(&town.world)?;
            town.world.disk(SERVER).set(self.refusals);
            town.bank.start(&town.world).await?;
            town.count("kills");

            Ok(String::new())
        }
        .boxed_local()
    }
}
