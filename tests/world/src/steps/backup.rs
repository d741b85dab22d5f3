//! `the books are backed up`.

use std::fmt;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::rng::Rng;
use crate::town::Town;

pub(crate) const LINE: &str = "the books are backed up";

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |_| Rc::new(Backup),
    read: |line| {
        if line == LINE {
            return Some(Rc::new(Backup));
        }

        None
    },
};

struct Backup;

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LINE)
    }
}

impl Step for Backup {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            town.bank.back_up(&town.world).await?;

            Ok(String::new())
        }
        .boxed_local()
    }
}
