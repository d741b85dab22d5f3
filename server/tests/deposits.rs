//! Deposit: one answer for each i.

use ops_proto::message::{DepositOutcome, DepositRefusal};
use ops_proto::signed::encode;

use super::world::World;

#[tokio::test]
async fn a_deposit_asked_twice_is_answered_with_the_same_bytes_and_moves_once() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let order = encode(&alice.deposit_open(5_000));

    let first = world.post("/v1/deposits", order.clone()).await.unwrap();
    let again = world.post("/v1/deposits", order.clone()).await.unwrap();
    let world = world.restart().await;
    let after = world.post("/v1/deposits", order).await.unwrap();

    assert_eq!(first, again);
    assert_eq!(first, after);
    assert_eq!(world.online(&alice).await, 5_000);
    assert_eq!(world.check().await.open, 5_000);
}

#[tokio::test]
async fn deposits_raced_move_once() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let order = alice.deposit_open(6_000);

    let answers = futures_of(8, || world.deposit(&order)).await;

    let first = answers[0].clone().unwrap();
    assert!(
        answers
            .iter()
            .all(|answer| answer.clone().unwrap() == first)
    );
    assert_eq!(world.online(&alice).await, 4_000);
}

#[tokio::test]
async fn a_refusal_closes_its_i_and_is_stored() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let order = alice.deposit_open(1_001);
    let refused = world.deposit(&order).await.unwrap();
    assert_eq!(
        refused.body().outcome,
        DepositOutcome::Refused(DepositRefusal::Balance)
    );
    alice.deposit_close(&refused);

    world.credit(&alice, 500).await;
    assert_eq!(world.deposit(&order).await.unwrap(), refused);
    world.load(&mut alice, 1_200).await;

    assert_eq!(alice.balance, 1_200);
    assert_eq!(world.online(&alice).await, 300);
    world.check().await;
}

#[tokio::test]
async fn a_counter_that_leaves_a_gap_is_refused_and_heals_by_a_status() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    alice.deposit_open(100);
    let order = alice.deposit_open(200);
    let refused = world.deposit(&order).await.unwrap();
    assert_eq!(
        refused.body().outcome,
        DepositOutcome::Refused(DepositRefusal::Counter)
    );
    alice.deposit_close(&refused);

    world.sync(&mut alice).await;
    world.load(&mut alice, 300).await;

    assert_eq!(alice.balance, 300);
    world.sync(&mut alice).await;
    assert_eq!(world.check().await.shadow, 300);
}

#[tokio::test]
async fn a_deposit_without_the_owners_endorsement_is_refused_and_moves_nothing() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let mallory = world.device("Mallory", 0).await;
    let order = alice.deposit_open(5_000);
    let other = mallory.endorse(order.open.clone());

    let refused = world.deposit(&other).await.unwrap_err();

    assert_eq!((refused.status, refused.code.as_str()), (403, "signature"));
    assert_eq!(world.online(&alice).await, 10_000);
    assert!(world.deposit(&order).await.is_ok());
}

#[tokio::test]
async fn two_deposits_with_one_i_convict_the_ta() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let mut rolled_back = alice.clone();
    world.load(&mut alice, 1_000).await;

    let refused = world
        .deposit(&rolled_back.deposit_open(2_000))
        .await
        .unwrap_err();

    assert_eq!((refused.status, refused.code.as_str()), (409, "evidence"));
    assert_eq!(world.view(&alice).await.tas[0].standing, "suspended");
    assert_eq!(world.online(&alice).await, 9_000);
    let next = world.deposit(&alice.deposit_open(1)).await.unwrap();
    assert_eq!(
        next.body().outcome,
        DepositOutcome::Refused(DepositRefusal::Suspended)
    );
}

async fn futures_of<T, F: Future<Output = T>>(n: usize, make: impl Fn() -> F) -> Vec<T> {
    futures::future::join_all((0..n).map(|_| make())).await
}
