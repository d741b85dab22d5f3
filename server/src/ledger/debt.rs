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
    /// What of that is for the retirement.
    pub borne: u64,
}

/// How debts are paid back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaid {
    /// The transfers.
    pub transfers: Vec<Transfer>,
    /// What they change of the ends of TAs.
    pub ends: Vec<EndRepaid>,
}

/// What a repayment changes of the [`End`](super::End) of a TA. Amounts are minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndRepaid {
    /// The TA.
    pub ta: PublicKey,
    /// By how much what its owner returned rises.
    pub returned: u64,
    /// By how much what the provider bore of the end falls.
    pub borne: u64,
}

/// Returns how money that reached an owner, or the shadow of a TA that ended, pays debts back.
#[must_use]
pub fn repay(debts: &[Debt], from: &Account, money: Balance) -> Repaid {
    let mut rest = money.minor_units();
    let mut repaid = Repaid::default();
    for debt in debts {
        let shadow = Account::Shadow(debt.ta);
        let advanced = debt.advanced.min(rest);
        rest = rest.saturating_sub(advanced);
        let restored = debt.restored.min(rest);
        rest = rest.saturating_sub(restored);
        for (paid, reason) in [
            (advanced, Reason::RepayLoss),
            (restored, Reason::RepayRestored),
        ] {
            let Ok(amount) = Amount::try_from(paid) else {
                continue;
            };
            if *from != shadow {
                repaid.transfers.push(Transfer {
                    from: *from,
                    to: shadow,
                    amount,
                    reason: Reason::PayDebt,
                });
            }
            repaid.transfers.push(Transfer {
                from: shadow,
                to: Account::Loss,
                amount,
                reason,
            });
        }
        repaid.ends.push(end(debt, from, advanced, restored));
    }

    repaid
}

/// What comes in on the TA pays what was borne for its end first. What its owner pays from elsewhere pays for
/// grants first, which that may have paid for before; the rest it returned.
fn end(debt: &Debt, from: &Account, advanced: u64, restored: u64) -> EndRepaid {
    if *from == Account::Shadow(debt.ta) {
        return EndRepaid {
            ta: debt.ta,
            returned: 0,
            borne: restored.min(debt.borne),
        };
    }
    let granted = debt.restored.saturating_sub(debt.borne);
    let borne = restored.saturating_sub(granted);

    EndRepaid {
        ta: debt.ta,
        returned: advanced.saturating_add(borne),
        borne,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Account = Account::Online(PublicKey([9; 32]));

    fn debt(key: u8, advanced: u64, restored: u64, borne: u64) -> Debt {
        Debt {
            ta: PublicKey([key; 32]),
            advanced,
            restored,
            borne,
        }
    }

    fn moved(debts: &[Debt], from: &Account, money: u64) -> Vec<(Reason, u64)> {
        repay(debts, from, Balance::from_minor_units(money))
            .transfers
            .iter()
            .map(|transfer| (transfer.reason, transfer.amount.minor_units()))
            .collect()
    }

    #[test]
    fn money_pays_debts_one_after_the_other_and_never_more_than_is_owed() {
        let debts = [debt(1, 30, 20, 0), debt(2, 0, 10, 0)];

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

    #[test]
    fn an_owner_returns_what_it_pays_for_the_end_of_a_ta_and_nothing_by_paying_for_grants() {
        let debts = [debt(1, 30, 50, 20)];
        let returned = |from: &Account, money: u64| {
            let repaid = repay(&debts, from, Balance::from_minor_units(money));
            let ends = repaid.ends.iter();
            ends.map(|end| (end.returned, end.borne))
                .collect::<Vec<_>>()
        };

        assert_eq!(returned(&OWNER, 60), [(30, 0)]);
        assert_eq!(returned(&OWNER, 75), [(45, 15)]);
        assert_eq!(returned(&OWNER, 1_000), [(50, 20)]);
        let own = Account::Shadow(PublicKey([1; 32]));
        assert_eq!(returned(&own, 45), [(0, 15)]);
        assert_eq!(returned(&own, 1_000), [(0, 20)]);
    }
}
