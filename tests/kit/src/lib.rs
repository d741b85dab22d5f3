//! A provider, devices, and what they have in common.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unnameable_types,
    clippy::missing_panics_doc,
    clippy::unwrap_in_result,
    reason = "a kit of tests: it panics where the world is not as a test expects"
)]

mod bank;
pub mod conformance;
mod device;
mod line;
pub mod lists;
pub mod provider;
pub mod server;
mod template;
mod till;

pub use bank::Bank;
pub use device::{Device, Faults, Kind, TaFault, conserved, eventually, pay, unless_power_goes};
pub use till::Till;

use ops_proto::Amount;

/// Returns an amount of minor units.
pub fn amount(minor_units: u64) -> Amount {
    Amount::try_from(minor_units).expect("an amount")
}
