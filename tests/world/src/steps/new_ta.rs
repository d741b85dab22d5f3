//! `Ada gets a new TA`, in place of one that has ended; `Ada's TA breaks and is reported dead`.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::person::Person;
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        Rc::new(NewTa {
            who: super::draw_holder(dice),
            breaks: dice.chance(400),
        })
    },
    read: |line| {
        let (words, breaks) = match scan("{} gets a new TA", line) {
            Some(words) => (words, false),
            None => (scan("{}'s TA breaks and is reported dead", line)?, true),
        };
        let who = super::read_person(words.first()?)?;

        Some(Rc::new(NewTa { who, breaks }))
    },
};

struct NewTa {
    who: &'static str,
    /// The old one breaks; else it must have ended.
    breaks: bool,
}

impl fmt::Display for NewTa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.breaks {
            return write!(f, "{}'s TA breaks and is reported dead", self.who);
        }

        write!(f, "{} gets a new TA", self.who)
    }
}

impl Step for NewTa {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some((person, device)) = town.device(self.who) else {
                return Ok("the device is off".to_owned());
            };
            let old = device.wallet.journal().view(|book| {
                let key = book.ta().map(|ta| ta.key);
                key.filter(|key| !book.is_ended(key))
            });
            match (old, self.breaks) {
                (Some(_), false) => return Ok("the old one works".to_owned()),
                (None, true) => return Ok("there is none".to_owned()),
                (None, false) => {
                    drop(device);
                    exchange(town, person).await?;
                }
                (Some(old), true) => {
                    drop(device);
                    exchange(town, person).await?;
                    let Some(device) = person.device() else {
                        return Ok("the device is off".to_owned());
                    };
                    let recovering = device.sync.recover(old);
                    town.count("ends of TAs");
                    if let Err(error) = town.world.at(person.node, recovering).await {
                        return Ok(format!("not reported: {error}"));
                    }
                }
            }
            let troubles = town.sync(person).await.unwrap_or_default();

            Ok(troubles.join("; "))
        }
        .boxed_local()
    }
}

async fn exchange(town: &Town, person: &Person) -> anyhow::Result<()> {
    person.kill(&town.world);
    person.replace_ta();

    person.start(&town.world, &town.air).await
}
