//! What an owner owes the provider for its TAs, and how what reaches the owner pays it back.

use ops_proto::{Amount, Balance, PublicKey};

use super::account::{Account, Reason, Transfer};

/// What the provider bore for a TA and its owner answers for. Amounts are minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debt {
    /// The TA.
    pub ta: PublicKey,
    /// Payments of a TA that ended: what it held was its owner's, who was paid it.
    pub advanced: u64,
    /// Grants and retirements that a restore lost the money of.
    pub restored: u64,
}

/// Returns how money that reached an owner, or the shadow of a TA that retired, pays debts back.
#[must_use]
pub fn repay(debts: &[Debt], from: &Account, money: Balance) -> Vec<Transfer> {
    let mut rest = money.minor_units();
    let mut transfers = Vec::new();
    for debt in debts {
        for (owed, reason) in [
            (debt.advanced, Reason::RepayLoss),
            (debt.restored, Reason::RepayRestored),
        ] {
            let paid = owed.min(rest);
            let Ok(amount) = Amount::try_from(paid) else {
                continue;
            };
            rest = rest.saturating_sub(paid);
            let shadow = Account::Shadow(debt.ta);
            if *from != shadow {
                transfers.push(Transfer {
                    from: *from,
                    to: shadow,
                    amount,
                    reason: Reason::PayDebt,
                });
            }
            transfers.push(Transfer {
                from: shadow,
                to: Account::Loss,
                amount,
                reason,
            });
        }
    }

    transfers
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Account = Account::Online(PublicKey([9; 32]));

    fn moved(debts: &[Debt], from: &Account, money: u64) -> Vec<(Reason, u64)> {
        repay(debts, from, Balance::from_minor_units(money))
            .iter()
            .map(|transfer| (transfer.reason, transfer.amount.minor_units()))
            .collect()
    }

    #[test]
    fn money_pays_debts_one_after_the_other_and_never_more_than_is_owed() {
        let debt = |key, advanced, restored| Debt {
            ta: PublicKey([key; 32]),
            advanced,
            restored,
        };
        let debts = [debt(1, 30, 20), debt(2, 0, 10)];

        assert_eq!(moved(&debts, &OWNER, 0), []);
        assert_eq!(
            moved(&debts, &OWNER, 35),
            [
                (Reason::PayDebt, 30),
                (Reason::RepayLoss, 30),
                (Reason::PayDebt, 5),
                (Reason::RepayRestored, 5)
            ]
        );
        let all: u64 = moved(&debts, &OWNER, 1_000)
            .iter()
            .filter(|(reason, _)| *reason != Reason::PayDebt)
            .map(|(_, amount)| amount)
            .sum();
        assert_eq!(all, 60);
        let own = debts.first().map_or(&[][..], std::slice::from_ref);
        assert_eq!(
            moved(own, &Account::Shadow(PublicKey([1; 32])), 40),
            [(Reason::RepayLoss, 30), (Reason::RepayRestored, 10)]
        );
    }
}
