//! The rules alone, over books in memory.

use std::collections::BTreeMap;

use ops_proto::{Amount, Balance, PublicKey};
use proptest::prelude::*;

use super::*;

const TA: PublicKey = PublicKey([1; 32]);
const OWNER: PublicKey = PublicKey([2; 32]);
const SHOP: PublicKey = PublicKey([3; 32]);
const LIMIT: u64 = 1_000;

#[test]
fn a_payment_is_honoured_from_the_shadow_then_the_owner_then_the_loss_account() {
    let sources = |shadow, online| {
        let transfers = honoured(&sender(shadow, online, &[]), 100);
        let sources = transfers.iter().map(|t| (t.from, units(t.amount)));
        sources.collect::<Vec<_>>()
    };

    assert_eq!(sources(100, 50), [(Account::Shadow(TA), 100)]);
    assert_eq!(
        sources(70, 50),
        [(Account::Online(OWNER), 30), (Account::Shadow(TA), 100)]
    );
    assert_eq!(
        sources(10, 50),
        [
            (Account::Online(OWNER), 50),
            (Account::Loss, 40),
            (Account::Shadow(TA), 100)
        ]
    );
}

#[test]
fn a_payment_that_needs_an_open_grant_shows_that_it_was_taken() {
    let transfers = honoured(&sender(0, 0, &[(4, 60), (5, 60)]), 100);

    let from: Vec<Account> = transfers.iter().map(|t| t.from).collect();
    assert_eq!(
        from,
        [
            Account::Open { ta: TA, i: 4 },
            Account::Open { ta: TA, i: 5 },
            Account::Shadow(TA)
        ]
    );
}

#[test]
fn beyond_the_shadow_a_ta_costs_at_most_its_offline_limit() {
    let mut books = sender(0, 0, &[]);
    books.advanced = LIMIT - 99;
    let shop = Account::Online(SHOP);
    let beyond = honour(&books, amount(100), shop, Reason::Credit);
    assert_eq!(beyond, Honour::BeyondLimit);

    books.advanced = LIMIT - 100;
    let within = honour(&books, amount(100), shop, Reason::Credit);
    assert!(matches!(within, Honour::Honoured(_)));
    books.advanced = LIMIT;
    books.shadow = Balance::from_minor_units(100);
    let backed = honour(&books, amount(100), shop, Reason::Credit);
    assert!(matches!(backed, Honour::Honoured(_)));
}

#[test]
fn what_was_collected_is_backed_and_costs_the_owner_at_most_the_limit() {
    let mut books = sender(50, 5_000, &[]);
    books.advanced = LIMIT - 300;

    let transfers = back(&books, amount(800), Account::Shadow(SHOP), Reason::Collect);

    let moved: Vec<_> = transfers
        .iter()
        .map(|t| (t.from, units(t.amount)))
        .collect();
    assert_eq!(
        moved,
        [
            (Account::Online(OWNER), 300),
            (Account::Loss, 450),
            (Account::Shadow(TA), 800)
        ]
    );
}

#[test]
fn a_deposit_larger_than_the_online_account_is_never_granted() {
    let granted = |online, asked| {
        let grant = Grant {
            i: 1,
            amount: amount(asked),
        };
        super::grant(TA, OWNER, Balance::from_minor_units(online), grant)
    };

    assert!(granted(100, 100).is_some());
    assert!(granted(99, 100).is_none());
    assert!(granted(0, 1).is_none());
}

#[test]
fn each_payment_has_exactly_one_place_to_be_redeemed() {
    let place = |id| {
        redeem(&Receiver::Ta {
            ta: TA,
            owner: OWNER,
            id,
        })
    };

    assert_eq!(place(IdState::Open), Redeem::Wait);
    assert_eq!(
        place(IdState::CollectedThis),
        Redeem::Collect(Account::Shadow(TA))
    );
    let online = Redeem::Credit(Account::Online(OWNER));
    assert_eq!(place(IdState::CollectedOther), online);
    assert_eq!(place(IdState::Closed), online);
    assert_eq!(redeem(&Receiver::Elsewhere), Redeem::Wait);
}

