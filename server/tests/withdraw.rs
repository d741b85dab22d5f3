//! Withdraw: the TA has debited itself, so nothing is lost whatever the server thinks of the TA.

use blepay_server::admin::{Office, Standing};
use ops_proto::message::{ItemOutcome, SettlementState};
use ops_proto::statement::Contradiction;

use super::world::{Device, World};

pub(super) async fn suspend(world: &World, device: &Device) {
    let mut office = Office::open(world.data.path()).await.unwrap();
    let ta = device.ta_key();
    let suspended = Standing::Suspended;
    office.set_standing(&ta, suspended, "test").await.unwrap();
}

#[tokio::test]
async fn a_withdrawal_is_booked_once_and_acknowledged_with_the_same_bytes() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    let order = alice.withdraw(300).to_wire();

    let first = world.post("/v1/withdrawals", order.clone()).await.unwrap();
    let again = world.post("/v1/withdrawals", order.clone()).await.unwrap();
    let world = world.restart().await;
    let after = world.post("/v1/withdrawals", order).await.unwrap();

    assert_eq!((&first, &first), (&again, &after));
    assert_eq!(world.online(&alice).await, 500);
    world.sync(&mut alice).await;
    world.sync(&mut alice).await;
    assert_eq!(world.online(&alice).await, 500);
    assert_eq!(world.check().await.shadow, 500);
}

#[tokio::test]
async fn a_withdrawal_that_a_status_brought_first_is_acknowledged_and_moves_nothing_more() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    let order = alice.withdraw(300);
    world.sync(&mut alice).await;
    assert_eq!(world.online(&alice).await, 500);

    let first = world.withdraw(&order).await.unwrap();
    assert_eq!(world.withdraw(&order).await.unwrap(), first);

    assert_eq!(first.body().order, order.hash());
    assert_eq!(world.online(&alice).await, 500);
    world.load(&mut alice, 100).await;
    world.sync(&mut alice).await;
    assert_eq!(world.check().await.shadow, 600);
}

#[tokio::test]
async fn withdrawals_raced_move_once() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    let order = alice.withdraw(300);

    let answers = futures::future::join_all((0..8).map(|_| world.withdraw(&order))).await;

    let first = answers[0].clone().unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref() == Ok(&first)));
    assert_eq!(world.online(&alice).await, 500);
}

#[tokio::test]
async fn a_withdrawal_before_which_others_are_missing_is_booked_once_they_came() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    let first = alice.withdraw(300);
    let second = alice.withdraw(200);

    let early = world.withdraw(&second).await.unwrap_err();
    assert_eq!((early.status, early.code.as_str()), (409, "counter-gap"));
    assert!(early.hint.contains("oldest first"), "{}", early.hint);
    assert_eq!(world.online(&alice).await, 200);
    world.withdraw(&first).await.unwrap();
    world.withdraw(&second).await.unwrap();

    assert_eq!(world.online(&alice).await, 700);
    world.sync(&mut alice).await;
    assert_eq!(world.check().await.shadow, 300);
}

#[tokio::test]
async fn what_a_suspended_ta_withdraws_waits_and_is_never_refused() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 800).await;
    suspend(&world, &alice).await;
    let order = alice.withdraw(300);

    world.withdraw(&order).await.unwrap();

    assert_eq!(world.online(&alice).await, 200);
    let ledger = world.check().await;
    assert_eq!((ledger.held, ledger.shadow), (300, 500));
    // Its payments are paid from the shadow, then from what waits, and only then by its owner.
    let late = alice.pay(&shop.client_request(700));
    world.claim(&late).await;
    let ledger = world.check().await;
    assert_eq!((ledger.held, ledger.shadow), (100, 0));
    assert_eq!(world.online(&alice).await, 200);
}

#[tokio::test]
async fn what_a_live_ta_withdraws_beyond_its_shadow_waits_for_the_status_that_brings_it() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 1_000).await;
    world.load(&mut alice, 500).await;
    world.load(&mut bob, 400).await;
    let pair = bob.pay(&alice.request(300));
    alice.collect(&pair);
    let order = alice.withdraw(700);

    world.withdraw(&order).await.unwrap();

    assert_eq!(world.online(&alice).await, 500);
    assert_eq!(world.check().await.held, 500);
    world.report(&pair).await;
    world.sync(&mut alice).await;
    assert_eq!(world.online(&alice).await, 1_200);
    let ledger = world.check().await;
    assert_eq!((ledger.held, ledger.loss, alice.balance), (0, 0, 100));
    world.sync(&mut alice).await;
    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
}

