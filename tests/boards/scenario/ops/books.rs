//! The provider's books, and what the devices say.

use std::time::Duration;

use serde_json::json;

use super::Proved;
use super::people::{Card, People, Who};
use crate::bench::Bench;
use crate::board::{Board, Network};
use crate::failure::{Outcome, expect_that};
use crate::process::wait_at_leisure;
use crate::wallet::{self, Payment};

const AGREE_LIMIT: Duration = Duration::from_secs(600);

/// At the end: the books balance, and say of each device that is near what it says itself.
pub(super) fn run(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    bench.networks(Network::On)?;
    let ada = people.bring(bench, Who::Ada)?;
    let ben = people.bring(bench, Who::Ben)?;
    let on_ada = agree(bench, &ada, |bench| &mut bench.payer)?;
    let on_ben = agree(bench, &ben, |bench| &mut bench.payee)?;
    let office = bench.office()?;
    let ledger = office.ledger()?;
    let sum = ledger
        .online
        .saturating_add(ledger.shadow)
        .saturating_add(ledger.elsewhere);
    expect_that(sum == ledger.issued, || {
        format!("money is not conserved: {ledger:?}")
    })?;
    let audit = office.audit()?;
    expect_that(audit.get("balanced") == Some(&json!(true)), || {
        format!("the audit found: {audit}")
    })?;

    Ok((
        "the audit says balanced, and the books agree with what the devices say".to_owned(),
        json!({ "audit": audit, "ada": on_ada, "ben": on_ben }),
    ))
}

/// Waits until the books know what a device holds, and returns how much, in minor units.
pub(super) fn agree(
    bench: &mut Bench,
    card: &Card,
    board: impl Fn(&mut Bench) -> &mut Board,
) -> Outcome<u64> {
    wait_at_leisure("the books know what the device holds", AGREE_LIMIT, || {
        let device = wallet::balance(board(bench))?;
        let books = bench.office()?.ta(&card.client, &card.ta)?;
        if books.shadow == device {
            return Ok(Some(device));
        }
        carry(board(bench));
        Ok(None)
    })
}

/// Waits until a device has carried everything to the server, and the server has said the last word on it.
pub(super) fn quiet(board: &mut Board) -> Outcome<()> {
    let word = |payment: &Payment| payment.settled || payment.hash.is_none();
    wait_at_leisure("everything is settled", AGREE_LIMIT, || {
        let is_settled = wallet::history(board)?.iter().all(word);
        if is_settled && wallet::status(board)?.ta.paid_count == 0 {
            return Ok(Some(()));
        }
        carry(board);
        Ok(None)
    })
}

/// Waits until the server has said the last word on a payment, as one device knows it.
pub(super) fn settled(board: &mut Board, payment: &Payment) -> Outcome<()> {
    wait_at_leisure("the payment is settled", AGREE_LIMIT, || {
        let known = wallet::history(board)?;
        let mut known = known.iter().filter(|known| known.hash == payment.hash);
        if known.any(|known| known.settled) {
            return Ok(Some(()));
        }
        carry(board);
        Ok(None)
    })
}

/// Syncs now: a device waits half a minute before it asks again for what hangs on others.
pub(super) fn carry(board: &mut Board) {
    // One may be under way, or the network may not be there yet; whoever waits asks again.
    drop(wallet::sync(board));
}
