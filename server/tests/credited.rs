//! Who was paid learns from the server which payments reached the account, whoever handed them in.

use ops_proto::message::CreditedQuery;
use ops_proto::{Digest, PaymentPair, Signed};

use super::world::World;

#[tokio::test]
async fn a_client_is_told_once_of_each_payment_that_was_credited_to_it_and_given_those_that_it_wants()
 {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let (shop, other) = (world.client("Shop").await, world.client("Other").await);
    world.load(&mut alice, 500).await;
    let (first, second) = (shop.client_request(100), shop.client_request(50));
    let (first, second) = (alice.pay(&first), alice.pay(&second));
    let for_other = alice.pay(&other.client_request(10));
    assert_eq!(
        world.credited(&shop, 0, &[]).await.unwrap().payments.len(),
        0
    );
    world.report(&first).await;
    world.report(&for_other).await;

    let answer = world.credited(&shop, 0, &[]).await.unwrap();
    assert_eq!(answer.payments.to_vec(), [first.hash()]);
    assert_eq!((answer.client, answer.more), (shop.client_key(), false));
    assert!(answer.pairs.is_empty() && answer.providers.is_empty());

    // What was seen before moves nothing, and is not told of again.
    world.report(&first).await;
    world.claim(&second).await;
    let wanted = [for_other.hash(), first.hash(), second.hash()];
    let later = world.credited(&shop, answer.next, &wanted).await.unwrap();
    assert_eq!(later.payments.to_vec(), [second.hash()]);
    assert_eq!(*later.pairs, *std::slice::from_ref(&second));
    assert_eq!(*later.providers, *std::slice::from_ref(&world.provider));
    let all = world.credited(&shop, 0, &wanted).await.unwrap();
    assert_eq!(all.pairs.to_vec(), [first, second]);
    let end = world.credited(&shop, all.next, &wanted).await.unwrap();
    assert_eq!((end.payments.len(), end.pairs.len()), (0, 0));
    assert_eq!(end.next, all.next);
    let beyond = world.credited(&shop, u64::MAX, &wanted).await.unwrap();
    assert_eq!((beyond.payments.len(), beyond.next), (0, u64::MAX));
}

#[tokio::test]
async fn what_was_credited_for_a_request_that_its_ta_had_closed_is_told_too() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 500).await;
    let at_once = alice.pay(&bob.request(100));
    let waited = alice.pay(&bob.request(200));
    world.report(&waited).await;
    assert_eq!(
        world.credited(&bob, 0, &[]).await.unwrap().payments.len(),
        0
    );
    bob.close_ids();
    world.sync(&mut bob).await;
    world.report(&at_once).await;

    let wanted = [at_once.hash(), waited.hash()];
    let answer = world.credited(&bob, 0, &wanted).await.unwrap();

    assert_eq!(world.online(&bob).await, 300);
    assert_eq!(answer.payments.to_vec(), [waited.hash(), at_once.hash()]);
    assert_eq!(answer.pairs.to_vec(), [waited, at_once]);
}

#[tokio::test]
async fn what_was_credited_is_told_in_pages() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 5_000).await;
    let pairs: Vec<_> = (1..=MORE_THAN_AN_ANSWER)
        .map(|_| alice.pay(&shop.client_request(1)))
        .collect();
    world.batch("/v1/reports", &pairs).await;

    let (mut told, mut after) = (Vec::new(), 0);
    loop {
        let answer = world.credited(&shop, after, &[]).await.unwrap();
        told.extend(answer.payments.into_vec());
        after = answer.next;
        if !answer.more {
            break;
        }
    }

    let mut expected: Vec<Digest> = pairs.iter().map(PaymentPair::hash).collect();
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
}

/// More payments than the server has in one answer.
const MORE_THAN_AN_ANSWER: u64 = 260;

#[tokio::test]
async fn only_the_client_itself_is_told_what_was_credited_to_it() {
    let world = World::new().await;
    let (shop, other) = (world.client("Shop").await, world.client("Other").await);
    let query = CreditedQuery {
        client: shop.client_key(),
        after: 0,
        wanted: ops_proto::list::List::empty(),
        challenge: world.challenge(shop.client_key()).await,
    };

    let forged = Signed::sign(query.clone(), &other.client()).to_wire();
    let refused = world.post("/v1/credited", forged).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (403, "signature"));
    let own = Signed::sign(query, &shop.client()).to_wire();
    assert!(world.post("/v1/credited", own.clone()).await.is_ok());
    let refused = world.post("/v1/credited", own).await.unwrap_err();
    assert_eq!(refused.code, "challenge");
    let nobody = super::world::Device::new("Nobody");
    let refused = world.credited(&nobody, 0, &[]).await.unwrap_err();
    assert_eq!(refused.code, "client-unknown");
}
