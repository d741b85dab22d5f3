//! What is paid without anybody being asked, and why the rest is not.

use ble_proto::payment::payer::Offered;
use journal::ApprovedBy;
use ops_proto::money::{self, words};
use runtime::clock;

use crate::Shared;

/// Whether the policy may approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PolicyUse {
    /// A person is always asked.
    Ask,
    /// For a payee whose key the owner named, under its daily sum.
    Named,
    /// For the scanned request, under the daily sum of scans; or its payee is a named one.
    Scanned,
}

impl PolicyUse {
    /// Returns who approves what is offered, if nobody has to be asked.
    pub(super) fn word(self, shared: &Shared, offered: &Offered) -> Option<ApprovedBy> {
        let now = clock::now();
        let (payee, amount) = (offered.payee, offered.amount);
        let named = || {
            shared
                .journal
                .view(|book| book.policy_allows(&payee, amount, now))
        };
        let scanned = || {
            shared.scan_daily_max.is_some_and(|daily_max| {
                shared
                    .journal
                    .view(|book| book.scan_allows(daily_max, amount, now))
            })
        };
        match self {
            Self::Ask => None,
            Self::Named => named().then_some(ApprovedBy::Policy),
            Self::Scanned if named() => Some(ApprovedBy::Policy),
            Self::Scanned => scanned().then_some(ApprovedBy::Scan),
        }
    }

    /// Says why what is offered is not paid where nobody may be asked, and what would pay it.
    pub(super) fn why_not(self, shared: &Shared, offered: &Offered) -> String {
        match self {
            Self::Ask | Self::Named => not_named(shared, offered),
            Self::Scanned => not_scanned(shared, offered),
        }
    }
}

fn not_named(shared: &Shared, offered: &Offered) -> String {
    let now = clock::now();
    let limit = shared.journal.view(|book| {
        let mut payees = book.approved_payees();
        let (_, named) = payees.find(|(key, _)| **key == offered.payee)?;

        Some((named.daily_max, book.spent_on(&offered.payee, now)))
    });
    let currency = offered.currency;
    let asked = words(offered.amount.minor_units(), currency);
    match limit {
        Some((daily_max, spent)) => format!(
            "the policy pays {} up to {} a day without confirmation, {} today so far, and {asked} is asked: raise the \
             sum with blepay trust, or pay without --yes",
            offered.payee_name,
            words(daily_max.minor_units(), currency),
            words(spent, currency),
        ),
        None => format!(
            "the policy pays only payees that you named without confirmation, and {} is none: name it with blepay \
             trust, or pay without --yes",
            offered.payee_name
        ),
    }
}

fn not_scanned(shared: &Shared, offered: &Offered) -> String {
    let now = clock::now();
    let currency = offered.currency;
    let asked = offered.amount.minor_units();
    let how = format!(
        "say the sum too, --amount {}, or pay without --yes",
        money::text(asked, currency)
    );
    let Some(daily_max) = shared.scan_daily_max else {
        return format!("the policy pays nothing scanned without confirmation: {how}");
    };
    let spent = shared.journal.view(|book| book.spent_on_scans(now));

    format!(
        "the policy pays {} a day to scanned codes without confirmation, {} today so far, and {} is asked: {how}",
        words(daily_max.minor_units(), currency),
        words(spent, currency),
        words(asked, currency),
    )
}
