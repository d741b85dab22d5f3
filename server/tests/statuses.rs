//! Status and token: chains without gaps, evidence, and no honest TA ever convicted.

use ops_proto::SecretKey;
use ops_proto::list::List;
use ops_proto::message::{ItemOutcome, ItemRefused, SettlementState, StatusOrder};
use ops_proto::signed::{Signed, encode};
use ops_proto::statement::{Contradiction, Statement};

use super::world::{Device, World};

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);

#[tokio::test]
async fn the_same_status_again_is_given_the_same_token_bytes() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 600).await;
    let order = encode(&alice.status_open());

    let first = world.post("/v1/statuses", order.clone()).await.unwrap();
    let again = world.post("/v1/statuses", order.clone()).await.unwrap();
    let world = world.restart().await;

    assert_eq!(first, again);
    assert_eq!(world.post("/v1/statuses", order).await.unwrap(), first);
    let ledger = world.check().await;
    assert_eq!((ledger.shadow, ledger.open), (600, 0));
}

#[tokio::test]
async fn a_token_is_given_only_for_a_chain_without_gaps() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 600).await;
    alice.pay(&shop.client_request(100));
    let order = alice.status_open();
    for missing in 0..order.chain.len() {
        let mut chain = order.chain.to_vec();
        chain.remove(missing);
        let gap = StatusOrder {
            chain: List::try_from(chain).unwrap(),
            status: order.status.clone(),
        };
        let refused = world.status(&gap).await.unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (409, "chain-gap"));
    }

    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
    assert!(world.status(&order).await.is_ok());
    assert_eq!(world.online(&shop).await, 100);
}

#[tokio::test]
async fn a_chain_is_not_checked_before_its_ta_is_known() {
    let world = World::new().await;
    let mut known = world.device("Known", 0).await;
    let mut stranger = Device::new("Stranger");
    let mut codes = Vec::new();
    for device in [&mut known, &mut stranger] {
        let mut forger = Device::new("Forger").with_ta_of(device);
        let order = forger.deposit_open(100);
        let body = order.open.body().clone();
        let forged = Statement::DepositOpen(Signed::sign(body, &SecretKey::from_seed(&[3; 32])));
        let order = StatusOrder {
            chain: List::try_from(vec![forged]).unwrap(),
            status: device.status_open().status,
        };
        codes.push(world.status(&order).await.unwrap_err().code);
    }

    assert_eq!(codes, ["signature", "ta-unknown"]);
}

#[tokio::test]
async fn a_chain_with_a_gap_is_refused_before_anything_is_looked_up() {
    let world = World::new().await;
    let mut stranger = Device::new("Stranger");
    for amount in 1..4 {
        stranger.deposit_open(amount);
    }
    let order = stranger.status_open();
    let mut codes = Vec::new();
    for missing in [1, order.chain.len() - 1] {
        let mut chain = order.chain.to_vec();
        chain.remove(missing);
        let gap = StatusOrder {
            chain: List::try_from(chain).unwrap(),
            status: order.status.clone(),
        };
        codes.push(world.status(&gap).await.unwrap_err().code);
    }
    codes.push(world.status(&order).await.unwrap_err().code);

    assert_eq!(codes, ["chain-gap", "chain-gap", "ta-unknown"]);
}

#[tokio::test]
async fn a_lost_token_and_a_newer_status_are_no_fault() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 600).await;
    let lost = alice.status_open();
    world.status(&lost).await.unwrap();
    alice.pay(&shop.client_request(100));
    let never_sent = alice.status_open();

    world.sync(&mut alice).await;

    let superseded = world.status(&never_sent).await.unwrap_err();
    assert_eq!(
        (superseded.status, superseded.code.as_str()),
        (409, "superseded")
    );
    assert!(world.status(&lost).await.is_ok());
    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
    world.check().await;
}

#[tokio::test]
async fn a_status_that_arrives_after_later_payments_is_no_fault() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 5_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 600).await;
    let deposit = alice.deposit_open(400);
    let early = alice.status_open();
    let answer = world.deposit(&deposit).await.unwrap();
    alice.deposit_close(&answer);
    let later = alice.pay(&shop.client_request(900));
    world.load(&mut alice, 50).await;
    let latest = alice.pay(&shop.client_request(150));
    assert_eq!(world.claim(&later).await, CREDITED);
    assert_eq!(world.claim(&latest).await, CREDITED);

    world.status(&early).await.unwrap();
    world.sync(&mut alice).await;

    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
    assert_eq!(world.check().await.shadow, 0);
}

