//! What one provider owes another is settled once, and what is refused without evidence stays owed.

use blepay_server::admin::{Office, audit};
use ops_proto::message::{ItemOutcome, ItemRefused, Settlement, SettlementState};
use ops_proto::{Digest, SecretKey, Signed};

use super::providers_restored::acknowledged;
use super::realm::{Realm, eventually, position, receive, secret};
use super::world::amount;

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const COLLECTED: ItemOutcome = ItemOutcome::Held(SettlementState::Collected);
const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);

#[tokio::test]
async fn a_settlement_is_booked_once_on_both_sides_and_never_for_more_than_is_owed() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(600));
    realm.claim(&pair).await;
    realm.settled(&pair, CREDITED).await;
    let mut bank = Office::open(realm.bank.data.path()).await.unwrap();
    let mut shop = Office::open(realm.shop.data.path()).await.unwrap();

    assert!(bank.settle("Shop", amount(601), "wire").await.is_err());
    assert!(shop.settle("Bank", amount(1), "wire").await.is_err());
    assert!(bank.settle("Shop", amount(1), " ").await.is_err());
    let made = bank.settle("Shop", amount(400), "wire").await.unwrap();
    let again = bank.settle("Shop", amount(400), "wire").await.unwrap();
    assert!(!made.repeated && again.repeated && again.number == made.number);
    assert!(bank.settle("Shop", amount(100), "wire").await.is_err());
    // Nothing moves at the creditor before its own people saw the money.
    eventually("announced", async || {
        position(&realm.shop).await.settlements.len() == 1
    })
    .await;
    assert_eq!(position(&realm.shop).await.owed_to_us, 600);
    assert!(shop.receive("Bank", amount(401), "wire").await.is_err());
    assert!(shop.receive("Bank", amount(400), "other").await.is_err());
    let received = shop.receive("Bank", amount(400), "wire").await.unwrap();
    let again = shop.receive("Bank", amount(400), "wire").await.unwrap();
    assert!(received.acknowledged && again.repeated);

    eventually("acknowledged", async || {
        realm.bank.time_passes().await;
        let detail = bank.positions().await.unwrap().remove(0);
        detail.not_acknowledged == 0 && detail.settlements[0].acknowledged
    })
    .await;
    realm.check(200).await;
    assert_eq!(position(&realm.shop).await.settlements[0].amount, 400);
}

#[tokio::test]
async fn a_settlement_sent_again_is_answered_with_the_same_bytes_and_a_wrong_one_not_at_all() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(600));
    realm.claim(&pair).await;
    realm.settled(&pair, CREDITED).await;
    let body = |number: u64, reference: &[u8]| Settlement {
        debtor: realm.bank.provider.body().provider,
        creditor: realm.shop.provider.body().provider,
        number,
        amount: amount(100),
        currency: "EUR".parse().unwrap(),
        reference: Digest::of(&[b"blepay/settlement/reference\0", reference]),
    };
    let post = async |settlement: Settlement, key: &SecretKey| {
        let signed = Signed::sign(settlement, key);
        realm.shop.post("/v1/settlements", signed.to_wire()).await
    };
    let bank = secret(&realm.bank, "answer");

    for _again in 0..2 {
        let announced = post(body(1, b"one"), &bank).await.unwrap_err();
        assert_eq!(announced.code, "under-way");
    }
    receive(&realm.shop, "Bank", 100, "one").await;
    let one = post(body(1, b"one"), &bank).await.unwrap();
    assert_eq!(post(body(1, b"one"), &bank).await.unwrap(), one);
    let other = post(body(1, b"two"), &bank).await.unwrap_err();
    assert_eq!(other.code, "superseded");
    let gap = post(body(3, b"three"), &bank).await.unwrap_err();
    assert_eq!(gap.code, "chain-gap");
    let same_reference = post(body(2, b"one"), &bank).await.unwrap_err();
    assert_eq!(same_reference.code, "superseded");
    let forged = post(body(2, b"two"), &secret(&realm.shop, "answer")).await;
    assert_eq!(forged.unwrap_err().code, "signature");
    let mut currency = body(2, b"two");
    currency.currency = "CHF".parse().unwrap();
    assert_eq!(post(currency, &bank).await.unwrap_err().code, "malformed");

    let mut too_much = body(2, b"two");
    too_much.amount = amount(501);
    assert_eq!(post(too_much, &bank).await.unwrap_err().code, "value");

    assert_eq!(position(&realm.shop).await.owed_to_us, 500);
    realm.shop.check().await;
}

