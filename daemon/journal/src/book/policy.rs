//! Payees that the owner named: paid without asking, under a daily sum.

use ops_proto::{Amount, Name, PublicKey, Time};
use serde::{Deserialize, Serialize};

use super::Book;
use super::index::{Sum, day};

/// A payee that may be paid without confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedPayee {
    /// What the owner calls it.
    pub name: Name,
    /// The largest sum in one day (UTC).
    pub daily_max: Amount,
}

impl Book {
    /// Returns the payees that may be paid without confirmation.
    pub fn approved_payees(&self) -> impl Iterator<Item = (&PublicKey, &ApprovedPayee)> {
        self.approved.iter()
    }

    /// Tells whether the policy may pay this now: the owner named the payee's key, and the day's sum
    /// stays under its limit. Counted over intents, so that a restart forgets nothing.
    #[must_use]
    pub fn policy_allows(&self, payee: &PublicKey, amount: Amount, now: Time) -> bool {
        let Some(approved) = self.approved.get(payee) else {
            return false;
        };
        let spent = self.spent_on(payee, now);

        spent.saturating_add(amount.minor_units()) <= approved.daily_max.minor_units()
    }

    /// Returns what was paid without confirmation today to a payee that the owner named, in minor units.
    #[must_use]
    pub fn spent_on(&self, payee: &PublicKey, now: Time) -> u64 {
        self.index.sum(Sum::Named(day(now), *payee))
    }

    /// Tells whether a request whose URI was scanned may be paid without asking, under a daily sum over
    /// all such payments.
    #[must_use]
    pub fn scan_allows(&self, daily_max: Amount, amount: Amount, now: Time) -> bool {
        let spent = self.spent_on_scans(now);

        spent.saturating_add(amount.minor_units()) <= daily_max.minor_units()
    }

    /// Returns what was paid without asking today to requests whose URI was scanned, in minor units.
    #[must_use]
    pub fn spent_on_scans(&self, now: Time) -> u64 {
        self.index.sum(Sum::Scanned(day(now)))
    }

    pub(super) fn fold_payee_approved(&mut self, payee: PublicKey, name: &Name, daily_max: Amount) {
        let approved = ApprovedPayee {
            name: name.clone(),
            daily_max,
        };
        let _before = self.approved.insert(payee, approved);
    }
}