#[tokio::test]
async fn a_collected_payment_that_nobody_reported_asks_for_the_report_first() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    world.load(&mut alice, 1_000).await;
    let pair = alice.pay(&bob.request(300));
    bob.collect(&pair);
    let order = bob.status_open();

    let refused = world.status(&order).await.unwrap_err();
    assert_eq!(
        (refused.status, refused.code.as_str()),
        (409, "report-first")
    );
    world.report(&pair).await;

    assert!(world.status(&order).await.is_ok());
    assert_eq!(world.view(&bob).await.tas[0].shadow, 300);
    world.check().await;
}

#[tokio::test]
async fn a_rolled_back_ta_is_convicted_by_two_payments_with_one_j() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let (shop, cafe) = (world.client("Shop").await, world.client("Cafe").await);
    world.load(&mut alice, 1_000).await;
    let mut rolled_back = alice.clone();
    let first = alice.pay(&shop.client_request(700));
    let second = rolled_back.pay(&cafe.client_request(700));

    assert_eq!(world.claim(&first).await, CREDITED);
    let evidence = ItemOutcome::Refused(ItemRefused::Evidence);
    assert_eq!(world.claim(&second).await, evidence);
    assert_eq!(world.claim(&second).await, evidence);
    assert_eq!(world.claim(&first).await, CREDITED);

    let view = world.view(&alice).await;
    assert_eq!(view.tas[0].standing, "suspended");
    assert_eq!(view.tas[0].findings.len(), 1);
    let evidence = world.evidence().await;
    assert_eq!(evidence.len(), 1);
    assert_eq!(evidence[0].verify().unwrap(), Contradiction::SameNumber);
    assert_eq!(evidence[0].first.ta(), alice.ta_key());
    assert_eq!(world.online(&shop).await, 700);
    assert_eq!(world.online(&cafe).await, 0);
    assert_eq!(
        world.status(&alice.status_open()).await.unwrap_err().code,
        "suspended"
    );
    world.check().await;
}

#[tokio::test]
async fn a_rolled_back_ta_is_convicted_even_if_no_j_was_used_twice() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let mut rolled_back = alice.clone();
    world.sync(&mut alice).await;
    let paid = rolled_back.pay(&shop.client_request(100));

    assert_eq!(world.claim(&paid).await, CREDITED);

    assert_eq!(world.view(&alice).await.tas[0].standing, "suspended");
    assert!(world.evidence().await[0].verify().is_ok());
    assert_eq!(world.online(&shop).await, 100);
    world.check().await;
}

#[tokio::test]
async fn a_ta_rolled_back_before_its_chain_was_handed_in_is_convicted_by_its_chain() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let mut rolled_back = alice.clone();
    alice.pay(&shop.client_request(400));
    world.sync(&mut alice).await;

    let refused = world.status(&rolled_back.status_open()).await.unwrap_err();

    assert_eq!((refused.status, refused.code.as_str()), (409, "evidence"));
    assert_eq!(world.view(&alice).await.tas[0].standing, "suspended");
}

#[tokio::test]
async fn a_ta_that_spent_more_than_it_can_have_had_is_found_by_arithmetic() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 500).await;
    let pair = alice.pay(&shop.client_request(700));
    assert_eq!(world.claim(&pair).await, CREDITED);

    let refused = world.status(&alice.status_open()).await.unwrap_err();

    assert_eq!(
        (refused.status, refused.code.as_str()),
        (409, "books-differ")
    );
    let view = world.view(&alice).await;
    assert_eq!(view.tas[0].standing, "suspended");
    assert_eq!(
        view.tas[0].findings,
        ["the status states 0 where the chain leaves at most -200"]
    );
    assert_eq!(world.online(&shop).await, 700);
    assert_eq!(world.check().await.loss, 0);
}

