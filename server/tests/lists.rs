//! Deny-lists: who is revoked, in signed pieces, and payments that their own request's list forbids.

use blepay_server::admin::{Force, Office, Standing, backup, restore};
use blepay_server::provider::Layout;
use ops_proto::certificate::Role;
use ops_proto::list::List;
use ops_proto::message::{
    CertificateChain, DepositOutcome, ItemOutcome, ItemRefused, ListVersion, ListsHeld, ListsQuery,
    ProviderList, RememberedItem, SettlementState,
};
use ops_proto::{PublicKey, Signed};

use super::realm::{Realm, eventually};
use super::restore::remember;
use super::world::{Device, World, decode};

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const REVOKED: ItemOutcome = ItemOutcome::Refused(ItemRefused::Revoked);

fn holding(world: &World, version: Option<ListVersion>) -> ListsHeld {
    let provider = world.provider.body().provider;
    let list = version.map(|version| ProviderList { provider, version });

    ListsHeld {
        root: ListVersion::default(),
        providers: List::try_from(list.into_iter().collect::<Vec<_>>()).unwrap(),
    }
}

fn query(world: &World, version: Option<ListVersion>) -> ListsQuery {
    ListsQuery {
        held: holding(world, version),
        after: None,
    }
}

fn list_key(world: &World) -> PublicKey {
    let Role::Provider { list_key, .. } = world.provider.body().role else {
        panic!("a provider's certificate");
    };

    list_key
}

async fn revoke(world: &World, device: &Device) {
    let mut office = Office::open(world.data.path()).await.unwrap();
    let ta = device.ta_key();
    let revoked = Standing::Revoked;
    office.set_standing(&ta, revoked, "stolen").await.unwrap();
}

/// Has a client ask for money, holding a version of its provider's list.
fn request(
    world: &World,
    payee: &Device,
    version: Option<ListVersion>,
) -> Signed<ops_proto::message::RequestPayment> {
    let mut body = payee.client_request(100).body().clone();
    body.lists_held = holding(world, version);

    Signed::sign(body, &payee.client())
}

#[tokio::test]
async fn a_revocation_makes_a_new_version_signed_by_the_list_key() {
    let world = World::new().await;
    let alice = world.device("Alice", 0).await;
    let bob = world.device("Bob", 0).await;
    assert_eq!(world.lists(&query(&world, None)).await.pieces.len(), 0);

    revoke(&world, &alice).await;
    revoke(&world, &alice).await;
    let first = world.lists(&query(&world, None)).await;
    revoke(&world, &bob).await;
    let second = world.lists(&query(&world, None)).await;

    for (update, number, keys) in [
        (&first, 1, vec![alice.ta_key()]),
        (&second, 2, vec![alice.ta_key(), bob.ta_key()]),
    ] {
        assert!(!update.more);
        let piece = update.pieces[0].verify(&list_key(&world)).unwrap();
        assert_eq!(piece.version, ListVersion { epoch: 1, number });
        assert_eq!((piece.piece, piece.pieces), (0, 1));
        let mut keys = keys;
        keys.sort();
        let listed: Vec<_> = piece.entries.iter().map(|entry| entry.key).collect();
        assert_eq!(listed, keys);
    }
    let newest = second.pieces[0].body().version;
    assert_eq!(
        world.lists(&query(&world, Some(newest))).await.pieces.len(),
        0
    );
    assert_eq!(world.lists(&query(&world, None)).await, second);
}

#[tokio::test]
async fn the_directory_is_served_to_who_holds_an_older_one() {
    let world = World::new().await;
    let update = world.lists(&query(&world, None)).await;

    let directory = update.directory.unwrap();
    let body = directory.verify(&world.root()).unwrap();
    assert_eq!(body.providers[0].provider, world.provider.body().provider);
    assert_eq!(body.providers[0].list_key, list_key(&world));
    let mut held = query(&world, None);
    held.held.root = body.version;
    assert_eq!(world.lists(&held).await.directory, None);
}

#[tokio::test]
async fn a_long_list_travels_in_pieces_of_at_most_3_kib_and_pages() {
    let world = World::new().await;
    let alice = world.device("Alice", 0).await;
    revoke(&world, &alice).await;
    let fill = match super::ENGINE {
        crate::Engine::Sqlite => {
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 4999)
         INSERT INTO deny_entries (key, not_after_ms)
         SELECT CAST(substr('00000000000000000000000000000000' || x, -32) AS BLOB), 9000000000000 FROM n"
        }
        crate::Engine::Postgres => {
            "INSERT INTO deny_entries (key, not_after_ms)
         SELECT convert_to(lpad(CAST(x AS TEXT), 32, '0'), 'UTF8'), 9000000000000
         FROM generate_series(1, 4999) AS x"
        }
    };
    world.sql(fill).await;

    let mut pieces = Vec::new();
    let mut ask = query(&world, None);
    loop {
        let update = world.lists(&ask).await;
        pieces.extend(update.pieces.iter().cloned());
        let last = pieces.last().unwrap().body();
        ask.after = Some(ops_proto::message::PieceId {
            provider: last.provider,
            version: last.version,
            piece: last.piece,
        });
        if !update.more {
            break;
        }
    }

    assert_eq!(pieces.len(), 70);
    let mut keys = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        assert!(piece.to_wire().len() <= 3072);
        let body = piece.verify(&list_key(&world)).unwrap();
        assert_eq!((usize::from(body.piece), body.pieces), (number, 70));
        keys.extend(body.entries.iter().map(|entry| entry.key));
    }
    assert_eq!(keys.len(), 5_000);
    assert!(keys.is_sorted());
}

