//! Two providers, one of which is restored, or does not say the truth: what one owes the other stays agreed.

use std::path::Path;

use blepay_server::admin::{Force, Office, PositionError, Standing, restore};
use blepay_server::provider::Layout;
use ops_proto::list::List;
use ops_proto::message::{
    ItemOutcome, ItemRefused, ListVersion, ListsHeld, ListsQuery, ProviderList, RequestPayment,
    SettlementState,
};
use ops_proto::signed::Signed;
use tempfile::TempDir;

use super::realm::{Realm, eventually, position, receive};
use super::restore::back_up;
use super::world::{Device, World, amount};

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);
const REVOKED: ItemOutcome = ItemOutcome::Refused(ItemRefused::Revoked);

/// The first version of a list.
const FIRST: ListVersion = ListVersion {
    epoch: 1,
    number: 1,
};

async fn office(world: &World) -> Office {
    Office::open(world.data.path()).await.unwrap()
}

/// Settles on both sides.
async fn settle(realm: &Realm, minor_units: u64, reference: &str) {
    let mut bank = office(&realm.bank).await;
    let paid = amount(minor_units);
    bank.settle("Shop", paid, reference).await.unwrap();
    receive(&realm.shop, "Bank", minor_units, reference).await;
    acknowledged(realm).await;
}

pub(super) async fn acknowledged(realm: &Realm) {
    eventually("acknowledged", async || {
        realm.bank.time_passes().await;

        position(&realm.bank).await.not_acknowledged == 0
    })
    .await;
}

/// Waits until both say that the bank owes this.
async fn agreed(realm: &Realm, owed: u64) {
    eventually("agreed", async || {
        realm.bank.time_passes().await;
        realm.shop.time_passes().await;

        position(&realm.bank).await.owed_by_us == owed
            && position(&realm.shop).await.owed_to_us == owed
    })
    .await;
}

/// Stops a provider and takes its books back to a backup.
async fn stopped_and_restored(world: World, file: &Path) -> TempDir {
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let World { data, server, .. } = world;
    server.shutdown().await;
    restore(data.path(), &address, file, Force::Yes)
        .await
        .unwrap();

    data
}

#[tokio::test]
async fn a_restored_debtor_is_told_again_what_it_accepted_and_settled_and_goes_on_in_order() {
    let mut realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let file = back_up(&realm.bank).await;
    let first = alice.pay(&cafe.client_request(300));
    realm.claim(&first).await;
    realm.settled(&first, CREDITED).await;
    settle(&realm, 100, "one").await;
    settle(&realm, 20, "two").await;
    realm.check(180).await;

    let data = stopped_and_restored(realm.bank, &file).await;
    // Nobody settles anew before the creditor told what had been settled.
    let mut bank = Office::open(data.path()).await.unwrap();
    let early = bank.settle("Shop", amount(1), "early").await;
    assert!(matches!(early, Err(PositionError::NotRecalled(_))));
    drop(bank);
    realm.bank = World::start_talking(data).await;
    realm.introduce(10_000).await;

    agreed(&realm, 180).await;
    acknowledged(&realm).await;
    realm.check(180).await;
    let mut bank = office(&realm.bank).await;
    let again = bank.settle("Shop", amount(100), "one").await.unwrap();
    assert!(again.repeated && again.number == 1);
    settle(&realm, 80, "three").await;
    let second = alice.pay(&cafe.client_request(50));
    realm.claim(&second).await;
    realm.settled(&second, CREDITED).await;
    realm.check(150).await;
    assert_eq!(position(&realm.bank).await.settlements.len(), 3);
    assert_eq!(realm.shop.online(&cafe).await, 350);
}

