//! `Ada cancels what is open`: none of her requests is to be paid any more.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use journal::book::RequestShown;

use super::{Kind, Step};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        Rc::new(Cancel {
            who: super::draw_person(dice),
        })
    },
    read: |line| {
        let words = scan("{} cancels what is open", line)?;
        let who = super::read_person(words.first()?)?;

        Some(Rc::new(Cancel { who }))
    },
};

struct Cancel {
    who: &'static str,
}

impl fmt::Display for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cancels what is open", self.who)
    }
}

impl Step for Cancel {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let Some((person, device)) = town.device(self.who) else {
                return Ok("the device is off".to_owned());
            };
            let requests = town
                .world
                .at_once(person.node, || device.wallet.requests(usize::MAX));
            let open = requests
                .into_iter()
                .filter(|it| it.shown == RequestShown::Open);
            let mut cancelled = 0_u32;
            for request in open {
                let cancelling = device.wallet.cancel_request(request.request_id);
                if let Err(why) = town.world.at(person.node, cancelling).await {
                    return Ok(format!("refused: {why}"));
                }
                cancelled = cancelled.saturating_add(1);
            }

            Ok(format!("{cancelled} cancelled"))
        }
        .boxed_local()
    }
}
