//! `the server's disk refuses for 300 ms`, `Ada's disk refuses for 300 ms`: what is to be durable is not;
//! `the server's disk refuses once`: the next commit alone.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use host::world::Refusals;

use super::{Kind, Step};
use crate::bank::SERVER;
use crate::executor::Node;
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        let is_of_device = dice.chance(500);

        Rc::new(Disk {
            of: is_of_device.then(|| super::draw_person(dice)),
            how_long: if dice.chance(500) {
                HowLong::Once
            } else {
                HowLong::Ms(dice.between(10, 5_000))
            },
        })
    },
    read: |line| {
        let (whose, how_long) = line.split_once("'s disk refuses ")?;
        let of = match whose {
            "the server" => None,
            who => Some(super::read_person(who)?),
        };
        let how_long = match how_long {
            "once" => HowLong::Once,
            time => HowLong::Ms(scan("for {} ms", time)?.first()?.parse().ok()?),
        };

        Some(Rc::new(Disk { of, how_long }))
    },
};

#[derive(Clone, Copy)]
enum HowLong {
    Once,
    Ms(u64),
}

struct Disk {
    /// The server's, if nobody's.
    of: Option<&'static str>,
    how_long: HowLong,
}

impl Disk {
    fn node(&self, town: &Town) -> Node {
        let person = self.of.and_then(|who| town.person(who));

        person.map_or(SERVER, |person| person.node)
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.of.unwrap_or("the server");

        match self.how_long {
            HowLong::Once => write!(f, "{who}'s disk refuses once"),
            HowLong::Ms(ms) => write!(f, "{who}'s disk refuses for {ms} ms"),
        }
    }
}

impl Step for Disk {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let node = self.node(town);
            town.count("disks that refuse");
            let disk = town.world.disk(node);
            match self.how_long {
                HowLong::Once => disk.set(1),
                HowLong::Ms(ms) => {
                    disk.set(Refusals::ALL);
                    let after = Duration::from_millis(ms);
                    town.world.later(after, move |_| disk.set(0));
                }
            }

            Ok(String::new())
        }
        .boxed_local()
    }
}