#[tokio::test]
async fn a_restored_creditor_is_handed_again_what_it_presented_and_told_what_was_settled() {
    let mut realm = Realm::new(10_000).await;
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let file = back_up(&realm.shop).await;
    let pair = alice.pay(&cafe.client_request(300));
    realm.claim(&pair).await;
    realm.settled(&pair, CREDITED).await;
    settle(&realm, 100, "one").await;

    let data = stopped_and_restored(realm.shop, &file).await;
    realm.shop = World::start_talking(data).await;
    assert_eq!(realm.shop.online(&cafe).await, 0);
    realm.introduce(10_000).await;
    // Nobody hands the payment in here; and the shop's people see once more that the money came.
    eventually("credited", async || {
        realm.bank.time_passes().await;

        realm.shop.online(&cafe).await == 300
    })
    .await;
    receive(&realm.shop, "Bank", 100, "one").await;

    agreed(&realm, 200).await;
    realm.check(200).await;
    settle(&realm, 200, "two").await;
    realm.check(0).await;
}

/// Asks for money of a payer of the bank, holding the first version of its deny-list.
fn knowing(realm: &Realm, payee: &Device) -> Signed<RequestPayment> {
    let mut body = payee.client_request(100).body().clone();
    let list = ProviderList {
        provider: realm.bank.provider.body().provider,
        version: FIRST,
    };
    body.lists_held = ListsHeld {
        root: ListVersion::default(),
        providers: List::try_from(vec![list]).unwrap(),
    };

    Signed::sign(body, &payee.client())
}

/// Waits until the shop was refused a payment, and asks again only after a while.
async fn put_off(realm: &Realm) {
    let is_put_off = "SELECT count(*) FROM forwards WHERE due_ms > 0";
    eventually("put off", async || realm.shop.number(is_put_off).await == 1).await;
}

async fn revoke(world: &World, device: &Device) {
    let standing = Standing::Revoked;
    let mut office = office(world).await;
    office
        .set_standing(&device.ta_key(), standing, "stolen")
        .await
        .unwrap();
}

/// Has the shop fetch the bank's list, which it does when it starts.
async fn fetched(mut realm: Realm) -> Realm {
    realm.shop = realm.shop.restart().await;
    let query = ListsQuery {
        held: ListsHeld::default(),
        after: None,
    };
    eventually("fetched", async || {
        !realm.shop.lists(&query).await.pieces.is_empty()
    })
    .await;

    realm
}

#[tokio::test]
async fn a_refusal_for_revocation_counts_once_the_list_that_the_request_states_shows_it() {
    let mut realm = Realm::new(10_000).await;
    realm.share_directory();
    let mut alice = realm.payer(1_000).await;
    let cafe = realm.shop.client("Cafe").await;
    revoke(&realm.bank, &alice).await;
    let pair = alice.pay(&knowing(&realm, &cafe));
    assert_eq!(realm.claim(&pair).await, WAITING);
    put_off(&realm).await;
    assert_eq!(realm.claim(&pair).await, WAITING);
    assert_eq!(position(&realm.shop).await.owed_to_us, 100);

    let realm = fetched(realm).await;
    realm.shop.time_passes().await;

    realm.settled(&pair, REVOKED).await;
    assert_eq!(realm.shop.online(&cafe).await, 0);
    realm.check(0).await;
}

#[tokio::test]
async fn a_refusal_for_revocation_that_the_list_does_not_show_leaves_the_payment_owed() {
    let mut realm = Realm::new(10_000).await;
    realm.share_directory();
    let mut alice = realm.payer(1_000).await;
    let thief = realm.bank.device("Thief", 0).await;
    let cafe = realm.shop.client("Cafe").await;
    revoke(&realm.bank, &thief).await;
    let realm = fetched(realm).await;
    // The bank says that its first version named Alice, and it names the thief alone.
    realm
        .bank
        .sql("UPDATE tas SET listed_epoch = 1, listed_number = 1")
        .await;
    let pair = alice.pay(&knowing(&realm, &cafe));

    assert_eq!(realm.claim(&pair).await, WAITING);
    put_off(&realm).await;
    assert_eq!(realm.claim(&pair).await, WAITING);
    assert_eq!(position(&realm.shop).await.owed_to_us, 100);
    realm.shop.check().await;
}
