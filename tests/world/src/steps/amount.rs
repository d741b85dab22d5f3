//! What somebody does with an amount: `Ada deposits 5.00`, `Ada withdraws 5.00`, `Ada asks for 5.00`.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use wallet::{Mode, RequestOrder};

use super::{Kind, Step};
use crate::money::Money;
use crate::person::{Device, Person};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const DEPOSIT: Kind = Kind {
    weight: 2,
    draw: |dice| draw(dice, Verb::Deposits),
    read: |line| read(line, Verb::Deposits),
};

pub(super) const WITHDRAWAL: Kind = Kind {
    weight: 2,
    draw: |dice| draw(dice, Verb::Withdraws),
    read: |line| read(line, Verb::Withdraws),
};

pub(super) const REQUEST: Kind = Kind {
    weight: 1,
    draw: |dice| draw(dice, Verb::AsksFor),
    read: |line| read(line, Verb::AsksFor),
};

struct Amount {
    who: &'static str,
    verb: Verb,
    money: Money,
}

#[derive(Clone, Copy)]
enum Verb {
    Deposits,
    Withdraws,
    AsksFor,
}

impl Verb {
    const fn words(self) -> &'static str {
        match self {
            Self::Deposits => "deposits",
            Self::Withdraws => "withdraws",
            Self::AsksFor => "asks for",
        }
    }
}

fn draw(dice: &mut Rng, verb: Verb) -> Rc<dyn Step> {
    Rc::new(Amount {
        who: match verb {
            Verb::Deposits | Verb::Withdraws => super::draw_holder(dice),
            Verb::AsksFor => super::draw_person(dice),
        },
        verb,
        money: super::draw_money(dice),
    })
}

fn read(line: &str, verb: Verb) -> Option<Rc<dyn Step>> {
    let words = scan(&format!("{{}} {} {{}}", verb.words()), line)?;
    let [who, money] = words.as_slice() else {
        return None;
    };

    Some(Rc::new(Amount {
        who: super::read_person(who)?,
        verb,
        money: Money::read(money)?,
    }))
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.who, self.verb.words(), self.money)
    }
}

impl Step for Amount {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some((person, device)) = town.device(self.who) else {
                return Ok("the device is off".to_owned());
            };
            let came = match self.verb {
                Verb::Deposits => self.deposit(town, person, &device).await,
                Verb::Withdraws => self.withdraw(town, person, &device).await,
                Verb::AsksFor => self.ask(town, person, &device).await,
            };

            Ok(came.unwrap_or_else(|why| format!("refused: {why}")))
        }
        .boxed_local()
    }

    fn simpler(&self) -> Vec<Rc<dyn Step>> {
        super::rounder(self.money)
            .map(|money| -> Rc<dyn Step> { Rc::new(Self { money, ..*self }) })
            .collect()
    }
}

impl Amount {
    async fn deposit(&self, town: &Town, by: &Person, device: &Device) -> Result<String, String> {
        let depositing = device.sync.deposit(self.money.amount());
        let deposited = town.world.at(by.node, depositing).await;
        let deposited = deposited.map_err(|error| error.to_string())?;

        Ok(match deposited.pending {
            Some(why) => format!("no answer yet: {why}"),
            None => "answered".to_owned(),
        })
    }

    async fn withdraw(&self, town: &Town, by: &Person, device: &Device) -> Result<String, String> {
        let withdrawing = device.sync.withdraw(Some(self.money.amount()));
        let withdrawn = town.world.at(by.node, withdrawing).await;
        let withdrawn = withdrawn.map_err(|error| error.to_string())?;

        Ok(match withdrawn.pending {
            Some(why) => format!("no answer yet: {why}"),
            None => "acknowledged".to_owned(),
        })
    }

    async fn ask(&self, town: &Town, by: &Person, device: &Device) -> Result<String, String> {
        let order = RequestOrder {
            amount: self.money.amount(),
            memo: "bread".to_owned(),
            validity: None,
            mode: Mode::Announced,
            replaces: None,
            refund_of: None,
        };
        let opening = device.wallet.open_request(order);
        let opened = town.world.at(by.node, opening).await;
        let _shown_by_checks = opened.map_err(|error| error.to_string())?;

        Ok("open".to_owned())
    }
}
