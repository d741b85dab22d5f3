//! Retire and the dead TA: how a TA ends, and that what it held reaches its owner, once.

use ops_proto::message::{ItemOutcome, ListsQuery, SettlementState};
use ops_proto::signed::encode;

use super::realm::eventually;
use super::withdraw::suspend;
use super::world::{Device, World, now};

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);
const DAY_MS: u64 = 24 * 3600 * 1000;

/// Makes the past of a death's wait: what was payable later is payable now.
const PAYABLE_NOW: &str = "UPDATE deaths SET payable_from_ms = 0";

fn no_lists() -> ListsQuery {
    ListsQuery {
        held: ops_proto::message::ListsHeld::default(),
        after: None,
    }
}

#[tokio::test]
async fn what_a_retired_ta_held_is_paid_at_once_and_the_answer_is_the_same_bytes() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 800).await;
    alice.pay(&shop.client_request(100));
    world.withdraw(&alice.withdraw(50)).await.unwrap();
    let order = encode(&alice.retire());

    let first = world.post("/v1/retirements", order.clone()).await.unwrap();
    let again = world.post("/v1/retirements", order.clone()).await.unwrap();
    let world = world.restart().await;
    let after = world.post("/v1/retirements", order).await.unwrap();

    assert_eq!((&first, &first), (&again, &after));
    assert_eq!(world.online(&alice).await, 900);
    assert_eq!(world.online(&shop).await, 100);
    assert_eq!(world.view(&alice).await.tas[0].standing, "retired");
    let ledger = world.check().await;
    assert_eq!((ledger.shadow, ledger.held), (0, 0));
    let mut next = alice.with_new_ta();
    next.register_ta(&world).await.unwrap();
    world.load(&mut next, 300).await;
    assert_eq!(next.balance, 300);
}

#[tokio::test]
async fn a_ta_retires_only_with_a_chain_without_gaps() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 800).await;
    alice.pay(&shop.client_request(100));
    let whole = alice.retire();
    let mut gap = whole.clone();
    let mut chain = gap.chain.into_vec();
    chain.remove(0);
    gap.chain = chain.try_into().unwrap();

    let refused = world.retire(&gap).await.unwrap_err();

    assert_eq!((refused.status, refused.code.as_str()), (409, "chain-gap"));
    assert_eq!(world.online(&alice).await, 200);
    assert_eq!(world.retire(&whole).await.unwrap().paid.minor_units(), 700);
}

#[tokio::test]
async fn nothing_follows_the_statement_with_which_a_ta_retires() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    world.retire(&alice.retire()).await.unwrap();

    let status = world.status(&alice.status_open()).await.unwrap_err();
    assert_eq!((status.status, status.code.as_str()), (400, "malformed"));
}

#[tokio::test]
async fn a_payment_for_a_retired_ta_is_credited_to_its_owner() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 800).await;
    let (early, late) = (bob.request(100), bob.request(200));
    let early = alice.pay(&early);
    assert_eq!(world.report(&early).await, WAITING);
    assert_eq!(
        world
            .retire(&bob.retire())
            .await
            .unwrap()
            .paid
            .minor_units(),
        0
    );
    assert_eq!(world.online(&bob).await, 100);

    let late = alice.pay(&late);
    assert_eq!(world.report(&late).await, CREDITED);
    assert_eq!(world.report(&early).await, CREDITED);

    assert_eq!(world.online(&bob).await, 300);
    assert_eq!(world.check().await.transit, 0);
}

#[tokio::test]
async fn what_a_ta_suspended_without_evidence_retires_with_waits() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    suspend(&world, &alice).await;

    let answer = world.retire(&alice.retire()).await.unwrap();

    assert_eq!(
        (answer.paid.minor_units(), answer.held.minor_units()),
        (0, 800)
    );
    assert_eq!(world.online(&alice).await, 200);
    let mut next = alice.with_new_ta();
    next.register_ta(&world).await.unwrap();
    world.sql(PAYABLE_NOW).await;
    let death = world.report_death(&alice, alice.ta_key()).await.unwrap();
    assert_eq!(
        (death.paid.minor_units(), death.held.minor_units()),
        (800, 0)
    );
    assert_eq!(world.online(&alice).await, 1_000);
    world.check().await;
}

#[tokio::test]
async fn a_retirement_that_lies_convicts_and_then_its_money_waits() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    let order = alice.retire_with_balance(5_000);

    let refused = world.retire(&order).await.unwrap_err();
    assert_eq!(refused.code, "books-differ");
    let answer = world.retire(&order).await.unwrap();

    assert_eq!(
        (answer.paid.minor_units(), answer.held.minor_units()),
        (0, 800)
    );
    assert_eq!(world.online(&alice).await, 200);
    world.check().await;
}

