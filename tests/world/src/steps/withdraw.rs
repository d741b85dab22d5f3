//! `Ada withdraws 6.92`: from the device into the account.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::money::Money;
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const KIND: Kind = Kind {
    weight: 2,
    draw: |dice| {
        Rc::new(Withdrawal {
            who: super::draw_holder(dice),
            money: super::draw_money(dice),
        })
    },
    read: |line| {
        let words = scan("{} withdraws {}", line)?;
        let [who, money] = words.as_slice() else {
            return None;
        };

        Some(Rc::new(Withdrawal {
            who: super::read_person(who)?,
            money: Money::read(money)?,
        }))
    },
};

struct Withdrawal {
    who: &'static str,
    money: Money,
}

impl fmt::Display for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} withdraws {}", self.who, self.money)
    }
}

impl Step for Withdrawal {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some((person, device)) = town.device(self.who) else {
                return Ok("the device is off".to_owned());
            };
            let withdrawing = device.sync.withdraw(Some(self.money.amount()));

            Ok(match town.world.at(person.node, withdrawing).await {
                Ok(withdrawn) => match withdrawn.pending {
                    Some(why) => format!("no answer yet: {why}"),
                    None => "acknowledged".to_owned(),
                },
                Err(error) => format!("refused: {error}"),
            })
        }
        .boxed_local()
    }

    fn simpler(&self) -> Vec<Rc<dyn Step>> {
        super::rounder(self.money)
            .map(|money| -> Rc<dyn Step> { Rc::new(Self { money, ..*self }) })
            .collect()
    }
}
