//! `Ada keeps back what a new life should be told`; `Ada reports the TA dead that was retired`: an owner who
//! tells the server whatever is worth more to them.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use ops_proto::message::ReportDeath;

use super::{Kind, Step};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

/// Where a device tells what earlier lives answered.
const REMEMBERED: &str = "/v1/remembered";

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        Rc::new(Owner {
            who: super::draw_holder(dice),
            what: if dice.chance(500) {
                What::KeepsBack
            } else {
                What::ReportsDead
            },
        })
    },
    read: |line| {
        let (words, what) = match scan("{} keeps back what a new life should be told", line) {
            Some(words) => (words, What::KeepsBack),
            None => {
                let words = scan("{} reports the TA dead that was retired", line)?;
                (words, What::ReportsDead)
            }
        };
        let who = super::read_person(words.first()?)?;

        Some(Rc::new(Owner { who, what }))
    },
};

/// Whether in a line an owner keeps back what a new life should be told.
pub(crate) fn keeps_history(line: &str) -> bool {
    line.ends_with(" keeps back what a new life should be told")
}

struct Owner {
    who: &'static str,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    KeepsBack,
    ReportsDead,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::KeepsBack => write!(f, "{} keeps back what a new life should be told", self.who),
            What::ReportsDead => write!(f, "{} reports the TA dead that was retired", self.who),
        }
    }
}

impl Step for Owner {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some((person, device)) = town.device(self.who) else {
                return Ok("the device is off".to_owned());
            };
            match self.what {
                What::KeepsBack => {
                    town.world.net.keep_requests(person.node, REMEMBERED, true);

                    Ok(String::new())
                }
                What::ReportsDead => {
                    let ended = device.wallet.journal().view(|book| {
                        let last = book.ended().last();
                        last.map(|ended| ended.key)
                    });
                    let Some(ta) = ended else {
                        return Ok("none was retired".to_owned());
                    };
                    let identity = device.wallet.identity();
                    let client = identity.public_key();
                    let asking = town.ask(person, "/v1/challenge", client.0.to_vec());
                    let Ok(challenge) = <[u8; 32]>::try_from(asking.await.1) else {
                        return Ok("no challenge".to_owned());
                    };
                    let report = identity.sign(ReportDeath {
                        client,
                        ta,
                        challenge,
                    });
                    let (status, _) = town.ask(person, "/v1/deaths", report.to_wire()).await;

                    Ok(format!("answered {status}"))
                }
            }
        }
        .boxed_local()
    }
}
