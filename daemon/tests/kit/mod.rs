//! A provider, devices, and what they have in common.

mod bank;
mod device;
pub(crate) mod lists;
pub(crate) mod provider;
pub(crate) mod server;

pub(crate) use bank::Bank;
pub(crate) use device::{
    Device, Faults, Kind, TaFault, conserved, eventually, pay, unless_power_goes,
};

use ops_proto::Amount;

/// Returns an amount of minor units.
pub(crate) fn amount(minor_units: u64) -> Amount {
    Amount::try_from(minor_units).expect("an amount")
}