#[test]
fn a_status_may_or_may_not_contain_the_last_grant() {
    let last = |place| {
        let grant = Grant {
            i: 2,
            amount: amount(50),
        };
        Some(LastGrant { grant, place })
    };
    let judged = |stated, shadow, place| {
        judge(&StatusBooks {
            stated: Balance::from_minor_units(stated),
            shadow: Balance::from_minor_units(shadow),
            grant_last: last(place),
            ..status()
        })
    };

    assert_eq!(
        judged(150, 100, GrantPlace::Open).unwrap().transfers.len(),
        1
    );
    assert_eq!(judged(100, 100, GrantPlace::Open).unwrap().transfers, []);
    assert_eq!(judged(150, 150, GrantPlace::Shadow).unwrap().transfers, []);
    assert_eq!(judged(100, 150, GrantPlace::Shadow).unwrap().transfers, []);
    for stated in [0, 99, 101, 149, 151, 200] {
        assert!(judged(stated, 100, GrantPlace::Open).is_err(), "{stated}");
    }
}

#[test]
fn advances_are_paid_back_the_provider_first() {
    let books = StatusBooks {
        stated: Balance::from_minor_units(10),
        shadow: Balance::from_minor_units(100),
        advanced_by_owner: 60,
        advanced_by_loss: 30,
        ..status()
    };

    let transfers = judge(&books).unwrap().transfers;

    let paid: Vec<_> = transfers.iter().map(|t| (t.to, units(t.amount))).collect();
    assert_eq!(paid, [(Account::Loss, 30), (Account::Online(OWNER), 60)]);
}

proptest! {
    /// Whatever the rules return can be written down: no account goes below zero on the way, what is
    /// credited is the payment, and nothing comes from nowhere.
    #[test]
    fn transfers_never_overdraw_and_never_mint(
        shadow in 0_u64..500, online in 0_u64..500, grants in proptest::collection::vec(1_u64..200, 0..3),
        advanced in 0_u64..LIMIT, paid in 1_u64..1500,
    ) {
        let grants: Vec<_> = (1..).zip(grants).collect();
        let mut books = sender(shadow, online, &grants);
        books.advanced = advanced;
        let shop = Account::Online(SHOP);
        if let Honour::Honoured(transfers) = honour(&books, amount(paid), shop, Reason::Credit) {
            let mut balances = BTreeMap::from([
                (Account::Shadow(TA), i128::from(shadow)),
                (Account::Online(OWNER), i128::from(online)),
            ]);
            for (i, amount) in grants {
                balances.insert(Account::Open { ta: TA, i }, i128::from(amount));
            }
            let before: i128 = balances.values().sum();
            post(&mut balances, &transfers)?;
            prop_assert_eq!(balances.values().sum::<i128>(), before);
            prop_assert_eq!(balances[&shop], i128::from(paid));
            let lost = -balances.get(&Account::Loss).copied().unwrap_or(0);
            prop_assert!(lost <= i128::from(LIMIT - advanced));
        }
    }

    /// A status that fits leaves the shadow at what the TA states, unless it is owed or owes.
    #[test]
    fn a_status_that_fits_is_booked_without_overdraft(
        shadow in 0_u64..500, by_owner in 0_u64..200, by_loss in 0_u64..200,
        grant in 0_u64..300, withdrawn in 0_u64..300,
    ) {
        let grants_before: Vec<Grant> =
            Amount::try_from(grant).ok().map(|amount| Grant { i: 1, amount }).into_iter().collect();
        let withdrawals: Vec<Amount> = Amount::try_from(withdrawn).into_iter().collect();
        let holds = i128::from(shadow + grant) - i128::from(by_owner + by_loss + withdrawn);
        prop_assume!(holds >= 0);
        let stated = u64::try_from(holds).unwrap();
        let books = StatusBooks {
            stated: Balance::from_minor_units(stated),
            shadow: Balance::from_minor_units(shadow),
            advanced_by_owner: by_owner,
            advanced_by_loss: by_loss,
            grants_before,
            withdrawals,
            ..status()
        };
        let judged = judge(&books).unwrap();
        let mut balances = BTreeMap::from([
            (Account::Shadow(TA), i128::from(shadow)),
            (Account::Open { ta: TA, i: 1 }, i128::from(grant)),
        ]);
        post(&mut balances, &judged.transfers)?;

        prop_assert_eq!(balances[&Account::Shadow(TA)], i128::from(stated));
        prop_assert_eq!(judged.unbacked, 0);
    }

    /// Payments that came after a status may have been booked from what it still states.
    #[test]
    fn a_status_that_later_payments_overtook_is_booked_without_overdraft(
        shadow in 0_u64..200, by_owner in 0_u64..200, by_loss in 0_u64..200,
        paid_after in 0_u64..600, withdrawn in 0_u64..300,
    ) {
        let withdrawals: Vec<Amount> = Amount::try_from(withdrawn).into_iter().collect();
        let holds = i128::from(shadow + paid_after) - i128::from(by_owner + by_loss + withdrawn);
        prop_assume!(holds >= 0);
        let books = StatusBooks {
            stated: Balance::from_minor_units(u64::try_from(holds).unwrap()),
            shadow: Balance::from_minor_units(shadow),
            advanced_by_owner: by_owner,
            advanced_by_loss: by_loss,
            paid_after,
            withdrawals,
            ..status()
        };
        let judged = judge(&books).unwrap();
        let mut balances = BTreeMap::from([(Account::Shadow(TA), i128::from(shadow))]);

        post(&mut balances, &judged.transfers)?;
    }
}

