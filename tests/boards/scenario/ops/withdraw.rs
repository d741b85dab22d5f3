//! Withdraw: what leaves the device is in the account; without a network nothing leaves it.

use serde_json::json;

use super::people::{People, Who};
use super::{Proved, books};
use crate::bench::Bench;
use crate::board::Network;
use crate::failure::{Outcome, expect_that};
use crate::wallet;

const AMOUNT: &str = "10.00";
const MINOR_UNITS: u64 = 1000;
/// The code of what needs the server.
const OFFLINE: &str = "offline";

pub(super) fn run(bench: &mut Bench, people: &mut People) -> Outcome<Proved> {
    wallet::network(&mut bench.payer, Network::On)?;
    let ada = people.bring(bench, Who::Ada)?;
    let device_before = wallet::balance(&mut bench.payer)?;
    let online_before = bench.office()?.online(&ada.client)?;

    wallet::network(&mut bench.payer, Network::Off)?;
    let said = wallet::refused(&mut bench.payer, &format!("withdraw {AMOUNT}"))?;
    expect_that(said.code == OFFLINE, || {
        format!("a withdrawal without a network ended otherwise: {said:?}")
    })?;
    let device = wallet::balance(&mut bench.payer)?;
    expect_that(device == device_before, || {
        format!("the device had {device_before} and has {device}, and nobody knows of a withdrawal")
    })?;

    wallet::network(&mut bench.payer, Network::On)?;
    let told = wallet::told(
        &mut bench.payer,
        &format!("withdraw {AMOUNT} --wait --timeout 300s"),
    )?;
    expect_that(told.get("state") == Some(&json!("booked")), || {
        format!("the withdrawal is not booked: {told}")
    })?;
    let device = wallet::balance(&mut bench.payer)?;
    let online = bench.office()?.online(&ada.client)?;
    expect_that(
        device_before.checked_sub(MINOR_UNITS) == Some(device)
            && online_before.checked_add(MINOR_UNITS) == Some(online),
        || {
            format!(
                "{device_before} on the device and {online_before} online became {device} and {online}"
            )
        },
    )?;
    let on_device = books::agree(bench, &ada, |bench| &mut bench.payer)?;

    Ok((
        "10.00 went from the device to the account; without a network nothing is debited"
            .to_owned(),
        json!({ "device": on_device, "online": online }),
    ))
}
