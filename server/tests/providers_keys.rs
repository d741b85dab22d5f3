//! Keys and certificates of two providers: what is forged, what is renewed, and keys that both have registered.

use blepay_server::provider::ca::{Holder, Wanted};
use blepay_server::provider::limits_max_default;
use ops_proto::Signed;
use ops_proto::certificate::Role;
use ops_proto::list::List;
use ops_proto::message::{
    Batch, ForwardOutcome, ForwardRefused, ItemOutcome, ItemRefused, SettlementState,
};
use ops_proto::signed::encode;

use super::realm::{Realm, eventually, forge, install, know, position, secret};
use super::world::{amount, now};

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);

#[tokio::test]
async fn more_than_the_providers_limits_fails_the_chain_check() {
    let realm = Realm::new(1_000_000_000).await;
    let alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    for excess in 0..6 {
        let mut rich = alice.clone();
        rich.ta_certificate = Some(forge(&realm, &alice, |body| {
            let mut limits = limits_max_default();
            match excess {
                0 => limits.balance_max = amount(limits.balance_max.minor_units() + 1),
                1 => limits.payment_max = amount(limits.payment_max.minor_units() + 1),
                2 => limits.paid_count.refuse += 1,
                3 => limits.paid_total.refuse += 1,
                4 => limits.collected_count.refuse += 1,
                _ => limits.collected_total.refuse += 1,
            }
            body.role = Role::Ta { limits };
        }));
        let pair = rich.pay(&cafe.client_request(10));
        let refused = ItemOutcome::Refused(ItemRefused::PayVerify);
        assert_eq!(realm.claim(&pair).await, refused);
        let refused = ForwardOutcome::Refused(ForwardRefused::PayVerify);
        assert_eq!(realm.present(&pair).await, refused);
    }
    realm.bank.check().await;
}

#[tokio::test]
async fn keys_roll_over_while_devices_of_before_go_on() {
    let mut realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let before = alice.pay(&cafe.client_request(100));
    let old_answer_key = secret(&realm.bank, "answer").public_key();
    let request = Holder::open(realm.bank.data.path())
        .unwrap()
        .rollover(&Wanted::default(), now())
        .unwrap();
    install(&mut realm.root, realm.bank.data.path(), &request).await;
    let old = realm.bank.provider.clone();
    realm.bank = realm.bank.restart().await;
    know(&realm.shop, &realm.bank, "Bank", 10_000).await;
    assert_ne!(old.body().subject, realm.bank.provider.body().subject);

    // A device of before the rollover is answered with the key that it knows.
    realm.bank.credit(&alice, 400).await;
    let order = alice.deposit_open(400);
    let bytes = realm
        .bank
        .post("/v1/deposits", encode(&order))
        .await
        .unwrap();
    let answer = Signed::<ops_proto::message::DepositAnswer>::decode(&bytes).unwrap();
    answer.verify(&old_answer_key).unwrap();
    alice.deposit_close(&answer);
    let after = alice.pay(&cafe.client_request(50));
    for pair in [&before, &after] {
        let batch = Batch {
            providers: List::try_from(vec![old.clone()]).unwrap(),
            pairs: List::try_from(vec![pair.clone()]).unwrap(),
        };
        realm.shop.post("/v1/claims", encode(&batch)).await.unwrap();
        realm.settled(pair, CREDITED).await;
    }
    let carol = realm.bank.device("Carol", 0).await;
    let certificate = carol.ta_certificate.unwrap();
    assert_eq!(
        certificate.body().issuer,
        realm.bank.provider.body().subject.id()
    );

    assert_eq!(realm.shop.online(&cafe).await, 150);
    realm.check(150).await;
}

#[tokio::test]
async fn a_key_that_is_registered_at_both_providers_is_paid_once_and_holds_nobody_up() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let mut bob = realm.shop.device("Bob", 0).await;
    let mut twin = bob.clone();
    twin.register_client(&realm.bank).await.unwrap();
    twin.register_ta(&realm.bank).await.unwrap();
    let pair = alice.pay(&bob.request(300));
    bob.collect(&pair);
    // The bank learns it first, then the twin says that its ids are closed.
    assert_eq!(realm.hand_in(&realm.bank, &pair).await, WAITING);
    twin.request(1);
    twin.close_ids();
    realm.bank.sync(&mut twin).await;
    // At the shop Bob shows that his TA collected.
    realm.claim(&pair).await;
    realm.shop.sync(&mut bob).await;
    let other = alice.pay(&realm.shop.client("Cafe").await.client_request(10));
    realm.claim(&other).await;
    realm.settled(&other, CREDITED).await;

    assert_eq!(realm.bank.online(&twin).await, 0);
    assert_eq!(realm.shop.view(&bob).await.tas[0].shadow, 300);
    realm.check(310).await;
}

#[tokio::test]
async fn a_payer_whose_key_is_registered_at_both_providers_pays_where_it_is_certified() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let mut twin = alice.clone();
    twin.register_client(&realm.shop).await.unwrap();
    twin.register_ta(&realm.shop).await.unwrap();
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(300));

    realm.claim(&pair).await;
    realm.settled(&pair, CREDITED).await;

    assert_eq!(realm.shop.online(&cafe).await, 300);
    assert_eq!(position(&realm.shop).await.owed_to_us, 300);
    assert_eq!(realm.shop.ledger().await.loss, 0);
    realm.check(300).await;
}

#[tokio::test]
async fn what_was_accepted_is_owed_even_when_a_second_payment_with_its_number_is_accepted_too() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let mut clone = alice.clone();
    let cafe = realm.shop.client("Cafe").await;
    let large = alice.pay(&cafe.client_request(900));
    let small = clone.pay(&cafe.client_request(1));
    realm.claim(&large).await;
    realm.settled(&large, CREDITED).await;
    realm.check(900).await;
    // The bank is dishonest: it forgets that it signed an acceptance.
    realm.bank.sql("DELETE FROM presented").await;
    realm.bank.sql("DELETE FROM payments").await;
    realm.bank.sql("DELETE FROM statements").await;
    realm.claim(&small).await;
    realm.settled(&small, CREDITED).await;
    eventually("answered", async || {
        position(&realm.shop).await.not_accepted == 0
    })
    .await;

    assert_eq!(position(&realm.shop).await.owed_to_us, 901);
    assert_eq!(realm.shop.online(&cafe).await, 901);
    assert_eq!(realm.shop.ledger().await.loss, 0);
}