#[tokio::test]
async fn two_withdrawals_with_one_counter_convict_the_ta_and_only_one_is_booked() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    let mut rolled_back = alice.clone();
    world.withdraw(&alice.withdraw(300)).await.unwrap();

    let refused = world
        .withdraw(&rolled_back.withdraw(301))
        .await
        .unwrap_err();

    assert_eq!((refused.status, refused.code.as_str()), (409, "evidence"));
    assert_eq!(world.view(&alice).await.tas[0].standing, "suspended");
    assert_eq!(world.online(&alice).await, 500);
    let evidence = world.evidence().await;
    assert_eq!(evidence[0].verify(), Ok(Contradiction::SameNumber));
    world.check().await;
}

#[tokio::test]
async fn a_withdrawal_that_convicts_its_ta_is_booked_all_the_same() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 800).await;
    let mut clone = alice.clone();
    world.claim(&clone.pay(&shop.client_request(100))).await;
    let order = alice.withdraw(300);

    world.withdraw(&order).await.unwrap();

    assert_eq!(world.view(&alice).await.tas[0].standing, "suspended");
    assert_eq!(world.online(&alice).await, 200);
    assert_eq!(world.check().await.held, 300);
}

#[tokio::test]
async fn a_deposit_and_a_withdrawal_never_share_a_counter() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 500).await;
    let mut clone = alice.clone();
    world.withdraw(&alice.withdraw(100)).await.unwrap();

    let refused = world.deposit(&clone.deposit_open(200)).await.unwrap_err();

    assert_eq!(refused.code, "evidence");
    assert_eq!(world.online(&alice).await, 600);
    world.check().await;
}

#[tokio::test]
async fn a_withdrawal_shows_that_the_grant_before_was_taken() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 500).await;
    assert_eq!(world.check().await.open, 500);

    world.withdraw(&alice.withdraw(100)).await.unwrap();

    let ledger = world.check().await;
    assert_eq!((ledger.open, ledger.shadow), (0, 400));
}

#[tokio::test]
async fn a_withdrawal_of_a_stranger_or_with_a_foreign_signature_is_refused() {
    let world = World::new().await;
    let mut stranger = Device::new("Stranger");
    let order = stranger.withdraw(100);
    let refused = world.withdraw(&order).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (404, "ta-unknown"));

    let mut alice = world.device("Alice", 1_000).await;
    let mut wire = alice.withdraw(100).to_wire();
    *wire.last_mut().unwrap() ^= 1;
    let refused = world.post("/v1/withdrawals", wire).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (403, "signature"));
}

#[tokio::test]
async fn what_a_revoked_or_dead_ta_withdraws_waits_and_is_acknowledged() {
    let world = World::new().await;
    for end in ["revoked", "dead"] {
        let mut alice = world.device(&format!("Alice, {end}"), 1_000).await;
        world.load(&mut alice, 800).await;
        let held = world.check().await.held;
        let order = alice.withdraw(300);
        if end == "revoked" {
            let mut office = Office::open(world.data.path()).await.unwrap();
            let ta = alice.ta_key();
            let revoked = Standing::Revoked;
            office.set_standing(&ta, revoked, "stolen").await.unwrap();
        } else {
            world.report_death(&alice, alice.ta_key()).await.unwrap();
        }

        let ack = world.withdraw(&order).await.unwrap();

        assert_eq!(ack.body().order, order.hash());
        assert_eq!(world.withdraw(&order).await.unwrap(), ack);
        assert_eq!(world.online(&alice).await, 200);
        let now_held = if end == "revoked" { 300 } else { 800 };
        assert_eq!(world.check().await.held - held, now_held, "{end}");
    }
}

#[tokio::test]
async fn neither_revocation_nor_death_stops_a_report_or_a_claim() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 800).await;
    let to_shop = alice.pay(&shop.client_request(100));
    let to_bob = alice.pay(&bob.request(200));
    bob.collect(&to_bob);
    for device in [&alice, &bob] {
        let mut office = Office::open(world.data.path()).await.unwrap();
        let ta = device.ta_key();
        let revoked = Standing::Revoked;
        office.set_standing(&ta, revoked, "stolen").await.unwrap();
    }

    let credited = ItemOutcome::Held(SettlementState::Credited);
    let waiting = ItemOutcome::Held(SettlementState::Waiting);
    assert_eq!(world.claim(&to_shop).await, credited);
    assert_eq!(world.report(&to_bob).await, waiting);
    // Its owner says that it is gone: what it had collected waits for the owner.
    world.report_death(&bob, bob.ta_key()).await.unwrap();
    assert_eq!(world.report(&to_bob).await, credited);

    assert_eq!(world.online(&shop).await, 100);
    assert_eq!(world.check().await.held, 200);
}
