//! Claims and reports: one P credits once.

use ops_proto::message::{ItemOutcome, ItemRefused, SettlementState};

use super::world::World;

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const COLLECTED: ItemOutcome = ItemOutcome::Held(SettlementState::Collected);
const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);

#[tokio::test]
async fn one_payment_credits_once_whatever_is_repeated_or_raced() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 5_000).await;
    let pair = alice.pay(&shop.client_request(1_250));

    let outcomes = futures::future::join_all((0..12).map(|i| {
        let (world, pair) = (&world, &pair);
        async move {
            if i % 2 == 0 {
                world.claim(pair).await
            } else {
                world.report(pair).await
            }
        }
    }))
    .await;
    let same_batch = world
        .batch("/v1/claims", &[pair.clone(), pair.clone(), pair.clone()])
        .await;
    let world = world.restart().await;

    assert!(outcomes.iter().all(|outcome| *outcome == CREDITED));
    assert!(same_batch.iter().all(|outcome| *outcome == CREDITED));
    assert_eq!(world.claim(&pair).await, CREDITED);
    assert_eq!(world.online(&shop).await, 1_250);
    let ledger = world.check().await;
    assert_eq!((ledger.shadow, ledger.open, ledger.loss), (3_750, 0, 0));
}

#[tokio::test]
async fn a_batch_with_bad_items_settles_the_good_ones_and_names_the_bad() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 5_000).await;
    let good = alice.pay(&shop.client_request(100));
    let mut forged = alice.clone().pay(&shop.client_request(200));
    forged.request = shop.client_request(200);
    let elsewhere = World::of_another().await;
    let mut foreign = elsewhere.device("Foreign", 0).await;
    let foreign = foreign.pay(&shop.client_request(300));
    let good_too = alice.pay(&shop.client_request(400));

    let outcomes = world
        .batch("/v1/claims", &[good, forged, foreign, good_too])
        .await;

    let refused = ItemOutcome::Refused(ItemRefused::PayVerify);
    assert_eq!(outcomes, [CREDITED, refused, refused, CREDITED]);
    assert_eq!(world.online(&shop).await, 500);
    world.check().await;
}

#[tokio::test]
async fn a_claim_credits_the_receiver_whoever_sends_it() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let pair = alice.pay(&shop.client_request(1_000));

    assert_eq!(world.report(&pair).await, CREDITED);

    assert_eq!(world.online(&shop).await, 1_000);
    assert_eq!(world.online(&alice).await, 0);
}

#[tokio::test]
async fn a_payment_for_a_ta_waits_until_a_status_lists_it_as_collected() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 1_000).await;
    let pair = alice.pay(&bob.request(300));
    bob.collect(&pair);

    assert_eq!(world.claim(&pair).await, WAITING);
    assert_eq!(world.check().await.transit, 300);
    world.sync(&mut bob).await;

    assert_eq!(world.report(&pair).await, COLLECTED);
    assert_eq!(world.view(&bob).await.tas[0].shadow, 300);
    assert_eq!(world.online(&bob).await, 0);
    assert_eq!(world.check().await.transit, 0);
}

#[tokio::test]
async fn a_payment_for_a_closed_id_is_credited_online_and_never_collected() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 1_000).await;
    let early = alice.pay(&bob.request(300));
    let late = alice.pay(&bob.request(200));
    assert_eq!(world.report(&early).await, WAITING);
    bob.close_ids();
    world.sync(&mut bob).await;

    assert_eq!(world.report(&early).await, CREDITED);
    assert_eq!(world.report(&late).await, CREDITED);

    assert_eq!(world.online(&bob).await, 500);
    assert_eq!(world.view(&bob).await.tas[0].shadow, 0);
    world.check().await;
}

