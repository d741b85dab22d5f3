//! Mailbox: what anyone hands in for a TA waits until a status of it lists the id.

use ops_proto::Signed;
use ops_proto::message::{ItemOutcome, MailboxQuery, SettlementState};

use super::world::World;

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const COLLECTED: ItemOutcome = ItemOutcome::Held(SettlementState::Collected);
const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);

#[tokio::test]
async fn a_payment_waits_for_a_ta_until_a_status_lists_its_id() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 500).await;
    let (first, second) = (bob.request(100), bob.request(200));
    let (first, second) = (alice.pay(&first), alice.pay(&second));
    assert_eq!(world.report(&first).await, WAITING);
    assert_eq!(world.report(&second).await, WAITING);
    assert_eq!(world.report(&second).await, WAITING);

    let answer = world.mailbox(&bob, 0).await.unwrap();
    assert_eq!(answer.pairs.to_vec(), [first.clone(), second.clone()]);
    assert_eq!(*answer.providers, *std::slice::from_ref(&world.provider));
    assert_eq!((answer.ta, answer.next), (bob.ta_key(), None));

    // One is collected, the other's id is closed: credited online, in one place each.
    assert!(bob.collect(&first));
    bob.close_ids();
    world.sync(&mut bob).await;
    assert_eq!(world.mailbox(&bob, 0).await.unwrap().pairs.len(), 0);
    assert_eq!(world.report(&first).await, COLLECTED);
    assert_eq!(world.report(&second).await, CREDITED);
    assert_eq!((world.online(&bob).await, bob.balance), (200, 100));
    assert_eq!(world.check().await.transit, 0);
}

#[tokio::test]
async fn a_mailbox_is_read_in_pages() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 500).await;
    let requests: Vec<_> = (0..70).map(|_| bob.request(1)).collect();
    let pairs: Vec<_> = requests.iter().map(|request| alice.pay(request)).collect();
    world.batch("/v1/reports", &pairs).await;

    let mut read = Vec::new();
    let mut after = Some(0);
    while let Some(from) = after {
        let answer = world.mailbox(&bob, from).await.unwrap();
        read.extend(answer.pairs.into_vec());
        after = answer.next;
    }

    let hashes = |pairs: &[ops_proto::PaymentPair]| {
        let mut hashes: Vec<_> = pairs.iter().map(ops_proto::PaymentPair::hash).collect();
        hashes.sort();
        hashes
    };
    assert_eq!(hashes(&read), hashes(&pairs));
}

#[tokio::test]
async fn a_mailbox_is_read_only_by_the_owner() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 500).await;
    let pair = alice.pay(&bob.request(100));
    world.report(&pair).await;
    let refused = world.mailbox(&alice.with_ta_of(&bob), 0).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (404, "ta-unknown"));

    let query = MailboxQuery {
        client: bob.client_key(),
        ta: bob.ta_key(),
        after: 0,
        challenge: world.challenge(bob.client_key()).await,
    };
    let forged = Signed::sign(query, &alice.client()).to_wire();
    let refused = world.post("/v1/mailbox", forged).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (403, "signature"));
    assert_eq!(world.mailbox(&bob, u64::MAX).await.unwrap().pairs.len(), 0);
    assert_eq!(world.mailbox(&bob, 0).await.unwrap().pairs.len(), 1);
}

#[tokio::test]
async fn what_an_unknown_or_forging_sender_signed_is_kept_for_nobody() {
    let world = World::new().await;
    let elsewhere = World::of_another().await;
    let mut stranger = elsewhere.device("Stranger", 1_000).await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 500).await;
    let other_root = stranger.pay(&bob.request(100));
    world.report(&other_root).await;
    let mut clone = alice.clone();
    let honest = alice.pay(&bob.request(100));
    let forged = clone.pay(&bob.request(100));
    world.report(&honest).await;
    world.report(&forged).await;

    let answer = world.mailbox(&bob, 0).await.unwrap();

    assert_eq!(answer.pairs.to_vec(), [honest]);
}
