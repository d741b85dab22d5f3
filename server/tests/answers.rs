//! Answers: stamped so that a restore shows, and given only for what is durable.

use std::collections::BTreeSet;

use ops_proto::message::{
    AnswerStamp, BatchAnswer, DepositOutcome, DepositRefusal, ItemOutcome, SettlementState,
};
use ops_proto::signed::{Signed, encode};

use super::ENGINE;
use super::withdraw::suspend;
use super::world::{Device, World, batch};
use crate::Engine;

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);

/// Has the books refuse what is called Poison, as a fault of theirs would.
async fn poison(world: &World) {
    match ENGINE {
        Engine::Sqlite => {
            world
                .sql(
                    "CREATE TRIGGER poison BEFORE INSERT ON clients WHEN NEW.name = 'Poison'
                     BEGIN SELECT RAISE(ABORT, 'poison'); END",
                )
                .await;
        }
        Engine::Postgres => {
            world
                .sql(
                    "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN RAISE EXCEPTION 'poison'; END $$",
                )
                .await;
            world
                .sql(
                    "CREATE TRIGGER poison BEFORE INSERT ON clients FOR EACH ROW
                     WHEN (NEW.name = 'Poison') EXECUTE FUNCTION poison()",
                )
                .await;
        }
    }
}

/// Has a commit fail after a grant was written, as it does when the books are lost under it.
async fn fail_commits_of_deposits(world: &World) {
    world
        .sql(
            "CREATE TABLE doomed (i INTEGER PRIMARY KEY,
                 life INTEGER REFERENCES life (id) DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
    match ENGINE {
        Engine::Sqlite => {
            world
                .sql(
                    "CREATE TRIGGER doom AFTER INSERT ON deposits
                     BEGIN INSERT INTO doomed (life) VALUES (2); END",
                )
                .await;
        }
        Engine::Postgres => {
            world
                .sql(
                    "CREATE FUNCTION doom() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN INSERT INTO doomed (i, life) VALUES (1, 2); RETURN NEW; END $$",
                )
                .await;
            world
                .sql(
                    "CREATE TRIGGER doom AFTER INSERT ON deposits FOR EACH ROW
                     EXECUTE FUNCTION doom()",
                )
                .await;
        }
    }
}

async fn let_commits_be(world: &World) {
    match ENGINE {
        Engine::Sqlite => world.sql("DROP TRIGGER doom").await,
        Engine::Postgres => world.sql("DROP TRIGGER doom ON deposits").await,
    }
}

/// Has every kind of message answered, and returns the stamps in order.
async fn stamps(world: &World, alice: &mut Device, shop: &Device) -> Vec<AnswerStamp> {
    let mut stamps = vec![world.account(alice).await.stamp];
    let order = alice.deposit_open(100);
    let answer = world.deposit(&order).await.unwrap();
    alice.deposit_close(&answer);
    stamps.push(answer.body().stamp);
    let pair = alice.pay(&shop.client_request(10));
    let claim = encode(&batch(std::slice::from_ref(&pair)));
    let answer = world.post("/v1/claims", claim).await.unwrap();
    stamps.push(world.signed::<BatchAnswer>(&answer).body().stamp);
    let withdraw = alice.withdraw(20);
    stamps.push(world.withdraw(&withdraw).await.unwrap().body().stamp);
    let status = alice.status_open();
    let token = world.status(&status).await.unwrap();
    alice.take_token(&token);
    stamps.push(token.body().stamp);
    stamps.push(world.mailbox(alice, 0).await.unwrap().stamp);

    stamps
}

#[tokio::test]
async fn every_answer_bears_the_life_of_the_books_and_a_number_of_its_own() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;

    let mut all = stamps(&world, &mut alice, &shop).await;
    let world = world.restart().await;
    all.extend(stamps(&world, &mut alice, &shop).await);
    all.push(world.retire(&alice.retire()).await.unwrap().stamp);
    let death = world.report_death(&alice, alice.ta_key()).await.unwrap();
    all.push(death.stamp);

    assert_eq!(all.len(), 14);
    assert!(all.iter().all(|stamp| stamp.incarnation == 1), "{all:?}");
    let numbers: BTreeSet<u64> = all.iter().map(|stamp| stamp.sequence).collect();
    assert_eq!(numbers.len(), all.len(), "{all:?}");
}