fn post(
    balances: &mut BTreeMap<Account, i128>,
    transfers: &[Transfer],
) -> Result<(), TestCaseError> {
    for transfer in transfers {
        let amount = i128::from(units(transfer.amount));
        *balances.entry(transfer.from).or_default() -= amount;
        *balances.entry(transfer.to).or_default() += amount;
        let may_be_negative = matches!(transfer.from, Account::Loss | Account::Issued);
        prop_assert!(
            may_be_negative || balances[&transfer.from] >= 0,
            "{transfer:?}"
        );
    }

    Ok(())
}

fn honoured(books: &SenderBooks, paid: u64) -> Vec<Transfer> {
    let shop = Account::Online(SHOP);
    match honour(books, amount(paid), shop, Reason::Credit) {
        Honour::Honoured(transfers) => transfers,
        Honour::BeyondLimit => panic!("within the limit"),
    }
}

fn sender(shadow: u64, online: u64, grants: &[(u64, u64)]) -> SenderBooks {
    let grants = grants.iter().map(|(i, units)| Grant {
        i: *i,
        amount: amount(*units),
    });

    SenderBooks {
        ta: TA,
        owner: OWNER,
        shadow: Balance::from_minor_units(shadow),
        grants: grants.collect(),
        taken: 0,
        held: Balance::ZERO,
        online: Balance::from_minor_units(online),
        advanced: 0,
        advanced_max: LIMIT,
    }
}

fn status() -> StatusBooks {
    StatusBooks {
        ta: TA,
        owner: OWNER,
        stated: Balance::ZERO,
        shadow: Balance::ZERO,
        advanced_by_owner: 0,
        advanced_by_loss: 0,
        unbacked: 0,
        grants_before: Vec::new(),
        grant_last: None,
        granted_after: 0,
        paid_after: 0,
        withdrawn_after: 0,
        withdrawals: Vec::new(),
    }
}

fn amount(minor_units: u64) -> Amount {
    Amount::try_from(minor_units).unwrap()
}

fn units(amount: Amount) -> u64 {
    amount.minor_units()
}