#[tokio::test]
async fn who_owes_nothing_settles_nothing() {
    let realm = Realm::new(10_000).await;
    let settlement = Settlement {
        debtor: realm.bank.provider.body().provider,
        creditor: realm.shop.provider.body().provider,
        number: 1,
        amount: amount(1_000_000),
        currency: "EUR".parse().unwrap(),
        reference: Digest::of(&[b"never paid"]),
    };
    let signed = Signed::sign(settlement, &secret(&realm.bank, "answer"));
    let refused = realm.shop.post("/v1/settlements", signed.to_wire()).await;

    assert_eq!(refused.unwrap_err().code, "value");
    assert_eq!(position(&realm.shop).await.position, 0);
    realm.shop.check().await;
}

#[tokio::test]
async fn a_settlement_that_a_restored_creditor_forgot_is_announced_again_and_holds_nothing_up() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(600));
    realm.claim(&pair).await;
    realm.settled(&pair, CREDITED).await;
    let mut bank = Office::open(realm.bank.data.path()).await.unwrap();
    bank.settle("Shop", amount(100), "one").await.unwrap();
    receive(&realm.shop, "Bank", 100, "one").await;
    acknowledged(&realm).await;
    // What a restore of the shop from before forgets.
    realm.shop.sql("DELETE FROM settlements").await;
    bank.settle("Shop", amount(100), "two").await.unwrap();
    let reported = alice.pay(&cafe.client_request(50));
    realm.hand_in(&realm.bank, &reported).await;

    eventually("delivered", async || {
        realm.bank.time_passes().await;

        realm.shop.online(&cafe).await == 650
    })
    .await;
    receive(&realm.shop, "Bank", 100, "one").await;
    receive(&realm.shop, "Bank", 100, "two").await;
    acknowledged(&realm).await;
}

#[tokio::test]
async fn what_is_refused_without_evidence_stays_owed() {
    let realm = Realm::new(300).await;
    let mut alice = realm.payer(1_000).await;
    let mut bob = realm.shop.device("Bob", 0).await;
    let refused = ItemOutcome::Refused(ItemRefused::SenderUnknown);
    for count in 1..=2_u64 {
        let pair = alice.pay(&bob.request(300));
        bob.collect(&pair);
        // The bank forgot its own TA and says so; it gives no evidence.
        realm.bank.sql("UPDATE tas SET key = owner").await;
        realm.claim(&pair).await;
        if count == 1 {
            realm.settled(&pair, refused).await;
        }
        realm.shop.sync(&mut bob).await;
        assert_eq!(position(&realm.shop).await.owed_to_us, 300 * count);
    }
    // Nothing more of it is trusted.
    let cafe = realm.shop.client("Cafe").await;
    let more = alice.pay(&cafe.client_request(100));
    assert_eq!(realm.claim(&more).await, WAITING);

    assert_eq!(position(&realm.shop).await.kept_back, 100);
    assert_eq!(realm.shop.ledger().await.loss, 0);
    assert_eq!(realm.shop.view(&bob).await.tas[0].shadow, 600);
    realm.shop.check().await;
}

#[tokio::test]
async fn a_refusal_without_evidence_of_what_was_collected_frees_nobody() {
    let realm = Realm::new(1_000).await;
    let mut alice = realm.payer(1_000).await;
    let mut bob = realm.shop.device("Bob", 0).await;
    let pair = alice.pay(&bob.request(300));
    bob.collect(&pair);
    // The bank forgot its own TA and says so; meanwhile Bob's TA has shown that it collected.
    realm.bank.sql("UPDATE tas SET key = owner").await;
    realm.claim(&pair).await;
    realm.shop.sync(&mut bob).await;
    eventually("answered", async || {
        let audit = audit(realm.shop.data.path()).await.unwrap();
        audit.foreign > 0
    })
    .await;

    assert_eq!(realm.claim(&pair).await, COLLECTED);
    assert_eq!(position(&realm.shop).await.owed_to_us, 300);
    assert_eq!(realm.shop.ledger().await.loss, 0);
    assert_eq!(realm.shop.view(&bob).await.tas[0].shadow, 300);
    realm.shop.check().await;
}