#[tokio::test]
async fn a_message_that_the_books_refuse_stops_none_beside_it() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 500).await;
    poison(&world).await;
    let mut bodies = Vec::new();
    for (name, count) in [("Poison", 1), ("Good", 4)] {
        for number in 0..count {
            let mut device = Device::new(name);
            if number > 0 {
                device.name = format!("{name} {number}");
            }
            let challenge = world.challenge(device.client_key()).await;
            bodies.push(device.sign_register_client(challenge));
        }
    }
    let pairs: Vec<_> = (0..4)
        .map(|_| alice.pay(&shop.client_request(10)))
        .collect();

    let registered = futures::future::join_all(
        bodies
            .iter()
            .map(|body| world.post("/v1/clients", body.clone())),
    );
    let claimed = futures::future::join_all(pairs.iter().map(|pair| world.claim(pair)));
    let (registered, claimed) = futures::join!(registered, claimed);

    let refused = registered[0].clone().unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (500, "internal"));
    assert!(!refused.message.contains("poison"), "{}", refused.message);
    assert!(registered[1..].iter().all(Result::is_ok), "{registered:?}");
    assert_eq!(claimed, [CREDITED; 4]);
    assert_eq!(world.online(&shop).await, 40);
    world.check().await;
}

#[tokio::test]
async fn a_commit_whose_outcome_is_not_known_says_so_and_is_asked_again() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let order = alice.deposit_open(300);
    fail_commits_of_deposits(&world).await;

    let unknown = world.deposit(&order).await.unwrap_err();

    assert_eq!(
        (unknown.status, unknown.code.as_str()),
        (503, "outcome-unknown")
    );
    assert!(unknown.hint.contains("again"), "{}", unknown.hint);
    assert_eq!(world.online(&alice).await, 1_000);
    let_commits_be(&world).await;
    let answer = world.deposit(&order).await.unwrap();
    assert_eq!(answer.body().outcome, DepositOutcome::Granted);
    assert_eq!(world.deposit(&order).await.unwrap(), answer);
    assert_eq!(world.online(&alice).await, 700);
    assert_eq!(world.check().await.open, 300);
}

#[tokio::test]
async fn a_token_is_for_one_status_of_one_ta_and_its_nonce() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 500).await;
    let order = alice.status_open();

    let token = world.status(&order).await.unwrap();

    let (body, status) = (token.body(), order.status.body());
    assert_eq!(body.ta, alice.ta_key());
    assert_eq!(body.status, order.status.hash());
    assert_eq!(body.nonce, status.nonce);
    let now = super::world::now();
    assert!(body.time <= now && now.ms_since(body.time) < 60_000);
    // The next one is for the next status, not for this one.
    let next = alice.status_open();
    let other = world.status(&next).await.unwrap();
    assert_eq!(other.body().status, next.status.hash());
    assert_ne!(other.body().status, body.status);
}

#[tokio::test]
async fn an_acknowledgement_names_the_ta_its_counter_and_the_withdrawal() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 500).await;
    let first = alice.withdraw(100);
    let second = alice.withdraw(50);

    for order in [&first, &second] {
        let ack = world.withdraw(order).await.unwrap();
        let body = ack.body();
        assert_eq!(body.ta, alice.ta_key());
        assert_eq!(body.i, order.body().position.i);
        assert_eq!(body.order, order.hash());
    }
    assert_eq!(world.online(&alice).await, 650);
}

#[tokio::test]
async fn a_grant_or_a_refusal_names_the_ta_its_counter_and_the_deposit() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    for (asked, outcome) in [
        (400, DepositOutcome::Granted),
        (601, DepositOutcome::Refused(DepositRefusal::Balance)),
        (600, DepositOutcome::Granted),
    ] {
        let order = alice.deposit_open(asked);
        let answer = world.deposit(&order).await.unwrap();
        alice.deposit_close(&answer);

        let body = answer.body();
        assert_eq!(body.ta, alice.ta_key());
        assert_eq!(body.i, order.open.body().position.i);
        assert_eq!(body.order, order.open.hash());
        assert_eq!(body.outcome, outcome);
    }
    assert_eq!(world.online(&alice).await, 0);
    world.sync(&mut alice).await;
    assert_eq!(world.check().await.shadow, 1_000);
}

#[tokio::test]
async fn a_suspended_tas_deposit_is_refused_by_a_signed_answer_that_closes_its_counter() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 400).await;
    suspend(&world, &alice).await;
    let order = alice.deposit_open(100);

    let refused = world.deposit(&order).await.unwrap();

    assert_eq!(
        refused.body().outcome,
        DepositOutcome::Refused(DepositRefusal::Suspended)
    );
    assert_eq!(world.online(&alice).await, 600);
    alice.deposit_close(&refused);
    // The same bytes when it may live again, and the next counter is open.
    let mut office = blepay_server::admin::Office::open(world.data.path())
        .await
        .unwrap();
    let live = blepay_server::admin::Standing::Live;
    office
        .set_standing(&alice.ta_key(), live, "found")
        .await
        .unwrap();
    assert_eq!(world.deposit(&order).await.unwrap(), refused);
    world.load(&mut alice, 100).await;
    world.sync(&mut alice).await;
    assert_eq!(world.check().await.shadow, 500);
}

