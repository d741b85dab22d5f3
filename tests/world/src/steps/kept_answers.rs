//! `Ada's answers to withdrawals get lost for 10 minutes`: what she sends arrives, what is answered does not.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

/// What is answered, and where.
const ANSWERS: [(&str, &str); 6] = [
    ("deposits", "/v1/deposits"),
    ("withdrawals", "/v1/withdrawals"),
    ("claims", "/v1/claims"),
    ("reports", "/v1/reports"),
    ("statuses", "/v1/statuses"),
    ("retirements", "/v1/retirements"),
];

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        let index = dice.index(ANSWERS.len());

        Rc::new(LostAnswers {
            who: super::draw_person(dice),
            to: ANSWERS.get(index).map_or("deposits", |(to, _)| to),
            minutes: dice.between(1, 30),
        })
    },
    read: |line| {
        let words = scan("{}'s answers to {} get lost for {} minutes", line)?;
        let [who, to, minutes] = words.as_slice() else {
            return None;
        };
        let (to, _) = ANSWERS.iter().find(|(known, _)| known == to)?;

        Some(Rc::new(LostAnswers {
            who: super::read_person(who)?,
            to,
            minutes: minutes.parse().ok()?,
        }))
    },
};

struct LostAnswers {
    who: &'static str,
    to: &'static str,
    minutes: u64,
}

impl fmt::Display for LostAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, to, minutes } = self;

        write!(f, "{who}'s answers to {to} get lost for {minutes} minutes")
    }
}

impl Step for LostAnswers {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let path = ANSWERS.iter().find(|(to, _)| *to == self.to);
            let (Some(person), Some((_, path))) = (town.person(self.who), path) else {
                return Ok(String::new());
            };
            let node = person.node;
            town.world.net.keep_answers(node, path, true);
            town.count("answers kept back");
            let after = Duration::from_secs(self.minutes.saturating_mul(60));
            town.world.later(after, move |world| {
                world.net.keep_answers(node, path, false);
            });

            Ok(String::new())
        }
        .boxed_local()
    }
}