#[tokio::test]
async fn evidence_lists_the_ta_that_it_convicts() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 500).await;
    let mut clone = alice.clone();
    world.claim(&alice.pay(&shop.client_request(100))).await;
    world.claim(&clone.pay(&shop.client_request(200))).await;

    let update = world.lists(&query(&world, None)).await;

    assert_eq!(update.pieces[0].body().entries[0].key, alice.ta_key());
}

#[tokio::test]
async fn a_payment_is_refused_for_revocation_only_if_its_request_states_the_list_that_named_its_sender()
 {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let bob = world.device("Bob", 0).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    revoke(&world, &bob).await;
    revoke(&world, &alice).await;
    let version = |number| Some(ListVersion { epoch: 1, number });

    let unaware = alice.pay(&request(&world, &shop, None));
    let older = alice.pay(&request(&world, &shop, version(1)));
    let knowing = alice.pay(&request(&world, &shop, version(2)));
    let newer = alice.pay(&request(&world, &shop, version(3)));

    assert_eq!(world.claim(&unaware).await, CREDITED);
    assert_eq!(world.claim(&older).await, CREDITED);
    assert_eq!(world.claim(&knowing).await, REVOKED);
    assert_eq!(world.claim(&newer).await, REVOKED);
    assert_eq!(world.claim(&knowing).await, REVOKED);
    assert_eq!(world.online(&shop).await, 200);
    world.check().await;
}

#[tokio::test]
async fn who_collects_from_a_ta_that_its_own_list_names_bears_the_loss() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 60).await;
    world.load(&mut alice, 1_000).await;
    revoke(&world, &alice).await;
    let mut body = bob.request(100).body().clone();
    body.lists_held = holding(
        &world,
        Some(ListVersion {
            epoch: 1,
            number: 1,
        }),
    );
    let pair = alice.pay(&Signed::sign(body, &bob.ta()));
    bob.collect(&pair);
    assert_eq!(world.report(&pair).await, REVOKED);

    world.sync(&mut bob).await;
    world.sync(&mut bob).await;

    assert_eq!(world.online(&bob).await, 0);
    assert_eq!(world.view(&bob).await.tas[0].standing, "live");
    assert_eq!(world.view(&alice).await.tas[0].open, 1_000);
    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.shadow), (40, 100));
}

#[tokio::test]
async fn an_entry_leaves_only_when_its_certificate_has_ended() {
    let world = World::new().await;
    let alice = world.device("Alice", 0).await;
    let bob = world.device("Bob", 0).await;
    let carol = world.device("Carol", 0).await;
    revoke(&world, &alice).await;
    revoke(&world, &bob).await;
    world
        .sql("UPDATE deny_entries SET not_after_ms = 1 WHERE key IN (SELECT key FROM deny_entries LIMIT 1)")
        .await;

    revoke(&world, &carol).await;

    let update = world.lists(&query(&world, None)).await;
    assert_eq!(update.pieces[0].body().entries.len(), 2);
    let listed: Vec<_> = update.pieces[0]
        .body()
        .entries
        .iter()
        .map(|entry| entry.key)
        .collect();
    assert!(listed.contains(&carol.ta_key()));
}

#[tokio::test]
async fn lists_of_other_providers_are_fetched_and_served_on() {
    let mut realm = Realm::new(1_000).await;
    realm.share_directory();
    let thief = realm.bank.device("Thief", 0).await;
    revoke(&realm.bank, &thief).await;
    let bank = realm.bank.provider.body().provider;
    let of_bank = realm.bank.lists(&query(&realm.bank, None)).await.pieces;

    // The shop asks when it starts, and then by the clock.
    realm.shop = realm.shop.restart().await;

    let served = async || realm.shop.lists(&query(&realm.shop, None)).await.pieces;
    eventually("the list came", async || !served().await.is_empty()).await;
    let served = served().await;
    assert_eq!(served, of_bank);
    assert_eq!(served[0].body().provider, bank);
}

