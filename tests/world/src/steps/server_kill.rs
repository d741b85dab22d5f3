//! `the server is killed`: it starts again at once, from its disk; `…, its disk refuses commit 3`: the third
//! commit of the new process.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::bank::SERVER;
use crate::rng::Rng;
use crate::town::Town;
use crate::words::{scan, split_trouble};

const LINE: &str = "the server is killed";
const REFUSES: &str = "its disk refuses commit {}";

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        Rc::new(ServerKill {
            refused: dice.chance(300).then(|| dice.between(1, 12)),
        })
    },
    read: |line| {
        let refused = match split_trouble(line) {
            (LINE, None) => None,
            (LINE, Some(trouble)) => Some(scan(REFUSES, trouble)?.first()?.parse().ok()?),
            (_, _) => return None,
        };

        Some(Rc::new(ServerKill { refused }))
    },
};

struct ServerKill {
    /// Which of its commits the disk refuses, counted from one.
    refused: Option<u64>,
}

impl fmt::Display for ServerKill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refused {
            None => f.write_str(LINE),
            Some(commit) => write!(f, "{LINE}, its disk refuses commit {commit}"),
        }
    }
}

impl Step for ServerKill {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            town.bank.kill(&town.world)?;
            let disk = town.world.disk(SERVER);
            match self.refused {
                None => disk.set(0),
                Some(commit) => disk.set_one(commit.saturating_sub(1)),
            }
            match (town.bank.start(&town.world).await, self.refused) {
                (Ok(()), _) => {}
                // as systemd does: the disk works again
                (Err(_refused), Some(_)) => town.bank.start(&town.world).await?,
                (Err(error), None) => return Err(error),
            }
            town.count("kills");

            Ok(String::new())
        }
        .boxed_local()
    }
}