#[tokio::test]
async fn two_customers_who_pay_one_request_are_both_redeemed_in_one_place_each() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut carol = world.device("Carol", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 1_000).await;
    world.load(&mut carol, 1_000).await;
    let request = bob.request(300);
    let (first, second) = (alice.pay(&request), carol.pay(&request));
    assert!(bob.collect(&first));
    assert!(!bob.collect(&second));

    world.report(&first).await;
    world.report(&second).await;
    world.sync(&mut bob).await;

    assert_eq!(world.report(&first).await, COLLECTED);
    assert_eq!(world.report(&second).await, CREDITED);
    assert_eq!(world.view(&bob).await.tas[0].shadow, 300);
    assert_eq!(world.online(&bob).await, 300);
    world.check().await;
}

#[tokio::test]
async fn what_was_collected_and_spent_before_anybody_reported_it_is_honoured_and_paid_back() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 50).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let to_bob = alice.pay(&bob.request(300));
    bob.collect(&to_bob);
    let to_shop = bob.pay(&shop.client_request(300));

    assert_eq!(world.claim(&to_shop).await, CREDITED);
    assert_eq!(world.online(&shop).await, 300);
    assert_eq!(world.online(&bob).await, 0);
    assert_eq!(world.check().await.loss, 250);
    world.report(&to_bob).await;
    world.sync(&mut bob).await;

    assert_eq!(world.online(&bob).await, 50);
    assert_eq!(world.view(&bob).await.tas[0].standing, "live");
    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.transit, ledger.shadow), (0, 0, 700));
}

#[tokio::test]
async fn a_receiver_or_sender_without_a_row_is_refused_by_name_and_changes_nothing() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let pair = alice.pay(&shop.client_request(100));
    let before = world.ledger().await.online;

    // Another provider under the same root knows neither.
    let mut stranger = alice.clone();
    stranger.ta_certificate = stranger.client_certificate.clone();
    let not_a_ta = stranger.pay(&shop.client_request(100));
    assert_eq!(
        world.claim(&not_a_ta).await,
        ItemOutcome::Refused(ItemRefused::PayVerify)
    );
    assert_eq!(world.ledger().await.online, before);
    assert_eq!(world.claim(&pair).await, CREDITED);
}

#[tokio::test]
async fn claims_that_arrive_in_any_order_are_credited_and_convict_nobody() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 5_000).await;
    let pairs: Vec<_> = (0..9)
        .map(|_| alice.pay(&shop.client_request(10)))
        .collect();

    for batch in [&[4, 1, 7][..], &[5, 0], &[8, 2, 1], &[3], &[6, 4]] {
        let batch: Vec<_> = batch.iter().map(|i| pairs[*i].clone()).collect();
        let outcomes = world.batch("/v1/claims", &batch).await;
        assert!(outcomes.iter().all(|outcome| *outcome == CREDITED));
    }

    assert_eq!(world.online(&shop).await, 90);
    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
    assert_eq!(world.check().await.shadow, 5_000 - 90);
    world.sync(&mut alice).await;
}

#[tokio::test]
async fn among_claims_that_are_booked_together_each_is_judged_for_itself() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let mut carol = world.device("Carol", 1_000).await;
    let mut mallory = world.device("Mallory", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 5_000).await;
    world.load(&mut carol, 100).await;
    world.load(&mut mallory, 1_000).await;
    let first = alice.pay(&shop.client_request(10));
    let for_a_ta = alice.pay(&bob.request(20));
    let second = alice.pay(&shop.client_request(30));
    let beyond_the_shadow = carol.pay(&shop.client_request(400));
    let mut forged = alice.clone().pay(&shop.client_request(50));
    forged.request = shop.client_request(50);
    let honest = mallory.pay(&shop.client_request(1));
    let mut clone = mallory.clone();
    let (spent, spent_again) = (
        mallory.pay(&shop.client_request(2)),
        clone.pay(&shop.client_request(2)),
    );

    let outcomes = world
        .batch(
            "/v1/claims",
            &[
                first.clone(),
                spent,
                for_a_ta,
                first,
                beyond_the_shadow,
                second,
                forged,
                spent_again,
                honest,
            ],
        )
        .await;

    let evidence = ItemOutcome::Refused(ItemRefused::Evidence);
    let not_paid = ItemOutcome::Refused(ItemRefused::PayVerify);
    assert_eq!(
        outcomes,
        [
            CREDITED, CREDITED, WAITING, CREDITED, CREDITED, CREDITED, not_paid, evidence, CREDITED
        ]
    );
    assert_eq!(world.online(&shop).await, 10 + 2 + 400 + 30 + 1);
    assert_eq!(world.view(&mallory).await.tas[0].standing, "suspended");
    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
    world.check().await;
}

