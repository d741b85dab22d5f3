//! `Bob asks for 5.22`: a request that stays open until somebody pays it, or its day is over.

use std::fmt;
use std::rc::Rc;

use blepayd::wallet::{Mode, OpenRequest};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::money::Money;
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        Rc::new(Ask {
            who: super::draw_person(dice),
            money: super::draw_money(dice),
        })
    },
    read: |line| {
        let words = scan("{} asks for {}", line)?;
        let [who, money] = words.as_slice() else {
            return None;
        };

        Some(Rc::new(Ask {
            who: super::read_person(who)?,
            money: Money::read(money)?,
        }))
    },
};

struct Ask {
    who: &'static str,
    money: Money,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asks for {}", self.who, self.money)
    }
}

impl Step for Ask {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some((person, device)) = town.device(self.who) else {
                return Ok("the device is off".to_owned());
            };
            let order = OpenRequest {
                amount: self.money.amount(),
                memo: "bread".to_owned(),
                validity: None,
                mode: Mode::Announced,
                replaces: None,
                refund_of: None,
            };
            let opened = town
                .world
                .at(person.node, device.wallet.open_request(order))
                .await;

            Ok(match opened {
                Ok(_) => "open".to_owned(),
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
