//! Two providers under one root: a payer of one pays a payee of the other.

use blepay_server::admin::Office;
use ops_proto::Signed;
use ops_proto::list::List;
use ops_proto::message::{
    Batch, ForwardOutcome, ForwardRefused, ItemOutcome, ItemRefused, SettlementState,
};
use ops_proto::signed::encode;

use super::realm::{Realm, eventually, forge, position, provider, receive, secret};
use super::world::{Device, RATE, World, amount};

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const COLLECTED: ItemOutcome = ItemOutcome::Held(SettlementState::Collected);
const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);
const EVIDENCE: ItemOutcome = ItemOutcome::Refused(ItemRefused::Evidence);

#[tokio::test]
async fn a_client_of_another_provider_is_credited_when_the_senders_provider_accepts() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(300));

    assert_eq!(realm.claim(&pair).await, WAITING);
    realm.settled(&pair, CREDITED).await;

    assert_eq!(realm.shop.online(&cafe).await, 300);
    realm.check(300).await;
    assert_eq!(realm.bank.view(&alice).await.tas[0].shadow, 700);
    realm.bank.sync(&mut alice).await;
    realm.check(300).await;
}

#[tokio::test]
async fn a_ta_of_another_provider_collects_before_and_after_the_acceptance() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let mut bob = realm.shop.device("Bob", 0).await;
    let first = alice.pay(&bob.request(300));
    bob.collect(&first);

    realm.claim(&first).await;
    realm.shop.sync(&mut bob).await;
    assert_eq!(realm.claim(&first).await, COLLECTED);
    assert_eq!(realm.shop.view(&bob).await.tas[0].shadow, 300);
    eventually("accepted", async || {
        position(&realm.shop).await.not_accepted == 0
    })
    .await;
    realm.check(300).await;

    let second = alice.pay(&bob.request(200));
    bob.collect(&second);
    realm.claim(&second).await;
    eventually("accepted", async || {
        position(&realm.shop).await.not_accepted == 0
    })
    .await;
    assert_eq!(realm.claim(&second).await, WAITING);
    realm.shop.sync(&mut bob).await;

    assert_eq!(realm.claim(&second).await, COLLECTED);
    assert_eq!(realm.shop.view(&bob).await.tas[0].shadow, 500);
    realm.check(500).await;
}

#[tokio::test]
async fn a_payment_for_a_closed_id_of_another_providers_ta_is_credited_to_its_owner() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let mut bob = realm.shop.device("Bob", 0).await;
    let pair = alice.pay(&bob.request(300));
    bob.close_ids();
    realm.shop.sync(&mut bob).await;

    realm.claim(&pair).await;
    realm.settled(&pair, CREDITED).await;

    assert_eq!(realm.shop.online(&bob).await, 300);
    realm.check(300).await;
}

#[tokio::test]
async fn what_the_payer_alone_reports_reaches_the_payee_at_the_other_provider() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(300));

    assert_eq!(realm.hand_in(&realm.bank, &pair).await, WAITING);
    eventually("credited", async || realm.shop.online(&cafe).await == 300).await;

    eventually("told", async || {
        realm.hand_in(&realm.bank, &pair).await == CREDITED
    })
    .await;
    assert_eq!(realm.claim(&pair).await, CREDITED);
    realm.check(300).await;
}

#[tokio::test]
async fn a_lost_request_is_sent_again_even_after_both_servers_were_stopped() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(300));
    let Realm {
        _root_directory,
        root,
        bank,
        shop,
    } = realm;
    let bank_data = bank.data;
    bank.server.shutdown().await;
    let bank_provider = bank.provider;
    let batch = Batch {
        providers: List::try_from(vec![bank_provider]).unwrap(),
        pairs: List::try_from(vec![pair.clone()]).unwrap(),
    };
    shop.post("/v1/claims", encode(&batch)).await.unwrap();
    eventually("tried", async || {
        let mut office = Office::open(shop.data.path()).await.unwrap();
        office.peers().await.unwrap()[0].failures > 0
    })
    .await;
    assert_eq!(shop.online(&cafe).await, 0, "nobody accepted it yet");

    let shop = shop.restart().await;
    let bank = World::start_talking(bank_data).await;
    let realm = Realm {
        _root_directory,
        root,
        bank,
        shop,
    };
    realm.introduce(10_000).await;

    realm.settled(&pair, CREDITED).await;
    assert_eq!(realm.shop.online(&cafe).await, 300);
    realm.check(300).await;
}

