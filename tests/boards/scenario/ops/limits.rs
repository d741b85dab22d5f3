//! Offline limits: the lower bound warns, the upper one refuses, a sync begins anew.

use serde_json::json;

use super::people::{self, People, Who};
use super::{PAID_REFUSE, PAID_WARN, Proved, books};
use crate::bench::Bench;
use crate::board::Network;
use crate::failure::{Failure, Outcome, expect_that};
use crate::wallet;

const AMOUNT: &str = "1.00";
/// What the warning is about.
const CODE: &str = "paid_count";

pub(super) fn run(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    let (ada, ben) = people.bring_online(bench, Who::Ada, Who::Ben)?;
    people::trust(bench, Who::Ada, &ben)?;
    people::both_offline(bench)?;
    let mut warned_at = None;
    for paid in 1..=PAID_REFUSE {
        wallet::request(&mut bench.payee, AMOUNT)?;
        wallet::pay(&mut bench.payer, &ben.ta, AMOUNT)?;
        let warnings = wallet::status(&mut bench.payer)?.ta.warnings;
        let warning = warnings.into_iter().find(|warning| warning.code == CODE);
        if let (Some(warning), None) = (warning, &warned_at) {
            warned_at = Some((paid, warning.message));
        }
    }
    let Some((at, warning)) = warned_at else {
        return Err(Failure::Unexpected(
            "nothing warned before the limit".to_owned(),
        ));
    };
    expect_that(at == PAID_WARN, || {
        format!("warned after {at} instead of {PAID_WARN}: {warning}")
    })?;

    let before = wallet::balance(&mut bench.payer)?;
    let request = wallet::request(&mut bench.payee, AMOUNT)?;
    let said = wallet::refused(
        &mut bench.payer,
        &format!("pay {} --amount {AMOUNT} --yes --timeout 300s", ben.ta),
    )?;
    expect_that(said.message.contains("no more offline"), || {
        format!("refused, but not for the limit: {said:?}")
    })?;
    let after = wallet::balance(&mut bench.payer)?;
    expect_that(after == before, || {
        format!("a refused payment moved {before} to {after}")
    })?;
    wallet::told(
        &mut bench.payee,
        &format!("request --cancel {}", request.id),
    )?;

    wallet::network(&mut bench.payer, Network::On)?;
    wallet::network(&mut bench.payee, Network::On)?;
    books::quiet(&mut bench.payer)?;
    let warnings = wallet::status(&mut bench.payer)?.ta.warnings;
    expect_that(warnings.iter().all(|warning| warning.code != CODE), || {
        format!("a sync did not begin anew: {warnings:?}")
    })?;
    books::agree(bench, &ada, |bench| &mut bench.payer)?;
    books::agree(bench, &ben, |bench| &mut bench.payee)?;

    Ok((
        format!(
            "warned after {PAID_WARN} and refused after {PAID_REFUSE}: {}",
            said.message
        ),
        json!({ "warning": warning, "refusal": said.message }),
    ))
}