#[tokio::test]
async fn a_refused_status_changes_nothing_but_the_standing_of_who_lied() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 500).await;
    let reported = alice.pay(&bob.request(100));
    let unreported = alice.pay(&bob.request(100));
    bob.collect(&reported);
    bob.collect(&unreported);
    world.report(&reported).await;
    alice.pay(&shop.client_request(700));
    let before = format!("{:?}", world.check().await);

    let honest = world.status(&bob.status_open()).await.unwrap_err();
    let liar = world.status(&alice.status_open()).await.unwrap_err();

    assert_eq!(honest.code, "report-first");
    assert_eq!(liar.code, "books-differ");
    assert_eq!(format!("{:?}", world.check().await), before);
    assert_eq!(world.view(&bob).await.tas[0].standing, "live");
    assert_eq!(world.view(&alice).await.tas[0].standing, "suspended");
}

#[tokio::test]
async fn beyond_the_offline_limit_a_broken_ta_costs_nothing_more() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 0).await;
    let shop = world.client("Shop").await;
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        let pair = alice.pay(&shop.client_request(40_000));
        outcomes.push(world.claim(&pair).await);
    }

    let waiting = ItemOutcome::Held(SettlementState::Waiting);
    assert_eq!(outcomes, [CREDITED, CREDITED, waiting, waiting, waiting]);
    assert_eq!(world.check().await.loss, 80_000);
}

#[tokio::test]
async fn an_honest_payee_of_a_cloned_ta_is_never_convicted() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let mut clone = alice.clone();
    let first = alice.pay(&shop.client_request(500));
    let second = clone.pay(&bob.request(500));
    bob.collect(&second);
    world.report(&first).await;
    assert_eq!(
        world.report(&second).await,
        ItemOutcome::Refused(ItemRefused::Evidence)
    );

    world.sync(&mut bob).await;
    let spent = bob.pay(&shop.client_request(200));
    assert_eq!(world.report(&spent).await, CREDITED);
    world.sync(&mut bob).await;

    assert_eq!(world.view(&bob).await.tas[0].standing, "live");
    assert_eq!(world.view(&alice).await.tas[0].standing, "suspended");
    world.check().await;
}

#[tokio::test]
async fn an_honest_merchant_with_forged_payments_is_paid_and_never_convicted() {
    let world = World::new().await;
    let mut merchant = world.device("Merchant", 10_000).await;
    let supplier = world.client("Supplier").await;
    let accomplice = world.client("Accomplice").await;
    for round in 1..=4 {
        forge(&world, &mut merchant, &accomplice, round).await;
        let onward = merchant.pay(&supplier.client_request(40_000));
        assert_eq!(world.claim(&onward).await, CREDITED, "{round}");
        world.sync(&mut merchant).await;
        assert_eq!(world.online(&supplier).await, round * 40_000);
    }

    assert_eq!(world.view(&merchant).await.tas[0].standing, "live");
    // What it stood in for came back: the loss is the provider's.
    assert_eq!(world.online(&merchant).await, 10_000);
    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.shadow), (160_000, 0));
}

#[tokio::test]
async fn what_a_merchant_paid_beyond_its_limit_is_honoured_when_its_status_brings_the_money() {
    let world = World::new().await;
    let mut merchant = world.device("Merchant", 0).await;
    let mut farmer = world.device("Farmer", 0).await;
    let supplier = world.client("Supplier").await;
    let accomplice = world.client("Accomplice").await;
    for round in 1..=4 {
        forge(&world, &mut merchant, &accomplice, round).await;
    }
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        let onward = merchant.pay(&supplier.client_request(40_000));
        outcomes.push(world.claim(&onward).await);
    }
    let waiting = ItemOutcome::Held(SettlementState::Waiting);
    assert_eq!(outcomes, [CREDITED, CREDITED, waiting]);
    // A TA has collected the last one, and hands its chain in before the merchant.
    let last = merchant.pay(&farmer.request(40_000));
    farmer.collect(&last);
    assert_eq!(world.report(&last).await, waiting);
    world.sync(&mut farmer).await;
    assert_eq!(world.view(&farmer).await.tas[0].shadow, 40_000);

    world.sync(&mut merchant).await;
    world.sync(&mut merchant).await;

    assert_eq!(world.online(&supplier).await, 120_000);
    assert_eq!(world.view(&merchant).await.tas[0].standing, "live");
    assert_eq!(world.view(&merchant).await.tas[0].advanced, 0);
    assert_eq!(world.check().await.loss, 160_000);
}