#[tokio::test]
async fn a_payment_is_accepted_once_however_often_it_is_presented_and_reported() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(300));

    assert_eq!(realm.present(&pair).await, ForwardOutcome::Accepted);
    assert_eq!(realm.present(&pair).await, ForwardOutcome::Accepted);
    assert_eq!(realm.hand_in(&realm.bank, &pair).await, CREDITED);
    assert_eq!(position(&realm.bank).await.owed_by_us, 300);
    realm.claim(&pair).await;
    realm.settled(&pair, CREDITED).await;
    assert_eq!(realm.present(&pair).await, ForwardOutcome::Accepted);

    assert_eq!(realm.shop.online(&cafe).await, 300);
    let kept = "SELECT count(*) FROM answers WHERE kind = 8";
    assert_eq!(realm.bank.number(kept).await, 1);
    realm.check(300).await;
}

#[tokio::test]
async fn a_double_spend_at_two_providers_is_refused_with_evidence_that_convinces_anybody() {
    let realm = Realm::new(10_000).await;
    let mut mallory = realm.payer(1_000).await;
    let kiosk = realm.bank.client("Kiosk").await;
    let cafe = realm.shop.client("Cafe").await;
    let mut clone = mallory.clone();
    let at_home = mallory.pay(&kiosk.client_request(300));
    let abroad = clone.pay(&cafe.client_request(300));
    assert_eq!(realm.hand_in(&realm.bank, &at_home).await, CREDITED);

    assert_eq!(realm.claim(&abroad).await, WAITING);
    realm.settled(&abroad, EVIDENCE).await;

    assert_eq!(realm.bank.view(&mallory).await.tas[0].standing, "suspended");
    assert_eq!(realm.shop.online(&cafe).await, 0);
    realm.check(0).await;
    for world in [&realm.bank, &realm.shop] {
        let mut office = Office::open(world.data.path()).await.unwrap();
        let finding = office.findings().await.unwrap().remove(0);
        let file = office.evidence(finding.id).await.unwrap();
        let conviction = file.verify(&realm.root.public_key()).unwrap();
        assert_eq!(conviction.certificate.subject, mallory.ta_key());
    }
}

#[tokio::test]
async fn an_honest_ta_that_collected_a_forged_payment_is_paid_by_its_own_provider() {
    let realm = Realm::new(10_000).await;
    let mut mallory = realm.payer(1_000).await;
    let kiosk = realm.bank.client("Kiosk").await;
    let mut bob = realm.shop.device("Bob", 0).await;
    let mut clone = mallory.clone();
    let at_home = mallory.pay(&kiosk.client_request(300));
    let abroad = clone.pay(&bob.request(300));
    bob.collect(&abroad);
    realm.hand_in(&realm.bank, &at_home).await;

    realm.claim(&abroad).await;
    realm.shop.sync(&mut bob).await;
    eventually("refused", async || realm.shop.ledger().await.loss == 300).await;

    assert_eq!(realm.shop.view(&bob).await.tas[0].shadow, 300);
    realm.check(0).await;
}

#[tokio::test]
async fn of_two_payments_with_one_number_the_one_that_its_provider_accepted_counts() {
    let realm = Realm::new(10_000).await;
    let mut mallory = realm.payer(1_000).await;
    let (cafe, book) = (
        realm.shop.client("Cafe").await,
        realm.shop.client("Book").await,
    );
    let mut clone = mallory.clone();
    let first = mallory.pay(&cafe.client_request(300));
    let second = clone.pay(&book.client_request(300));
    assert_eq!(realm.present(&second).await, ForwardOutcome::Accepted);

    realm.claim(&first).await;
    realm.claim(&second).await;
    realm.settled(&second, CREDITED).await;
    realm.settled(&first, EVIDENCE).await;

    assert_eq!(realm.shop.online(&cafe).await, 0);
    assert_eq!(realm.shop.online(&book).await, 300);
    realm.check(300).await;
}