#[tokio::test]
async fn claims_that_come_together_and_cannot_lie_on_one_chain_convict_and_are_honoured() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut mallory = world.device("Mallory", 1_000).await;
    let shop = world.client("Shop").await;
    for payer in [&mut alice, &mut mallory] {
        world.load(payer, 1_000).await;
        // Its status shows that it has the money: its claims could be booked without a second look.
        world.sync(payer).await;
    }
    let honest: Vec<_> = (0..3)
        .map(|_| alice.pay(&shop.client_request(100)))
        .collect();
    let mut clone = mallory.clone();
    let first = mallory.pay(&shop.client_request(10));
    // The clone has another past, though no number of its second payment was used twice.
    clone.pay(&shop.client_request(20));
    let second = clone.pay(&shop.client_request(30));

    let batch = [vec![first], honest, vec![second]].concat();
    let outcomes = world.batch("/v1/claims", &batch).await;

    assert_eq!(outcomes, [CREDITED; 5]);
    assert_eq!(world.view(&mallory).await.tas[0].standing, "suspended");
    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
    assert!(world.evidence().await[0].verify().is_ok());
    assert_eq!(world.online(&shop).await, 340);
    world.check().await;
}

#[tokio::test]
async fn of_two_claims_with_one_number_that_come_together_one_is_credited() {
    let world = World::new().await;
    let mut mallory = world.device("Mallory", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut mallory, 1_000).await;
    world.sync(&mut mallory).await;
    let mut clone = mallory.clone();
    let before = mallory.pay(&shop.client_request(1));
    let spent = mallory.pay(&shop.client_request(10));
    clone.pay(&shop.client_request(1));
    let spent_again = clone.pay(&shop.client_request(10));

    let outcomes = world
        .batch("/v1/claims", &[before, spent, spent_again])
        .await;

    let evidence = ItemOutcome::Refused(ItemRefused::Evidence);
    assert_eq!(outcomes, [CREDITED, CREDITED, evidence]);
    assert_eq!(world.view(&mallory).await.tas[0].standing, "suspended");
    assert_eq!(world.online(&shop).await, 11);
    world.check().await;
}

#[tokio::test]
async fn a_gap_before_hides_no_forged_statement_that_comes_with_it() {
    for with_gap in [false, true] {
        let world = World::new().await;
        let mut mallory = world.device("Mallory", 10_000).await;
        let shop = world.client("Shop").await;
        world.load(&mut mallory, 5_000).await;
        world.sync(&mut mallory).await;
        let kept_back = mallory.pay(&shop.client_request(1));
        let (mut pairs, mut clone) = (Vec::new(), None);
        for number in 0..100 {
            if number == 90 {
                clone = Some(mallory.clone());
            }
            pairs.push(mallory.pay(&shop.client_request(1)));
        }
        let outcomes = world.batch("/v1/claims", &pairs).await;
        assert!(outcomes.iter().all(|outcome| *outcome == CREDITED));
        let mut clone = clone.unwrap();
        // The clone's j is its own: only n tells.
        clone.chain.j = 10_000;
        let forged = clone.pay(&shop.client_request(1_000));

        let batch = if with_gap {
            vec![kept_back, forged]
        } else {
            vec![forged]
        };
        world.batch("/v1/claims", &batch).await;

        let view = world.view(&mallory).await;
        assert_eq!(view.tas[0].standing, "suspended", "{with_gap}");
    }
}
