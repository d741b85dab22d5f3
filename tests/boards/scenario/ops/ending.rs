//! The ends of a trusted application: one that works retires and is paid at once, one that is lost is
//! reported dead and its sum waits; after either the wallet goes on with a new one.

use std::time::Duration;

use serde_json::{Value, json};

use super::people::{self, Card, DRAWER, People, Who};
use super::{Proved, books};
use crate::bench::Bench;
use crate::failure::{Failure, Outcome, expect_that};
use crate::process::wait_at_leisure;
use crate::wallet;

const DEPOSIT: &str = "20.00";
const DEPOSIT_MINOR_UNITS: u64 = 2000;
const STATE_LIMIT: Duration = Duration::from_secs(300);

/// Retires Ada's trusted application and puts a new one in its place.
pub(super) fn retire(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    let ada = quiet_ada(bench, people)?;
    let held = wallet::balance(&mut bench.payer)?;
    let online_before = bench.office()?.online(&ada.client)?;
    let told = wallet::told(&mut bench.payer, "retire --yes")?;
    expect_that(
        minor_units(&told, "/paid/minor_units") == Some(held),
        || format!("the device held {held}, and its retirement says {told}"),
    )?;
    let online = bench.office()?.online(&ada.client)?;
    let books = bench.office()?.ta(&ada.client, &ada.ta)?;
    expect_that(
        online == online_before.saturating_add(held) && books.shadow == 0 && books.held == 0,
        || {
            format!(
                "{held} retired from {online_before} online, and the books say {online}, {books:?}"
            )
        },
    )?;
    expect_that(books.standing == "retired", || {
        format!("the books say {books:?}")
    })?;

    people::while_stopped(
        &mut bench.payer,
        &format!("mv /var/lib/blepay-ta {DRAWER}/retired"),
    )?;
    let new = begin_anew(bench, people, &ada)?;

    Ok((
        "a trusted application retired, its balance was in the account at once, and a new one took its place".to_owned(),
        json!({ "paid": held, "retired": ada.ta, "new": new }),
    ))
}

/// Loses Ada's trusted application, reports it dead, and puts a new one in its place.
pub(super) fn recover(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    let ada = quiet_ada(bench, people)?;
    let held = wallet::balance(&mut bench.payer)?;
    expect_that(held > 0, || "there is nothing to lose".to_owned())?;
    people::while_stopped(
        &mut bench.payer,
        &format!("mv /var/lib/blepay-ta {DRAWER}/lost"),
    )?;
    let reason = wait_at_leisure("the daemon finds another TA", STATE_LIMIT, || {
        let ta = wallet::status(&mut bench.payer)?.ta;
        Ok((ta.state == "dead").then_some(ta.reason))
    })?;

    let told = wallet::told(&mut bench.payer, "recover --yes")?;
    let waits = minor_units(&told, "/waiting/held/minor_units");
    expect_that(waits == Some(held), || {
        format!("the device held {held}, and its recovery says {told}")
    })?;
    let books = bench.office()?.ta(&ada.client, &ada.ta)?;
    expect_that(
        books.standing == "dead" && books.held == held && books.shadow == 0,
        || format!("{held} died, and the books say {books:?}"),
    )?;
    let waiting = wallet::status(&mut bench.payer)?.waiting;
    expect_that(
        waiting
            .iter()
            .any(|waiting| waiting.ta == ada.ta && waiting.held.minor_units == held),
        || format!("the wallet does not say what waits: {waiting:?}"),
    )?;
    let new = begin_anew(bench, people, &ada)?;

    Ok((
        "a lost trusted application was reported dead, its sum waits at the provider, and a new one took its place".to_owned(),
        json!({ "held": held, "reason": reason, "dead": ada.ta, "new": new }),
    ))
}

fn quiet_ada(bench: &mut Bench, people: &mut People) -> Outcome<Card> {
    // Whom she paid has to be online too: until he is, her payments wait.
    let (ada, _) = people.bring_online(bench, Who::Ada, Who::Ben)?;
    books::agree(bench, &ada, |bench| &mut bench.payer)?;

    Ok(ada)
}

/// Waits until a new trusted application is certified, and moves money onto it.
fn begin_anew(bench: &mut Bench, people: &mut People, before: &Card) -> Outcome<String> {
    let key = wait_at_leisure("a new TA is certified", STATE_LIMIT, || {
        let ta = wallet::status(&mut bench.payer)?.ta;
        let new = ta.key.filter(|key| *key != before.ta);
        Ok(new.filter(|_| ta.state == "ready"))
    })?;
    let card = Card {
        client: before.client.clone(),
        ta: key.clone(),
    };
    people.renewed(Who::Ada, card.clone());
    wallet::deposit(&mut bench.payer, DEPOSIT)?;
    let device = books::agree(bench, &card, |bench| &mut bench.payer)?;
    if device == DEPOSIT_MINOR_UNITS {
        return Ok(key);
    }

    Err(Failure::Unexpected(format!(
        "the new TA holds {device} after a deposit of {DEPOSIT}"
    )))
}

fn minor_units(of: &Value, at: &str) -> Option<u64> {
    of.pointer(at).and_then(Value::as_u64)
}
