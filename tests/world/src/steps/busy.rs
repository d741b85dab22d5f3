//! `Ada pays Bob 16 times 0.10`: a busy till, which still shows what it was paid.

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
    weight: 1,
    draw: |dice| {
        let payer = super::draw_holder(dice);

        Rc::new(Busy {
            payer,
            payee: super::draw_other(dice, payer),
            times: dice.between(2, 18),
            money: Money(dice.between(1, 20)),
        })
    },
    read: |line| {
        let words = scan("{} pays {} {} times {}", line)?;
        let [payer, payee, times, money] = words.as_slice() else {
            return None;
        };

        Some(Rc::new(Busy {
            payer: super::read_person(payer)?,
            payee: super::read_person(payee)?,
            times: times.parse().ok()?,
            money: Money::read(money)?,
        }))
    },
};

struct Busy {
    payer: &'static str,
    payee: &'static str,
    times: u64,
    money: Money,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            payer,
            payee,
            times,
            money,
        } = self;

        write!(f, "{payer} pays {payee} {times} times {money}")
    }
}

impl Step for Busy {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let mut paid = 0_u64;
            for _ in 0..self.times {
                let outcome = super::pay::pay_once(town, self.payer, self.payee, self.money).await;
                if outcome == "paid" {
                    paid = paid.saturating_add(1);
                }
            }

            Ok(format!("{paid} paid"))
        }
        .boxed_local()
    }
}