#[tokio::test]
async fn what_a_dead_ta_held_waits_until_its_certificate_and_the_claim_window_have_ended() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 500).await;
    world.sync(&mut alice).await;
    world.deposit(&alice.deposit_open(100)).await.unwrap();

    let death = world.report_death(&alice, alice.ta_key()).await.unwrap();
    let again = world.report_death(&alice, alice.ta_key()).await.unwrap();

    let end = alice.ta_certificate.as_ref().unwrap().body().not_after;
    assert_eq!(death.payable_from, end.saturating_add_ms(30 * DAY_MS));
    assert_eq!(
        (death.held.minor_units(), death.paid.minor_units()),
        (600, 0)
    );
    assert_eq!(
        (again.held, again.paid, again.payable_from),
        (death.held, death.paid, death.payable_from)
    );
    assert_eq!(world.online(&alice).await, 400);
    let ledger = world.check().await;
    assert_eq!((ledger.shadow, ledger.open, ledger.held), (0, 0, 600));
    world.sql(PAYABLE_NOW).await;
    let paid = world.report_death(&alice, alice.ta_key()).await.unwrap();
    assert_eq!((paid.held.minor_units(), paid.paid.minor_units()), (0, 600));
    assert_eq!(world.online(&alice).await, 1_000);
    assert_eq!(
        world
            .report_death(&alice, alice.ta_key())
            .await
            .unwrap()
            .paid,
        paid.paid
    );
    world.check().await;
}

#[tokio::test]
async fn what_is_payable_is_paid_though_nobody_asks() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 500).await;
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    world.sql(PAYABLE_NOW).await;

    // The job runs when the server starts, and then by the clock.
    let world = world.restart().await;

    eventually("paid", async || world.online(&alice).await == 1_000).await;
    assert_eq!(world.check().await.held, 0);
}

#[tokio::test]
async fn payments_of_a_dead_ta_are_paid_from_what_waits_first() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 500).await;
    let late = alice.pay(&shop.client_request(300));
    let later = alice.pay(&shop.client_request(200));
    world.report_death(&alice, alice.ta_key()).await.unwrap();

    assert_eq!(world.claim(&late).await, CREDITED);
    assert_eq!(world.check().await.held, 200);
    assert_eq!(world.claim(&later).await, CREDITED);

    let ledger = world.check().await;
    assert_eq!((ledger.held, ledger.loss), (0, 0));
    assert_eq!(world.online(&alice).await, 500);
    assert_eq!(world.online(&shop).await, 500);
}

#[tokio::test]
async fn a_payment_that_comes_after_everything_was_paid_is_honoured_up_to_the_offline_limit() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 300).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 300).await;
    let late = alice.pay(&shop.client_request(300));
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    world.sql(PAYABLE_NOW).await;
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    assert_eq!(world.online(&alice).await, 300);

    assert_eq!(world.claim(&late).await, CREDITED);

    assert_eq!(world.online(&alice).await, 0);
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        let pair = alice.pay(&shop.client_request(40_000));
        outcomes.push(world.claim(&pair).await);
    }
    assert_eq!(outcomes, [CREDITED, CREDITED, WAITING, WAITING]);
    assert_eq!(world.check().await.loss, 80_000);
}

#[tokio::test]
async fn what_waited_for_a_dead_ta_and_what_comes_later_waits_for_its_owner() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 800).await;
    let (early, late) = (bob.request(100), bob.request(200));
    let early = alice.pay(&early);
    let late = alice.pay(&late);
    assert_eq!(world.report(&early).await, WAITING);

    world.report_death(&bob, bob.ta_key()).await.unwrap();
    assert_eq!(world.report(&late).await, CREDITED);

    let death = world.report_death(&bob, bob.ta_key()).await.unwrap();
    assert_eq!(death.held.minor_units(), 300);
    world.sql(PAYABLE_NOW).await;
    world.report_death(&bob, bob.ta_key()).await.unwrap();
    assert_eq!(world.online(&bob).await, 300);
    assert_eq!(world.check().await.transit, 0);
}

