//! Deposits granted, and payments honoured: from the shadow, then the owner, then the loss account.

use ops_proto::{Amount, Balance, PublicKey};

use super::account::{Account, Reason, Transfer};

/// A deposit that was granted and that the TA is not known to have taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The TA's counter.
    pub i: u64,
    /// What was granted.
    pub amount: Amount,
}

/// What the books say of the sender of a payment.
#[derive(Clone, Debug)]
pub struct SenderBooks {
    /// The TA.
    pub ta: PublicKey,
    /// Its owner.
    pub owner: PublicKey,
    /// shadow(T).
    pub shadow: Balance,
    /// Grants that T is not known to have taken.
    pub grants: Vec<Grant>,
    /// What the provider took from T after a restore, because T had less than the books, if T has ended:
    /// payments that turn up explain it. In minor units.
    pub taken: u64,
    /// held(T), when T has ended or is suspended: its payments are paid from it first; zero while T
    /// is live.
    pub held: Balance,
    /// online(owner).
    pub online: Balance,
    /// Advances for T that are outstanding, in minor units.
    pub advanced: u64,
    /// The upper offline limit of T, in minor units.
    pub advanced_max: u64,
}

/// Whether there is money for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Honour {
    /// The payment is honoured by these transfers.
    Honoured(Vec<Transfer>),
    /// The payment is valid and beyond all that the TA can have had: it waits until a status of the TA
    /// brings the money, or of the receiver shows that it was collected.
    BeyondLimit,
}

/// Returns what a grant does, or `None` when the online account has less than that.
#[must_use]
pub fn grant(ta: PublicKey, owner: PublicKey, online: Balance, grant: Grant) -> Option<Transfer> {
    online.checked_sub(grant.amount)?;

    Some(Transfer {
        from: Account::Online(owner),
        to: Account::Open { ta, i: grant.i },
        amount: grant.amount,
        reason: Reason::Grant,
    })
}

/// Returns what a valid payment does to the sender's side; `to` and `reason` are the receiver's side.
#[must_use]
pub fn honour(books: &SenderBooks, amount: Amount, to: Account, reason: Reason) -> Honour {
    let (_, missing) = known_money(books, amount);
    if missing > room(books) {
        return Honour::BeyondLimit;
    }

    Honour::Honoured(back(books, amount, to, reason))
}

/// Returns what a payment does that an honest TA has collected, whatever its sender did: the owner
/// stands in for at most the offline limit, and the provider for all that is beyond.
#[must_use]
pub fn back(books: &SenderBooks, amount: Amount, to: Account, reason: Reason) -> Vec<Transfer> {
    let shadow = Account::Shadow(books.ta);
    let (mut transfers, missing) = known_money(books, amount);
    let by_owner = missing.min(books.online.minor_units()).min(room(books));
    let by_loss = missing.saturating_sub(by_owner);
    let advances = [
        (
            Account::Online(books.owner),
            by_owner,
            Reason::AdvanceByOwner,
        ),
        (Account::Loss, by_loss, Reason::AdvanceByLoss),
    ];
    for (from, minor_units, reason) in advances {
        if let Ok(amount) = Amount::try_from(minor_units) {
            transfers.push(Transfer {
                from,
                to: shadow,
                amount,
                reason,
            });
        }
    }
    transfers.push(Transfer {
        from: shadow,
        to,
        amount,
        reason,
    });

    transfers
}

/// Returns how the grants, what was taken after a restore and what waits in held(T) reach the shadow, as far as
/// a payment needs them, and what it needs beyond.
fn known_money(books: &SenderBooks, amount: Amount) -> (Vec<Transfer>, u64) {
    let (mut transfers, mut missing) = grants_taken(books, amount);
    for (from, most, reason) in [
        (Account::Loss, books.taken, Reason::RestoredShort),
        (
            Account::Held(books.ta),
            books.held.minor_units(),
            Reason::FromHeld,
        ),
    ] {
        let moved = missing.min(most);
        missing = missing.saturating_sub(moved);
        if let Ok(amount) = Amount::try_from(moved) {
            transfers.push(Transfer {
                from,
                to: Account::Shadow(books.ta),
                amount,
                reason,
            });
        }
    }

    (transfers, missing)
}

/// Returns the grants that a payment shows to be taken, and what it needs beyond them.
fn grants_taken(books: &SenderBooks, amount: Amount) -> (Vec<Transfer>, u64) {
    let mut missing = amount
        .minor_units()
        .saturating_sub(books.shadow.minor_units());
    let mut transfers = Vec::new();
    if missing > 0 {
        for grant in &books.grants {
            transfers.push(take_grant(books.ta, grant));
            missing = missing.saturating_sub(grant.amount.minor_units());
        }
    }

    (transfers, missing)
}

/// Returns what may still be advanced for a TA.
const fn room(books: &SenderBooks) -> u64 {
    books.advanced_max.saturating_sub(books.advanced)
}

/// Returns what it does that the TA is known to have taken a grant.
pub(super) const fn take_grant(ta: PublicKey, grant: &Grant) -> Transfer {
    Transfer {
        from: Account::Open { ta, i: grant.i },
        to: Account::Shadow(ta),
        amount: grant.amount,
        reason: Reason::TakeGrant,
    }
}