/// A cloned TA pays an accomplice, who claims first, and the merchant, who collects what is forged.
async fn forge(world: &World, merchant: &mut Device, accomplice: &Device, round: u64) {
    let mut fraud = world.device(&format!("Fraud {round}"), 40_000).await;
    world.load(&mut fraud, 40_000).await;
    let mut clone = fraud.clone();
    let first = clone.pay(&accomplice.client_request(40_000));
    let forged = fraud.pay(&merchant.request(40_000));
    merchant.collect(&forged);
    assert_eq!(world.claim(&first).await, CREDITED);
    let evidence = ItemOutcome::Refused(ItemRefused::Evidence);
    assert_eq!(world.report(&forged).await, evidence);
}

#[tokio::test]
async fn a_withdrawal_in_the_chain_is_booked_to_the_owner() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 800).await;
    alice.withdraw(300);

    world.sync(&mut alice).await;
    world.sync(&mut alice).await;

    assert_eq!(world.online(&alice).await, 500);
    assert_eq!(world.check().await.shadow, 500);
}

#[tokio::test]
async fn a_status_that_lists_what_its_ta_cannot_have_collected_convicts_and_moves_nothing() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut carol = world.device("Carol", 0).await;
    world.load(&mut alice, 1_000).await;
    for lie in ["another payment", "another's payment", "a closed id"] {
        let mut bob = world.device(&format!("Bob, {lie}"), 0).await;
        let request = bob.request(100);
        let (first, second) = (alice.pay(&request), alice.pay(&request));
        let for_carol = alice.pay(&carol.request(100));
        for pair in [&first, &second, &for_carol] {
            world.report(pair).await;
        }
        let id = first.payment.body().request_id;
        match lie {
            "another payment" => {
                assert!(bob.collect(&first));
                world.sync(&mut bob).await;
                bob.collected.push((id, second.hash()));
            }
            "another's payment" => {
                bob.collected.push((id, for_carol.hash()));
                bob.balance += 100;
            }
            _ => {
                bob.close_ids();
                world.sync(&mut bob).await;
                bob.collected.push((id, first.hash()));
            }
        }
        // No sum shows the lie.
        let order = bob.status_open();
        let before = format!("{:?}", world.check().await);

        let refused = world.status(&order).await.unwrap_err();

        assert_eq!(
            (refused.status, refused.code.as_str()),
            (409, "books-differ"),
            "{lie}"
        );
        assert_eq!(world.view(&bob).await.tas[0].standing, "suspended");
        assert_eq!(format!("{:?}", world.check().await), before, "{lie}");
    }
    assert_eq!(world.view(&carol).await.tas[0].standing, "live");
}

#[tokio::test]
async fn what_the_payers_chain_alone_tells_is_credited() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 0).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    alice.pay(&shop.client_request(300));
    let waits = alice.pay(&bob.request(200));

    world.sync(&mut alice).await;

    assert_eq!(world.online(&shop).await, 300);
    assert_eq!(world.check().await.transit, 200);
    let mail = world.mailbox(&bob, 0).await.unwrap();
    assert_eq!(mail.pairs.to_vec(), [waits]);
}

#[tokio::test]
async fn a_chain_with_a_statement_that_its_ta_did_not_sign_or_that_is_anothers_is_refused() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut mallory = world.device("Mallory", 1_000).await;
    world.load(&mut alice, 500).await;
    let order = alice.status_open();
    let Statement::DepositOpen(open) = order.chain[0].clone() else {
        panic!("the deposit comes first");
    };
    let forged = Signed::sign(open.body().clone(), &SecretKey::from_seed(&[3; 32]));
    let foreign = mallory.deposit_open(500).open;
    for (statement, code) in [(forged, "signature"), (foreign, "malformed")] {
        let wrong = StatusOrder {
            chain: List::try_from(vec![Statement::DepositOpen(statement)]).unwrap(),
            status: order.status.clone(),
        };
        assert_eq!(world.status(&wrong).await.unwrap_err().code, code);
    }
    let mut unsigned = order.clone();
    let body = order.status.body().clone();
    unsigned.status = Signed::sign(body, &SecretKey::from_seed(&[3; 32]));
    assert_eq!(world.status(&unsigned).await.unwrap_err().code, "signature");

    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
    assert!(world.status(&order).await.is_ok());
}