#[tokio::test]
async fn a_dead_ta_that_comes_back_is_told_so_and_what_it_signed_is_booked() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 500).await;
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    alice.pay(&shop.client_request(300));
    let order = alice.status_open();

    let refused = world.status(&order).await.unwrap_err();

    assert_eq!((refused.status, refused.code.as_str()), (409, "ta-ended"));
    assert!(
        refused.hint.contains("register a new TA"),
        "{}",
        refused.hint
    );
    assert_eq!(world.online(&shop).await, 300);
    assert_eq!(world.check().await.held, 200);
    let deposit = alice.deposit_open(100);
    let answer = world.deposit(&deposit).await.unwrap();
    assert!(matches!(
        answer.body().outcome,
        ops_proto::message::DepositOutcome::Refused(_)
    ));
}

#[tokio::test]
async fn a_dead_ta_is_listed_and_a_new_one_is_registered_at_once() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut second = alice.with_new_ta();
    let bound = second.register_ta(&world).await.unwrap_err();
    assert_eq!((bound.status, bound.code.as_str()), (409, "ta-bound"));
    assert!(bound.hint.contains("report it dead"), "{}", bound.hint);
    world.load(&mut alice, 500).await;

    world.report_death(&alice, alice.ta_key()).await.unwrap();

    second.register_ta(&world).await.unwrap();
    world.load(&mut second, 100).await;
    let update = world.lists(&no_lists()).await;
    let entries = &update.pieces[0].body().entries;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].key, alice.ta_key());
    assert!(entries[0].not_after > now());
    assert_eq!(world.check().await.held, 500);
}

#[tokio::test]
async fn a_death_is_reported_only_by_the_owner_with_a_fresh_challenge() {
    let world = World::new().await;
    let alice = world.device("Alice", 1_000).await;
    let mallory = world.device("Mallory", 0).await;

    let refused = world
        .report_death(&mallory, alice.ta_key())
        .await
        .unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (404, "ta-unknown"));

    let body = ops_proto::message::ReportDeath {
        client: alice.client_key(),
        ta: alice.ta_key(),
        challenge: [7; 32],
    };
    let signed = ops_proto::Signed::sign(body, &alice.client());
    let refused = world
        .post("/v1/deaths", signed.to_wire())
        .await
        .unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (409, "challenge"));
    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
}

#[tokio::test]
async fn a_death_reported_after_a_retirement_says_what_was_paid() {
    let world = World::new().await;
    let mut alice: Device = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    world.retire(&alice.retire()).await.unwrap();

    let death = world.report_death(&alice, alice.ta_key()).await.unwrap();

    assert_eq!(
        (death.paid.minor_units(), death.held.minor_units()),
        (800, 0)
    );
    assert_eq!(world.online(&alice).await, 1_000);
    assert_eq!(world.view(&alice).await.tas[0].standing, "retired");
}

#[tokio::test]
async fn what_a_dead_tas_owner_was_paid_pays_for_a_payment_that_was_kept_back() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let friend = world.client("Friend").await;
    world.load(&mut alice, 1_000).await;
    let kept = alice.pay(&friend.client_request(900));
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    world.sql(PAYABLE_NOW).await;
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    assert_eq!(world.online(&alice).await, 1_000);
    // She moves it on, and begins again.
    let mut next = alice.with_new_ta();
    next.register_ta(&world).await.unwrap();
    world.load(&mut next, 1_000).await;
    assert_eq!(world.claim(&kept).await, CREDITED);
    assert_eq!(world.online(&friend).await, 900);
    assert_eq!(world.check().await.loss, 900);

    // What reaches her pays for it, and nothing is granted meanwhile.
    world.credit(&next, 100).await;
    assert_eq!(world.online(&next).await, 0);
    let order = next.retire();
    world.post("/v1/retirements", encode(&order)).await.unwrap();
    let ledger = world.check().await;
    assert_eq!((ledger.loss, world.online(&next).await), (0, 200));
    let mut third = next.with_new_ta();
    third.register_ta(&world).await.unwrap();
}

#[tokio::test]
async fn who_owes_for_a_dead_ta_gets_no_other_before_it_is_paid() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let friend = world.client("Friend").await;
    world.load(&mut alice, 1_000).await;
    let kept = alice.pay(&friend.client_request(900));
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    world.sql(PAYABLE_NOW).await;
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    let mut second = alice.with_new_ta();
    second.register_ta(&world).await.unwrap();
    world.load(&mut second, 1_000).await;
    world.report_death(&second, second.ta_key()).await.unwrap();
    assert_eq!(world.claim(&kept).await, CREDITED);
    let mut third = second.with_new_ta();

    let refused = third.register_ta(&world).await.unwrap_err();
    assert_eq!(refused.code, "ta-bound");
    world.credit(&third, 900).await;
    third.register_ta(&world).await.unwrap();
    assert_eq!(world.check().await.loss, 0);
}
