//! `Bob refunds Ada`: Ada asks for all of the last payment to Bob back that she made, and Bob pays it.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use ops_proto::Digest;
use wallet::{Asks, Mode, RefundOrder, Target};

use super::{Kind, Step, pay};
use crate::person::Device;
use crate::rng::Rng;
use crate::town::Town;
use crate::words::scan;

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        let by = super::draw_holder(dice);

        Rc::new(Refund {
            by,
            to: super::draw_other(dice, by),
        })
    },
    read: |line| {
        let words = scan("{} refunds {}", line)?;
        let [by, to] = words.as_slice() else {
            return None;
        };

        Some(Rc::new(Refund {
            by: super::read_person(by)?,
            to: super::read_person(to)?,
        }))
    },
};

struct Refund {
    by: &'static str,
    to: &'static str,
}

impl fmt::Display for Refund {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refunds {}", self.by, self.to)
    }
}

impl Step for Refund {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let (Some((by, from)), Some((asker, to))) =
                (town.device(self.by), town.device(self.to))
            else {
                return Ok("a device is off".to_owned());
            };
            let Some(payment) = last_paid(&to, self.by) else {
                return Ok("nothing was paid".to_owned());
            };
            let order = RefundOrder {
                payment,
                amount: None,
                mode: Mode::Announced,
            };
            let asking = to.wallet.ask_refund(order);
            let opened = match town.world.at(asker.node, asking).await {
                Ok(opened) => opened,
                Err(why) => return Ok(format!("no request: {why}")),
            };
            let paying = pay::pay(&from.wallet, Target::Tag(opened.tag), Asks::Always);
            let outcome = town.world.at(by.node, paying).await;
            if outcome == "paid" {
                town.count("refunds");
            }

            Ok(outcome)
        }
        .boxed_local()
    }
}

/// Returns the payment to somebody that a device signed last.
fn last_paid(device: &Device, payee: &str) -> Option<Digest> {
    device.wallet.journal().view(|book| {
        let signed = book.outgoing().filter_map(|(_, it)| {
            let pair = it.pair.as_ref()?;
            let name = &it.request.body().payee.body().name;

            (name.as_str() == payee).then(|| (pair.payment.body().position.j, pair.hash()))
        });
        let last = signed.max_by_key(|(j, _)| *j);

        last.map(|(_, payment)| payment)
    })
}
