//! The chain of a TA: one history, and evidence of a second one.

use ops_proto::message::{DepositOpen, Payment};
use ops_proto::statement::{
    ChainBroken, ChainEnd, ChainPosition, Contradiction, Evidence, EvidenceRefused, Moves,
    Statement,
};
use ops_proto::{PaymentPair, SecretKey, Signed};

use crate::kit::{World, amount, digest};

fn deposit(world: &World, position: ChainPosition, minor_units: u64) -> Statement {
    let body = DepositOpen {
        ta: world.payer_ta.public_key(),
        position,
        amount: amount(minor_units),
    };

    Statement::DepositOpen(Signed::sign(body, &world.payer_ta))
}

fn payment(world: &World, position: ChainPosition, request_hash: u8) -> Statement {
    let body = Payment {
        position,
        request_hash: digest(request_hash),
        ..world.payment_body()
    };

    Statement::Payment(PaymentPair {
        payment: Signed::sign(body, &world.payer_ta),
        request: world.request(),
    })
}

/// deposit, payment, payment: an honest history.
fn honest(world: &World) -> [Statement; 3] {
    let first = deposit(world, ChainEnd::START.next(Moves::I), 5000);
    let end = ChainEnd::START.follow(&first).expect("the first follows");
    let second = payment(world, end.next(Moves::J), 1);
    let end = end.follow(&second).expect("the second follows");
    let third = payment(world, end.next(Moves::J), 2);

    [first, second, third]
}

fn convict(first: &Statement, second: &Statement) -> Result<Contradiction, EvidenceRefused> {
    let evidence = Evidence {
        first: first.clone(),
        second: second.clone(),
    };
    let turned = Evidence {
        first: second.clone(),
        second: first.clone(),
    };
    assert_eq!(
        evidence.verify(),
        turned.verify(),
        "the order must not matter"
    );

    evidence.verify()
}

#[test]
fn no_two_statements_of_one_honest_history_convict() {
    let world = World::new();
    let chain = honest(&world);

    for first in &chain {
        for second in &chain {
            assert_eq!(
                convict(first, second),
                Err(EvidenceRefused::NoContradiction)
            );
        }
    }
}

#[test]
fn a_gap_or_another_history_does_not_follow() {
    let world = World::new();
    let [first, second, third] = honest(&world);
    let end = ChainEnd::START.follow(&first).expect("the first follows");

    assert_eq!(end.follow(&third), Err(ChainBroken { after: 1, found: 3 }));
    assert!(end.follow(&second).is_ok());
    assert!(ChainEnd::START.follow(&second).is_err());
}

#[test]
fn each_contradiction_convicts_by_name() {
    let world = World::new();
    let [_, second, third] = honest(&world);
    let at = *second.position();

    let twin = payment(&world, at, 9);
    assert_eq!(convict(&second, &twin), Ok(Contradiction::SameNumber));

    let later = payment(&world, ChainPosition { n: at.n + 5, ..at }, 9);
    assert_eq!(convict(&second, &later), Ok(Contradiction::SamePayment));

    let next = *third.position();
    let other_past = payment(
        &world,
        ChainPosition {
            previous: digest(7),
            ..next
        },
        9,
    );
    assert_eq!(convict(&second, &other_past), Ok(Contradiction::OtherPast));

    let later = |i, j| ChainPosition {
        n: next.n + 3,
        i,
        j,
        previous: digest(7),
    };
    let fell = deposit(&world, later(2, 0), 1);
    assert_eq!(convict(&third, &fell), Ok(Contradiction::CounterFell));
    let fell = payment(&world, later(0, 3), 9);
    assert_eq!(convict(&third, &fell), Ok(Contradiction::CounterFell));

    let [deposited, ..] = honest(&world);
    let again = deposit(
        &world,
        ChainPosition {
            n: 9,
            i: 1,
            j: 2,
            previous: digest(7),
        },
        1,
    );
    assert_eq!(convict(&deposited, &again), Ok(Contradiction::SameDeposit));
}

#[test]
fn nobody_is_convicted_by_statements_that_others_signed() {
    let world = World::new();
    let [_, second, _] = honest(&world);
    let stranger = SecretKey::from_seed(&[99; 32]);
    let body = Payment {
        position: *second.position(),
        ..world.payment_body()
    };
    let forged = Statement::Payment(PaymentPair {
        payment: Signed::sign(body, &stranger),
        request: world.request(),
    });

    assert!(matches!(
        convict(&second, &forged),
        Err(EvidenceRefused::Signature(_))
    ));
}

#[test]
fn statements_of_two_tas_convict_nobody() {
    let world = World::new();
    let [first, ..] = honest(&world);
    let other = DepositOpen {
        ta: world.payee_ta.public_key(),
        position: *first.position(),
        amount: amount(1),
    };
    let other = Statement::DepositOpen(Signed::sign(other, &world.payee_ta));

    assert_eq!(convict(&first, &other), Err(EvidenceRefused::OtherTa));
}