#[tokio::test]
async fn beyond_the_exposure_payments_wait_and_a_settlement_brings_them() {
    let realm = Realm::new(400).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let first = alice.pay(&cafe.client_request(300));
    let second = alice.pay(&cafe.client_request(200));
    let third = alice.pay(&cafe.client_request(50));
    realm.claim(&first).await;
    realm.settled(&first, CREDITED).await;

    assert_eq!(realm.claim(&second).await, WAITING);
    // Beside it one is presented that is within the exposure.
    assert_eq!(realm.claim(&third).await, WAITING);
    realm.settled(&third, CREDITED).await;
    assert_eq!(realm.claim(&second).await, WAITING);
    assert_eq!(position(&realm.shop).await.kept_back, 200);
    realm.check(350).await;
    let mut office = Office::open(realm.bank.data.path()).await.unwrap();
    office.settle("Shop", amount(250), "wire-1").await.unwrap();
    receive(&realm.shop, "Bank", 250, "wire-1").await;

    realm.settled(&second, CREDITED).await;
    assert_eq!(realm.shop.online(&cafe).await, 550);
    realm.check(300).await;
}

#[tokio::test]
async fn without_an_agreement_nothing_of_another_provider_is_credited() {
    let realm = Realm::new(10_000).await;
    let mut office = Office::open(realm.shop.data.path()).await.unwrap();
    office.remove_peer("Bank").await.unwrap();
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(300));

    assert_eq!(realm.claim(&pair).await, WAITING);
    assert_eq!(realm.shop.check().await.position, 0);
    realm.introduce(10_000).await;

    realm.settled(&pair, CREDITED).await;
    realm.check(300).await;
}

#[tokio::test]
async fn a_mailbox_names_the_provider_of_a_payer_from_elsewhere() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let mut bob = realm.shop.device("Bob", 0).await;
    let pair = alice.pay(&bob.request(300));
    realm.hand_in(&realm.bank, &pair).await;
    eventually("mail", async || {
        let mail = realm.shop.mailbox(&bob, 0).await.unwrap();
        mail.pairs.len() == 1
    })
    .await;

    let mail = realm.shop.mailbox(&bob, 0).await.unwrap();
    assert!(mail.providers.contains(&realm.bank.provider));
    assert!(mail.providers.contains(&realm.shop.provider));
}

#[tokio::test]
async fn a_client_is_told_of_a_payment_of_a_payer_from_elsewhere_once_its_provider_accepted_it() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(300));
    realm.claim(&pair).await;
    realm.settled(&pair, CREDITED).await;

    let wanted = [pair.hash()];
    let told = realm.shop.credited(&cafe, 0, &wanted).await.unwrap();

    assert_eq!(told.payments.to_vec(), wanted);
    assert_eq!(told.pairs.to_vec(), [pair]);
    assert!(told.providers.contains(&realm.bank.provider));
    assert!(told.providers.contains(&realm.shop.provider));
}

#[tokio::test]
async fn only_the_provider_of_the_receiver_may_present_a_payment() {
    let mut realm = Realm::new(10_000).await;
    let thief = provider(&mut realm.root, "Thief").await;
    let thief = World::start(thief.copy(RATE).await).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let pair = alice.pay(&cafe.client_request(300));
    let mut stolen = realm.forward(&pair);
    stolen.from = thief.provider.body().provider;
    stolen.providers =
        List::try_from(vec![thief.provider.clone(), realm.shop.provider.clone()]).unwrap();
    let key = secret(&thief, "answer");

    let own_name = Signed::sign(stolen, &key).to_wire();
    let refused = realm.bank.post("/v1/forwards", own_name).await.unwrap_err();
    assert_eq!(refused.code, "malformed");
    let other_name = Signed::sign(realm.forward(&pair), &key).to_wire();
    let refused = realm.bank.post("/v1/forwards", other_name).await;
    assert_eq!(refused.unwrap_err().code, "signature");

    realm.claim(&pair).await;
    realm.settled(&pair, CREDITED).await;
    realm.check(300).await;
}

#[tokio::test]
async fn what_never_was_is_refused_by_name() {
    let realm = Realm::new(10_000).await;
    let alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let mut unknown = Device::new("Nobody");
    unknown.ta_certificate = Some(forge(&realm, &unknown, |_| {}));
    let pair = unknown.pay(&cafe.client_request(10));
    let not_known = ForwardOutcome::Refused(ForwardRefused::SenderUnknown);
    assert_eq!(realm.present(&pair).await, not_known);

    let mut damaged = alice.clone().pay(&cafe.client_request(10));
    damaged.request = cafe.client_request(11);
    let not_verified = ForwardOutcome::Refused(ForwardRefused::PayVerify);
    assert_eq!(realm.present(&damaged).await, not_verified);

    realm.claim(&pair).await;
    let refused = ItemOutcome::Refused(ItemRefused::SenderUnknown);
    realm.settled(&pair, refused).await;
    assert_eq!(realm.shop.online(&cafe).await, 0);
    realm.check(0).await;
}