#[tokio::test]
async fn lists_are_carried_by_file_and_only_what_the_directory_says_is_taken() {
    let mut realm = Realm::new(1_000).await;
    realm.share_directory();
    let stranger = World::of_another().await;
    for world in [&realm.bank, &stranger] {
        let thief = world.device("Thief", 0).await;
        revoke(world, &thief).await;
    }
    let export = async |world: &World| {
        let mut office = Office::open(world.data.path()).await.unwrap();
        office.export_lists().await.unwrap()
    };
    let (genuine, foreign) = (export(&realm.bank).await, export(&stranger).await);
    let mut office = Office::open(realm.shop.data.path()).await.unwrap();

    let taken = office.import_lists(&genuine).await.unwrap();
    let again = office.import_lists(&genuine).await.unwrap();
    let refused = office.import_lists(&foreign).await.unwrap();
    let noise = office.import_lists(b"noise").await;

    assert_eq!((taken.taken, taken.refused), (1, 0));
    assert_eq!((again.taken, again.refused), (1, 0));
    assert_eq!((refused.taken, refused.refused), (0, 1));
    assert!(noise.is_err());
    let served = realm.shop.lists(&query(&realm.shop, None)).await.pieces;
    assert_eq!(
        served,
        realm.bank.lists(&query(&realm.bank, None)).await.pieces
    );
}

#[tokio::test]
async fn a_restore_gives_no_version_a_second_meaning() {
    let world = World::new().await;
    let first = world.device("First", 0).await;
    let thief = world.device("Thief", 0).await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut carol = world.device("Carol", 1_000).await;
    world.load(&mut alice, 500).await;
    world.load(&mut carol, 500).await;
    let shop = world.client("Shop").await;
    revoke(&world, &first).await;
    revoke(&world, &carol).await;
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let file = world.data.path().join("copy.backup");
    backup(world.data.path(), &address, &file).await.unwrap();
    revoke(&world, &thief).await;
    let held = world.lists(&query(&world, None)).await.pieces[0]
        .body()
        .version;
    let World { data, server, .. } = world;
    server.shutdown().await;
    restore(data.path(), &address, &file, Force::Yes)
        .await
        .unwrap();
    let world = World::start(data).await;

    // Who holds a version that the restore forgot is told the list of now.
    let update = world.lists(&query(&world, Some(held))).await;
    assert!(update.pieces[0].body().version > held);
    // The shop's list of before named Carol, and not Alice, who is revoked afterwards.
    let honest = alice.pay(&request(&world, &shop, Some(held)));
    revoke(&world, &alice).await;
    assert_eq!(
        world.lists(&query(&world, Some(held))).await.pieces.len(),
        1
    );
    assert_eq!(world.claim(&honest).await, CREDITED);
    let listed = carol.pay(&request(&world, &shop, Some(held)));
    assert_eq!(world.claim(&listed).await, REVOKED);
}

#[tokio::test]
async fn whom_a_device_remembers_as_revoked_is_revoked_again_after_a_restore() {
    let world = World::new().await;
    let other = World::of_another().await;
    let first = world.device("First", 0).await;
    let mut thief = world.device("Thief", 1_000).await;
    let witness = world.client("Witness").await;
    world.load(&mut thief, 500).await;
    revoke(&world, &first).await;
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let file = world.data.path().join("copy.backup");
    backup(world.data.path(), &address, &file).await.unwrap();
    revoke(&world, &thief).await;
    // One that the restore forgets altogether.
    let mut late = Device::new("Late");
    let client: CertificateChain = decode(&late.register_client(&world).await.unwrap());
    let ta: CertificateChain = decode(&late.register_ta(&world).await.unwrap());
    revoke(&world, &late).await;
    revoke(&other, &other.device("Else", 0).await).await;
    let piece = world.lists(&query(&world, None)).await.pieces[0].clone();
    let foreign = other.lists(&query(&other, None)).await.pieces[0].clone();
    let World { data, server, .. } = world;
    server.shutdown().await;
    restore(data.path(), &address, &file, Force::Yes)
        .await
        .unwrap();
    let world = World::start(data).await;
    assert_eq!(world.view(&thief).await.tas[0].standing, "live");

    let item = RememberedItem::DenyList(piece.clone());
    let told = [item.clone(), RememberedItem::DenyList(foreign)];
    assert_eq!(remember(&world, &witness, &told).await.unwrap(), 1);
    let update = world.lists(&query(&world, None)).await;
    let told_again = [RememberedItem::Certificate(client), item];
    assert_eq!(remember(&world, &late, &told_again).await.unwrap(), 2);
    let ta = [RememberedItem::Certificate(ta)];
    assert_eq!(remember(&world, &late, &ta).await.unwrap(), 1);

    assert_eq!(world.lists(&query(&world, None)).await, update, "once");
    let body = update.pieces[0].verify(&list_key(&world)).unwrap();
    assert!(body.version > piece.body().version);
    assert_eq!(body.entries, piece.body().entries);
    assert_eq!(body.entries.len(), 3);
    for device in [&thief, &late] {
        let view = world.view(device).await;
        assert_eq!(view.tas[0].standing, "suspended");
        let mut office = Office::open(world.data.path()).await.unwrap();
        let live = Standing::Live;
        let again = office.set_standing(&device.ta_key(), live, "why").await;
        assert!(again.is_err(), "it is on the list");
    }
    let order = thief.deposit_open(100);
    let refused = world.deposit(&order).await.unwrap();
    assert_ne!(refused.body().outcome, DepositOutcome::Granted);
    world.check().await;
}
