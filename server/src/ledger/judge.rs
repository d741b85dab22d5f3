//! A status on a chain without gaps is compared with the books.

use ops_proto::{Amount, Balance, PublicKey};

use super::account::{Account, Reason, Transfer};
use super::honour::{Grant, take_grant};

/// What the books say of a TA once everything that its status covers is booked.
#[derive(Clone, Debug)]
pub struct StatusBooks {
    /// The TA.
    pub ta: PublicKey,
    /// Its owner.
    pub owner: PublicKey,
    /// The balance that the status states.
    pub stated: Balance,
    /// shadow(T).
    pub shadow: Balance,
    /// What the owner stood in for and was not paid back, in minor units.
    pub advanced_by_owner: u64,
    /// What the provider stood in for and was not paid back, in minor units.
    pub advanced_by_loss: u64,
    /// What T withdrew and nobody moved yet, below zero.
    pub unbacked: i64,
    /// Grants below the status's counter that are not in the shadow: T went on, so it took them.
    pub grants_before: Vec<Grant>,
    /// The grant at the status's counter: T has it, or has not heard of it.
    pub grant_last: Option<LastGrant>,
    /// Sum of grants above the status's counter that are in the shadow already.
    pub granted_after: u64,
    /// Sum of payments after the status that are booked already.
    pub paid_after: u64,
    /// Sum of withdrawals after the status that are booked already.
    pub withdrawn_after: u64,
    /// Withdrawals in the chain that are not booked.
    pub withdrawals: Vec<Amount>,
}

/// The grant at the counter of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastGrant {
    /// The grant.
    pub grant: Grant,
    /// Where the books have it.
    pub place: GrantPlace,
}

/// Where the books have a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantPlace {
    /// In open(T, i).
    Open,
    /// In shadow(T).
    Shadow,
}

/// What a status that fits the books does to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The transfers.
    pub transfers: Vec<Transfer>,
    /// [`StatusBooks::unbacked`] afterwards.
    pub unbacked: i64,
}

/// Compares a status with the books and returns what it does to them.
///
/// # Errors
///
/// [`BooksDiffer`] when no honest TA can state that balance after that chain.
pub fn judge(books: &StatusBooks) -> Result<Judged, BooksDiffer> {
    let stated = i128::from(books.stated.minor_units());
    let expected = expected_without_last(books);
    let with_last = books
        .grant_last
        .filter(|last| expected.saturating_add(minor_units(last.grant.amount)) == stated);
    if with_last.is_none() && expected != stated {
        let last = books
            .grant_last
            .map_or(0, |last| minor_units(last.grant.amount));
        let expected = expected.saturating_add(last);
        return Err(BooksDiffer { stated, expected });
    }
    let taken = with_last
        .filter(|last| last.place == GrantPlace::Open)
        .map(|last| last.grant);
    let grants: Vec<Grant> = books.grants_before.iter().copied().chain(taken).collect();

    Ok(settle(books, &grants))
}

/// What T holds after the status if it has not heard of the last grant.
fn expected_without_last(books: &StatusBooks) -> i128 {
    let before = sum(books.grants_before.iter().map(|grant| grant.amount));
    let last_in_shadow = books
        .grant_last
        .filter(|last| last.place == GrantPlace::Shadow)
        .map_or(0, |last| minor_units(last.grant.amount));

    i128::from(books.shadow.minor_units())
        .saturating_add(before)
        .saturating_add(i128::from(books.unbacked))
        .saturating_add(i128::from(books.paid_after))
        .saturating_add(i128::from(books.withdrawn_after))
        .saturating_sub(last_in_shadow)
        .saturating_sub(i128::from(books.granted_after))
        .saturating_sub(i128::from(books.advanced_by_owner))
        .saturating_sub(i128::from(books.advanced_by_loss))
        .saturating_sub(sum(books.withdrawals.iter().copied()))
}

/// Takes the grants, pays advances back and moves withdrawals, as far as the shadow goes.
fn settle(books: &StatusBooks, grants: &[Grant]) -> Judged {
    let shadow = Account::Shadow(books.ta);
    let owner = Account::Online(books.owner);
    let mut transfers: Vec<Transfer> = grants
        .iter()
        .map(|grant| take_grant(books.ta, grant))
        .collect();
    let mut rest = grants
        .iter()
        .fold(books.shadow.minor_units(), |rest, grant| {
            rest.saturating_add(grant.amount.minor_units())
        });
    let mut unbacked = books
        .withdrawals
        .iter()
        .fold(books.unbacked, |rest, amount| {
            rest.saturating_sub(signed(amount.minor_units()))
        });
    let withdrawn = sum(books.withdrawals.iter().copied())
        .saturating_add(i128::from(books.unbacked.saturating_neg().max(0)));
    let withdrawn = u64::try_from(withdrawn).unwrap_or(u64::MAX);
    for (to, minor_units, reason) in [
        (Account::Loss, books.advanced_by_loss, Reason::RepayLoss),
        (owner, books.advanced_by_owner, Reason::RepayOwner),
        (owner, withdrawn, Reason::Withdraw),
    ] {
        let moved = minor_units.min(rest);
        rest = rest.saturating_sub(moved);
        if reason == Reason::Withdraw {
            unbacked = unbacked.saturating_add(signed(moved));
        }
        if let Ok(amount) = Amount::try_from(moved) {
            transfers.push(Transfer {
                from: shadow,
                to,
                amount,
                reason,
            });
        }
    }

    Judged {
        transfers,
        unbacked,
    }
}

fn sum(amounts: impl Iterator<Item = Amount>) -> i128 {
    amounts.fold(0, |sum, amount| sum.saturating_add(minor_units(amount)))
}

fn minor_units(amount: Amount) -> i128 {
    i128::from(amount.minor_units())
}

fn signed(minor_units: u64) -> i64 {
    i64::try_from(minor_units).unwrap_or(i64::MAX)
}

/// A TA stated a balance that it cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the status states {stated} where the chain leaves at most {expected}")]
pub struct BooksDiffer {
    /// The balance that the status states, in minor units.
    pub stated: i128,
    /// What the chain without gaps leaves at most, in minor units.
    pub expected: i128,
}
