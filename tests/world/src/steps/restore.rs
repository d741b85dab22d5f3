//! `the books are lost and restored`: the server's next life begins with an older copy;
//! `the books are put back`: the same, over books that are there.
//!
//! `…, and backed up again`: the next restore begins after this one. `…, the machine dies after 20 ms`: the
//! restore breaks off, the server is started, and if it does not start, the restore is begun again.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Kind, Step};
use crate::bank::SERVER;
use crate::rng::Rng;
use crate::town::Town;
use crate::words::{scan, split_trouble};

const LOST: &str = "the books are lost and restored";
const PUT_BACK: &str = "the books are put back";
pub(crate) const BACKED_UP: &str = "and backed up again";

pub(super) const KIND: Kind = Kind {
    weight: 1,
    draw: |dice| {
        Rc::new(Restore {
            are_lost: dice.chance(700),
            then: match dice.below(6) {
                0..=2 => Then::BackedUp,
                3 => Then::Dies(dice.between(0, 120)),
                _ => Then::Nothing,
            },
        })
    },
    read: |line| {
        let (line, then) = split_trouble(line);
        let are_lost = match line {
            LOST => true,
            PUT_BACK => false,
            _ => return None,
        };
        let then = match then {
            None => Then::Nothing,
            Some(BACKED_UP) => Then::BackedUp,
            Some(trouble) => {
                let words = scan("the machine dies after {} ms", trouble)?;
                Then::Dies(words.first()?.parse().ok()?)
            }
        };

        Some(Rc::new(Restore { are_lost, then }))
    },
};

/// Whether a line is a restore.
pub(crate) fn is_one(line: &str) -> bool {
    line.starts_with(LOST) || line.starts_with(PUT_BACK)
}

struct Restore {
    are_lost: bool,
    then: Then,
}

/// What comes with a restore.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    BackedUp,
    /// The machine dies after so many milliseconds.
    Dies(u64),
}

impl fmt::Display for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.are_lost { LOST } else { PUT_BACK })?;
        match self.then {
            Then::Nothing => Ok(()),
            Then::BackedUp => write!(f, ", {BACKED_UP}"),
            Then::Dies(after_ms) => write!(f, ", the machine dies after {after_ms} ms"),
        }
    }
}

impl Step for Restore {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            town.bank.kill(&town.world)?;
            // whoever restores does so on a disk that works
            town.world.disk(SERVER).set(0);
            if self.are_lost {
                town.bank.lose_books()?;
            }
            let life = match self.then {
                Then::Nothing | Then::BackedUp => Some(town.bank.restore(&town.world).await?),
                Then::Dies(after_ms) => {
                    let restoring = town.bank.restore(&town.world);
                    let after = Duration::from_millis(after_ms);
                    match tokio::time::timeout(after, restoring).await {
                        Ok(life) => Some(life?),
                        Err(_died) => None,
                    }
                }
            };
            town.count("restores");
            let Some(life) = life else {
                if town.bank.start(&town.world).await.is_ok() {
                    return Ok("the machine died, and the server starts".to_owned());
                }
                let life = town.bank.restore(&town.world).await?;
                town.bank.start(&town.world).await?;
                return Ok(format!(
                    "the machine died; restored again, life {life} begins"
                ));
            };
            if let Then::BackedUp = self.then {
                town.bank.back_up(&town.world).await?;
            }
            town.bank.start(&town.world).await?;

            Ok(format!("life {life} begins"))
        }
        .boxed_local()
    }
}
