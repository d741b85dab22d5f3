//! A revocation that reaches a device only from another device, over the air, after a receipt.

use std::time::Duration;

use serde_json::json;

use super::people::{self, People, Who};
use super::{Proved, books};
use crate::bench::Bench;
use crate::board::{Board, Network};
use crate::failure::{Outcome, expect_that};
use crate::process::wait_at_leisure;
use crate::wallet;

/// What Ada pays, until Ben has heard of it: the link that brings a list after a receipt has seconds for it, and may break.
const AMOUNTS: [&str; 4] = ["1.00", "1.10", "1.20", "1.30"];
/// Another one, since a paid request stays on the air for a while.
const OTHER_AMOUNT: &str = "1.50";
const LIST_LIMIT: Duration = Duration::from_secs(300);
/// After a payment: its link is over by then.
const TOLD_LIMIT: Duration = Duration::from_secs(30);

pub(super) fn run(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    let (cleo, ben) = people.bring_online(bench, Who::Cleo, Who::Ben)?;
    people::trust(bench, Who::Cleo, &ben)?;
    people.bring_online(bench, Who::Ada, Who::Ben)?;
    people::trust(bench, Who::Ada, &ben)?;
    wallet::network(&mut bench.payee, Network::Off)?;
    let before = denied(&mut bench.payee)?;

    // Ben has no network from here to the end.
    bench.office()?.revoke(&cleo.ta, "lost on the ferry")?;
    wait_at_leisure("Ada hears of it from the server", LIST_LIMIT, || {
        books::carry(&mut bench.payer);
        Ok((denied(&mut bench.payer)? > before).then_some(()))
    })?;
    wallet::network(&mut bench.payer, Network::Off)?;
    let not_yet = denied(&mut bench.payee)?;
    expect_that(not_yet == before, || {
        format!("Ben's lists named {before} and name {not_yet} before anybody told him")
    })?;
    tell(bench, &ben.ta, before)?;

    people.bring(bench, Who::Cleo)?;
    let held = wallet::balance(&mut bench.payer)?;
    let request = wallet::request(&mut bench.payee, OTHER_AMOUNT)?;
    let said = wallet::refused(
        &mut bench.payer,
        &format!(
            "pay {} --amount {OTHER_AMOUNT} --yes --timeout 300s",
            ben.ta
        ),
    )?;
    expect_that(said.message.contains("revoked"), || {
        format!("refused, but not as revoked: {said:?}")
    })?;
    let left = wallet::balance(&mut bench.payer)?;
    expect_that(left == held, || {
        format!("a refused payment moved {held} to {left}")
    })?;
    wallet::told(
        &mut bench.payee,
        &format!("request --cancel {}", request.id),
    )?;
    let standing = bench.office()?.ta(&cleo.client, &cleo.ta)?.standing;

    Ok((
        format!(
            "Ben, without a network, heard from Ada that Cleo is revoked, and refused her: {}",
            said.message
        ),
        json!({ "refusal": said.message, "code": said.code, "standing": standing }),
    ))
}

/// Ada pays Ben until he has heard more than `before`.
fn tell(bench: &mut Bench, ben: &str, before: u64) -> Outcome<()> {
    let mut heard = Ok(());
    for amount in AMOUNTS {
        wallet::request(&mut bench.payee, amount)?;
        let told = wallet::pay(&mut bench.payer, ben, amount)?;
        expect_that(told.receipt_verified, || {
            format!("no receipt of the payment that brings the list: {told:?}")
        })?;
        heard = wait_at_leisure("Ben hears of it from Ada", TOLD_LIMIT, || {
            Ok((denied(&mut bench.payee)? > before).then_some(()))
        });
        if heard.is_ok() {
            break;
        }
    }

    heard
}

/// How many keys the deny-lists on a device name.
fn denied(board: &mut Board) -> Outcome<u64> {
    let lists = wallet::lists(board)?;

    Ok(lists
        .iter()
        .fold(0, |sum: u64, list| sum.saturating_add(list.entries)))
}
