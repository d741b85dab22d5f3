//! Clients that the provider suspends or revokes: nothing new for them, and what is their own stays theirs.

use blepay_server::admin::{Office, Standing};
use ops_proto::message::{ItemOutcome, ListsHeld, ListsQuery, SettlementState};

use super::world::World;

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);

/// Asks for everything.
fn query() -> ListsQuery {
    ListsQuery {
        held: ListsHeld::default(),
        after: None,
    }
}

#[tokio::test]
async fn a_revoked_client_is_listed_with_its_ta_and_keeps_what_is_its_own() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 1_000).await;
    world.load(&mut alice, 400).await;
    world.load(&mut bob, 300).await;
    let paid = bob.pay(&alice.client_request(200));
    let mut office = Office::open(world.data.path()).await.unwrap();
    let key = alice.client_key();

    let suspended = office
        .set_client_standing(&key, Standing::Suspended, "asked for")
        .await
        .unwrap();
    assert_eq!(suspended.tas[0].standing, "suspended");
    assert_eq!(world.lists(&query()).await.pieces.len(), 0);
    let ta = alice.ta_key();
    let live = office.set_standing(&ta, Standing::Live, "no").await;
    assert!(live.is_err(), "its client is suspended");
    let live = Standing::Live;
    office
        .set_client_standing(&key, live, "found")
        .await
        .unwrap();
    office
        .set_standing(&alice.ta_key(), live, "found")
        .await
        .unwrap();
    for _ in 0..2 {
        let revoked = Standing::Revoked;
        let view = office.set_client_standing(&key, revoked, "a thief").await;
        assert_eq!(view.unwrap().tas[0].standing, "suspended");
    }

    let update = world.lists(&query()).await;
    let mut keys = vec![key, alice.ta_key()];
    keys.sort();
    let entries = &update.pieces[0].body().entries;
    let listed: Vec<_> = entries.iter().map(|entry| entry.key).collect();
    assert_eq!(listed, keys);
    assert!(office.set_client_standing(&key, live, "no").await.is_err());
    // No new certificate and no new TA, for the client or after it.
    let refused = world.renew(&alice.client(), 1).await.unwrap_err();
    assert_eq!(refused.code, "suspended");
    let mut next = alice.with_new_ta();
    assert_eq!(
        next.register_ta(&world).await.unwrap_err().code,
        "suspended"
    );
    // What it is owed and what it gives back is booked as ever.
    assert_eq!(world.claim(&paid).await, CREDITED);
    assert_eq!(world.online(&alice).await, 800);
    let withdraw = alice.withdraw(100);
    assert!(world.withdraw(&withdraw).await.is_ok());
    let report = alice.pay(&bob.client_request(50));
    assert_eq!(world.report(&report).await, CREDITED);
    world.check().await;
}