#[tokio::test]
async fn a_deposit_is_signed_by_its_ta_and_endorsed_for_itself_alone() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut stranger = Device::new("Stranger");
    let order = alice.deposit_open(400);
    let earlier = alice.clone().deposit_open(1);
    let mut not_the_ta = order.clone();
    not_the_ta.open = Signed::sign(order.open.body().clone(), &alice.client());
    not_the_ta.endorsement = alice.endorse(not_the_ta.open.clone()).endorsement;
    let mut for_another = order.clone();
    for_another.endorsement = earlier.endorsement;

    for wrong in [not_the_ta, for_another] {
        let refused = world.deposit(&wrong).await.unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (403, "signature"));
    }
    let unknown = world.deposit(&stranger.deposit_open(1)).await.unwrap_err();
    assert_eq!((unknown.status, unknown.code.as_str()), (404, "ta-unknown"));

    assert_eq!(world.online(&alice).await, 1_000);
    let answer = world.deposit(&order).await.unwrap();
    assert_eq!(answer.body().outcome, DepositOutcome::Granted);
    world.check().await;
}

/// How many answers the books keep, and of how many bytes.
async fn kept(world: &World) -> (i64, i64) {
    (
        world.number("SELECT count(*) FROM answers").await,
        world
            .number("SELECT CAST(COALESCE(sum(length(bytes)), 0) AS BIGINT) FROM answers")
            .await,
    )
}

#[tokio::test]
async fn what_the_books_know_is_answered_again_and_costs_no_disk() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let bob = world.device("Bob", 0).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let plain = vec![
        alice.pay(&shop.client_request(10)),
        alice.pay(&shop.client_request(20)),
    ];
    // A payment for a TA goes the long way.
    let judged = vec![alice.pay(&bob.clone().request(30))];
    let mixed = [plain.as_slice(), judged.as_slice()].concat();
    let (before, _) = kept(&world).await;

    let first = world.batch("/v1/claims", &plain).await;
    let first_judged = world.batch("/v1/claims", &judged).await;
    let (told, bytes) = kept(&world).await;
    for batch in [&plain, &judged, &mixed] {
        let (world, repeats) = (&world, 0..6);
        futures::future::join_all(repeats.map(|_| world.batch("/v1/claims", batch))).await;
        world.report(&batch[0]).await;
    }
    world.account(&alice).await;
    world.mailbox(&alice, 0).await.unwrap();

    assert_eq!(told, before + 2);
    assert_eq!(kept(&world).await, (told, bytes));
    let known = [first, first_judged].concat();
    assert_eq!(world.batch("/v1/claims", &mixed).await, known);
    world.check().await;
}

#[tokio::test]
async fn of_answers_that_say_at_once_that_one_payment_is_booked_one_is_kept() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let bob = world.device("Bob", 0).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let known = alice.pay(&bob.clone().request(30));
    world.claim(&known).await;
    let pair = alice.pay(&shop.client_request(10));
    let (before, _) = kept(&world).await;

    // Of half of them all is plain; the others are judged one by one.
    let alone = [pair.clone()];
    let beside = [pair, known];
    let outcomes = futures::future::join_all((0..24).map(|number| {
        let pairs = if number % 2 == 0 { &alone[..] } else { &beside };
        world.batch("/v1/claims", pairs)
    }))
    .await;

    assert!(outcomes.iter().all(|outcome| outcome[0] == CREDITED));
    assert_eq!(kept(&world).await.0, before + 1);
}

#[tokio::test]
async fn a_death_that_is_reported_again_is_answered_and_not_kept_again() {
    let world = World::new().await;
    let alice = world.device("Alice", 1_000).await;
    let (before, _) = kept(&world).await;

    let first = world.report_death(&alice, alice.ta_key()).await.unwrap();
    let (told, _) = kept(&world).await;
    let again = world.report_death(&alice, alice.ta_key()).await.unwrap();

    assert_eq!(told, before + 1);
    assert_eq!(kept(&world).await.0, told);
    assert_eq!(
        (again.held, again.payable_from),
        (first.held, first.payable_from)
    );
    world.check().await;
}
