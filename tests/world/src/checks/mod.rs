//! What must hold: one file for each check, written apart from the code that it checks.
//!
//! A check is a line of [`CHECKS`]. Those of [`When::Step`] look after each step, those of [`When::Rest`]
//! when all troubles are over and everybody has synced: first those that only look, in their order.

mod c01_balanced;
mod c02_conserved;
mod c03_one_payment;
mod c04_one_request;
mod c05_disk_first;
mod c06_acknowledged;
mod c07_known_to_payee;
mod c08_numbers;
mod c11_ended_once;
mod c12_restart;
mod c13_on_the_air;
mod c15_settled;
mod c16_audit;
mod c17_unknown;
mod c22_approved;
mod panicked;
mod seen;

use futures::future::LocalBoxFuture;

use crate::fault::Fault;
use crate::town::Town;

/// When a check looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// After each step.
    Step,
    /// At rest.
    Rest,
}

/// A check.
pub(crate) struct Check {
    /// Its number in docs/testing.md.
    pub(crate) name: &'static str,
    /// When it looks.
    pub(crate) when: When,
    /// Looks, and returns what is wrong.
    pub(crate) look: for<'t> fn(&'t Town) -> LocalBoxFuture<'t, anyhow::Result<Vec<Fault>>>,
}

/// All checks, in the order in which they look.
pub(crate) const CHECKS: &[Check] = &[
    panicked::CHECK,
    c01_balanced::CHECK,
    c02_conserved::CHECK,
    c03_one_payment::CHECK,
    c03_one_payment::AT_REST,
    c04_one_request::CHECK,
    c05_disk_first::CHECK,
    c22_approved::CHECK,
    c13_on_the_air::CHECK,
    c07_known_to_payee::CHECK,
    c08_numbers::CHECK,
    c11_ended_once::CHECK,
    c15_settled::CHECK,
    c16_audit::CHECK,
    c12_restart::CHECK,
    // these ask the server again, and so come last
    c06_acknowledged::CHECK,
    c17_unknown::CHECK,
];
