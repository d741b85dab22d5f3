//! Money leaves a TA for its owner: withdrawals, and how a TA ends.

use ops_proto::{Amount, Balance, PublicKey};

use super::account::{Account, Reason, Transfer};

/// What the owner of a TA was paid at its end, by whatever way. Amounts are minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// All that reached the owner, or was put onto a newer TA for it.
    pub paid: u64,
    /// What the owner gave back of it: it stood in for payments of the TA, or paid debts for it.
    pub returned: u64,
    /// What the provider paid of it after a restore and did not get back.
    pub borne: u64,
}

impl End {
    /// Returns what the owner still lacks of what is due to it for this end.
    #[must_use]
    pub const fn lacks(&self, due: u64) -> u64 {
        due.saturating_add(self.returned).saturating_sub(self.paid)
    }
}

/// What the books say of a TA that gives money back, or ends.
#[derive(Clone, Copy, Debug)]
pub struct TaBooks {
    /// The TA.
    pub ta: PublicKey,
    /// Its owner.
    pub owner: PublicKey,
    /// shadow(T).
    pub shadow: Balance,
    /// held(T).
    pub held: Balance,
    /// What the provider stood in for and was not paid back, in minor units.
    pub advanced_by_loss: u64,
}

/// Whether a TA's word moves money to its owner at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It does.
    Full,
    /// The TA is suspended, revoked or ended: money waits in held(T).
    None,
}

/// What a withdrawal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// The transfer, unless there is nothing to move.
    pub transfer: Option<Transfer>,
    /// What was withdrawn beyond the shadow: a status of T will bring it. In minor units.
    pub unbacked: u64,
}

/// Returns what a withdrawal does: it is always booked, since the TA has debited itself. The money goes
/// to the owner, or waits in held(T) while T is not trusted or withdraws more than its shadow.
#[must_use]
pub fn withdraw(books: &TaBooks, amount: Amount, trust: Trust) -> Withdrawn {
    let asked = amount.minor_units();
    let moved = asked.min(books.shadow.minor_units());
    let to = match trust {
        Trust::Full if moved == asked => Account::Online(books.owner),
        Trust::Full | Trust::None => Account::Held(books.ta),
    };
    let transfer = Amount::try_from(moved).ok().map(|amount| Transfer {
        from: Account::Shadow(books.ta),
        to,
        amount,
        reason: Reason::Withdraw,
    });

    Withdrawn {
        transfer,
        unbacked: asked.saturating_sub(moved),
    }
}

/// Returns how all that is on a dead or suspended TA goes to wait in held(T).
#[must_use]
pub fn hold(books: &TaBooks) -> Option<Transfer> {
    Some(Transfer {
        from: Account::Shadow(books.ta),
        to: Account::Held(books.ta),
        amount: Amount::try_from(books.shadow.minor_units()).ok()?,
        reason: Reason::Hold,
    })
}

/// Returns how what waits in held(T) leaves it: the provider has back what it stood in for, and the rest
/// is the owner's.
#[must_use]
pub fn release(books: &TaBooks) -> Vec<Transfer> {
    let (held, shadow) = (Account::Held(books.ta), Account::Shadow(books.ta));
    let waits = books.held.minor_units();
    let repaid = waits.min(books.advanced_by_loss);
    let moves = [
        (held, shadow, repaid, Reason::FromHeld),
        (shadow, Account::Loss, repaid, Reason::RepayLoss),
        (
            held,
            Account::Online(books.owner),
            waits.saturating_sub(repaid),
            Reason::Release,
        ),
    ];

    moves
        .into_iter()
        .filter_map(|(from, to, minor_units, reason)| {
            Some(Transfer {
                from,
                to,
                amount: Amount::try_from(minor_units).ok()?,
                reason,
            })
        })
        .collect()
}

/// Returns how what a retired TA held reaches its owner.
#[must_use]
pub fn retire(books: &TaBooks) -> Option<Transfer> {
    Some(Transfer {
        from: Account::Shadow(books.ta),
        to: Account::Online(books.owner),
        amount: Amount::try_from(books.shadow.minor_units()).ok()?,
        reason: Reason::Retire,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TA: PublicKey = PublicKey([1; 32]);
    const OWNER: PublicKey = PublicKey([2; 32]);

    fn books(shadow: u64, held: u64, advanced_by_loss: u64) -> TaBooks {
        TaBooks {
            ta: TA,
            owner: OWNER,
            shadow: Balance::from_minor_units(shadow),
            held: Balance::from_minor_units(held),
            advanced_by_loss,
        }
    }

    fn amount(minor_units: u64) -> Amount {
        Amount::try_from(minor_units).unwrap()
    }

    fn moved(withdrawn: Withdrawn) -> Option<(Account, u64)> {
        withdrawn
            .transfer
            .map(|transfer| (transfer.to, transfer.amount.minor_units()))
    }

    #[test]
    fn a_withdrawal_goes_to_the_owner_or_waits_and_is_never_refused() {
        let trusted = withdraw(&books(100, 0, 0), amount(60), Trust::Full);
        assert_eq!(moved(trusted), Some((Account::Online(OWNER), 60)));
        assert_eq!(trusted.unbacked, 0);

        let suspended = withdraw(&books(100, 0, 0), amount(60), Trust::None);
        assert_eq!(moved(suspended), Some((Account::Held(TA), 60)));

        let beyond = withdraw(&books(100, 0, 0), amount(150), Trust::Full);
        assert_eq!(moved(beyond), Some((Account::Held(TA), 100)));
        assert_eq!(beyond.unbacked, 50);

        let empty = withdraw(&books(0, 0, 0), amount(150), Trust::None);
        assert_eq!((moved(empty), empty.unbacked), (None, 150));
    }

    #[test]
    fn what_the_provider_stood_in_for_comes_back_before_the_owner_is_paid() {
        let places: Vec<_> = release(&books(0, 100, 30))
            .iter()
            .map(|transfer| (transfer.to, transfer.amount.minor_units()))
            .collect();

        assert_eq!(
            places,
            [
                (Account::Shadow(TA), 30),
                (Account::Loss, 30),
                (Account::Online(OWNER), 70)
            ]
        );
        assert_eq!(release(&books(5, 0, 30)), []);
        assert_eq!(hold(&books(0, 5, 30)), None);
        assert_eq!(
            hold(&books(5, 0, 30)).map(|transfer| transfer.to),
            Some(Account::Held(TA))
        );
    }
}
