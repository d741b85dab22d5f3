//! After a restore: devices hand in what they kept, and nothing is lost or credited twice.

use std::path::{Path, PathBuf};

use blepay_server::admin::{Force, audit, backup, restore};
use blepay_server::provider::Layout;
use ops_proto::list::List;
use ops_proto::message::{
    CertificateChain, DepositOutcome, ItemOutcome, Remembered, RememberedAnswer, RememberedItem,
    RetireAnswer, SettlementState,
};
use ops_proto::signed::{Signed, encode};
use ops_proto::{PaymentPair, PublicKey};

use super::world::{Device, Refused, World, decode};

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);

/// A device with everything that it keeps for a server that forgot it.
struct Keeper {
    device: Device,
    certificates: Vec<RememberedItem>,
    items: Vec<RememberedItem>,
    pairs: Vec<PaymentPair>,
}

impl Keeper {
    async fn new(world: &World, name: &str, credit: u64) -> Self {
        let mut device = Device::new(name);
        let client = device.register_client(world).await.unwrap();
        let ta = device.register_ta(world).await.unwrap();
        if credit > 0 {
            world.credit(&device, credit).await;
        }
        let certificates = [client, ta].map(|bytes| RememberedItem::Certificate(decode(&bytes)));

        Self {
            device,
            certificates: certificates.to_vec(),
            items: Vec::new(),
            pairs: Vec::new(),
        }
    }

    async fn load(&mut self, world: &World, minor_units: u64) {
        let order = self.device.deposit_open(minor_units);
        let answer = world.deposit(&order).await.unwrap();
        self.device.deposit_close(&answer);
        self.items.push(RememberedItem::Deposit(order, answer));
    }

    async fn withdraw(&mut self, world: &World, minor_units: u64) {
        let order = self.device.withdraw(minor_units);
        let ack = world.withdraw(&order).await.unwrap();
        self.items.push(RememberedItem::Withdraw(order, ack));
    }

    /// Pays another device's TA, which collects.
    fn pay(&mut self, payee: &mut Self, minor_units: u64) {
        let pair = self.device.pay(&payee.device.request(minor_units));
        assert!(payee.device.collect(&pair));
        payee.pairs.push(pair.clone());
        self.pairs.push(pair);
    }

    async fn sync(&mut self, world: &World) {
        world.batch("/v1/reports", &self.pairs).await;
        let order = self.device.status_open();
        let token = world.status(&order).await.unwrap();
        self.device.take_token(&token);
        self.items.push(RememberedItem::Token(order.status, token));
    }

    async fn tell(&self, world: &World, items: &[RememberedItem]) -> Result<u64, Refused> {
        remember(world, &self.device, items).await
    }

    /// Tells all, reports all and syncs, as a device does that hears of a new life.
    async fn come_back(&mut self, world: &World) {
        let items = [self.certificates.clone(), self.items.clone()].concat();
        let known = self.tell(world, &items).await.unwrap();
        assert_eq!(known, u64::try_from(items.len()).unwrap());
        self.sync(world).await;
    }
}

pub(super) async fn remember(
    world: &World,
    device: &Device,
    items: &[RememberedItem],
) -> Result<u64, Refused> {
    let challenge = world.challenge(device.client_key()).await;
    let body = Remembered {
        client: device.client_key(),
        items: List::try_from(items.to_vec()).unwrap(),
        challenge,
    };
    let signed = Signed::sign(body, &device.client());
    let bytes = world.post("/v1/remembered", signed.to_wire()).await?;
    let answer: Signed<RememberedAnswer> = world.signed(&bytes);

    Ok(answer.body().known)
}

pub(super) async fn back_up(world: &World) -> PathBuf {
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let file = world.data.path().join("copy.backup");
    backup(world.data.path(), &address, &file).await.unwrap();

    file
}

pub(super) async fn restored(world: World, file: &Path) -> World {
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let World { data, server, .. } = world;
    server.shutdown().await;
    restore(data.path(), &address, file, Force::Yes)
        .await
        .unwrap();

    World::start(data).await
}

async fn books(world: &World, keepers: &[&Keeper]) -> Vec<(u64, u64)> {
    let mut books = Vec::new();
    for keeper in keepers {
        let view = world.view(&keeper.device).await;
        let shadow = view.tas.iter().map(|ta| ta.shadow + ta.open).sum();
        books.push((view.online, shadow));
    }

    books
}

#[tokio::test]
async fn after_a_restore_devices_hand_in_what_they_kept_and_nothing_is_credited_twice() {
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    let mut bob = Keeper::new(&world, "Bob", 500).await;
    let shop = world.client("Shop").await;
    alice.load(&world, 500).await;
    alice.sync(&world).await;
    let file = back_up(&world).await;

    let mut carol = Keeper::new(&world, "Carol", 300).await;
    carol.load(&world, 200).await;
    alice.load(&world, 100).await;
    alice.pay(&mut bob, 120);
    carol.pay(&mut alice, 50);
    bob.pay(&mut carol, 30);
    let claimed = bob.device.pay(&shop.client_request(40));
    bob.pairs.push(claimed.clone());
    alice.withdraw(&world, 70).await;
    for keeper in [&mut carol, &mut alice, &mut bob] {
        world.batch("/v1/reports", &keeper.pairs).await;
    }
    for keeper in [&mut carol, &mut alice, &mut bob] {
        keeper.sync(&world).await;
    }
    alice.pay(&mut carol, 25);
    let before = books(&world, &[&alice, &bob, &carol]).await;
    assert_eq!(world.online(&shop).await, 40);
    let ledger_before = world.check().await;

    let world = restored(world, &file).await;
    // Alice comes back first: the books do not know Carol, from whom she collected and whom she paid.
    alice.come_back(&world).await;
    assert_eq!(carol.tell(&world, &carol.certificates).await.unwrap(), 2);
    world.credit(&carol.device, 300).await;
    carol.come_back(&world).await;
    bob.come_back(&world).await;
    for keeper in [&mut alice, &mut carol, &mut bob] {
        keeper.come_back(&world).await;
    }

    let ledger = world.check().await;
    assert_eq!(books(&world, &[&alice, &bob]).await[1], before[1]);
    assert_eq!(world.online(&shop).await, 40);
    assert_eq!(world.online(&alice.device).await, before[0].0);
    assert_eq!(world.online(&carol.device).await, before[2].0);
    assert_eq!(
        (ledger.issued, ledger.online),
        (ledger_before.issued, ledger_before.online)
    );
    assert_eq!((ledger.loss, ledger.position, ledger.transit), (0, 0, 0));
    let held: u64 = [&alice, &bob, &carol]
        .iter()
        .map(|keeper| keeper.device.balance)
        .sum();
    assert_eq!(ledger.shadow + ledger.open, i64::try_from(held).unwrap());
    // Business goes on.
    let next = alice.device.pay(&shop.client_request(10));
    alice.pairs.push(next.clone());
    alice.load(&world, 20).await;
    alice.sync(&world).await;
    assert_eq!(world.online(&shop).await, 50);
    for keeper in [&alice, &bob, &carol] {
        assert_eq!(world.view(&keeper.device).await.tas[0].standing, "live");
    }
    world.check().await;
}

#[tokio::test]
async fn a_grant_that_the_owners_account_lacks_after_a_restore_is_borne_by_the_provider() {
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 0).await;
    let file = back_up(&world).await;
    world.credit(&alice.device, 400).await;
    alice.load(&world, 300).await;
    let world = restored(world, &file).await;

    alice.come_back(&world).await;
    alice.come_back(&world).await;

    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.shadow), (300, 300));
    let view = world.view(&alice.device).await;
    assert_eq!(view.tas[0].standing, "live");
    assert!(view.tas[0].findings[0].contains("the provider bears 300"));
    let RememberedItem::Deposit(order, answer) = &alice.items[0] else {
        panic!("the deposit comes first");
    };
    let again = world.post("/v1/deposits", encode(order)).await.unwrap();
    assert_eq!(again, answer.to_wire());
    assert_eq!(answer.body().outcome, DepositOutcome::Granted);
}

#[tokio::test]
async fn an_honest_ta_is_not_convicted_for_what_the_restore_forgot() {
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    let mut bob = Keeper::new(&world, "Bob", 1_000).await;
    alice.load(&world, 500).await;
    bob.load(&world, 500).await;
    alice.sync(&world).await;
    bob.sync(&world).await;
    let file = back_up(&world).await;
    alice.pay(&mut bob, 200);
    alice.sync(&world).await;
    bob.sync(&world).await;
    let world = restored(world, &file).await;
    // Both kept their tokens and lost the payment.
    let lost = alice.pairs.pop().unwrap();
    bob.pairs.clear();

    alice.come_back(&world).await;
    bob.come_back(&world).await;

    for (keeper, shadow) in [(&alice, 300), (&bob, 700)] {
        let view = world.view(&keeper.device).await;
        assert_eq!((view.tas[0].standing, view.tas[0].shadow), ("live", shadow));
    }
    assert_eq!(world.check().await.loss, 0);
    // It turns up after all: the books are as right as before.
    world.report(&lost).await;
    alice.come_back(&world).await;
    bob.come_back(&world).await;
    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.shadow), (0, 1_000));
}

#[tokio::test]
async fn after_the_claim_window_a_status_that_differs_convicts_again() {
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    alice.load(&world, 500).await;
    alice.sync(&world).await;
    let file = back_up(&world).await;
    let world = restored(world, &file).await;
    alice.come_back(&world).await;
    // All of it was 31 days ago: the TA before the restore, and the restore before now.
    world
        .sql("UPDATE life SET raised_ms = raised_ms - 2678400000")
        .await;
    world
        .sql("UPDATE subjects SET registered_ms = registered_ms - 2678400000")
        .await;

    let order = alice.device.status_open_with_balance(600);
    let refused = world.status(&order).await.unwrap_err();

    assert_eq!(refused.code, "books-differ");
    assert_eq!(world.check().await.shadow, 500);
}

#[tokio::test]
async fn a_retirement_and_the_ta_after_it_are_remembered_and_paid_once() {
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    alice.load(&world, 500).await;
    alice.sync(&world).await;
    let file = back_up(&world).await;
    let order = alice.device.retire();
    let bytes = world.post("/v1/retirements", encode(&order)).await.unwrap();
    let answer: Signed<RetireAnswer> = world.signed(&bytes);
    let mut next = alice.device.with_new_ta();
    let ta: CertificateChain = decode(&next.register_ta(&world).await.unwrap());
    let old = alice.certificates.pop().unwrap();
    let items = [
        alice.certificates[0].clone(),
        RememberedItem::Certificate(ta),
        old,
        RememberedItem::Retire(order.retire.clone(), answer),
    ];
    assert_eq!(world.online(&next).await, 1_000);
    let world = restored(world, &file).await;
    assert_eq!(world.online(&next).await, 500);

    for _ in 0..2 {
        assert_eq!(remember(&world, &next, &items).await.unwrap(), 4);
        assert_eq!(world.online(&next).await, 1_000);
    }

    let again = world.post("/v1/retirements", encode(&order)).await.unwrap();
    assert_eq!(again, bytes);
    world.load(&mut next, 100).await;
    world.sync(&mut next).await;
    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.held, ledger.shadow), (0, 0, 100));
}

#[tokio::test]
async fn only_what_this_provider_signed_is_remembered() {
    let world = World::new().await;
    let other = World::of_another().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    let mut eve = Keeper::new(&other, "Eve", 1_000).await;
    alice.load(&world, 500).await;
    eve.load(&other, 500).await;
    eve.sync(&other).await;
    let file = back_up(&world).await;
    let world = restored(world, &file).await;

    let refused = eve.tell(&world, &eve.certificates).await.unwrap_err();
    assert_eq!(
        (refused.status, refused.code.as_str()),
        (404, "client-unknown")
    );
    let foreign = [eve.certificates.clone(), eve.items.clone()].concat();
    assert_eq!(alice.tell(&world, &foreign).await.unwrap(), 0);
    assert_eq!(world.check().await.issued, 1_000);
}

#[tokio::test]
async fn nobody_takes_over_a_ta_that_the_restore_forgot() {
    let world = World::new().await;
    let file = back_up(&world).await;
    let alice = Keeper::new(&world, "Alice", 0).await;
    let mut mallory = Keeper::new(&world, "Mallory", 0).await;
    let world = restored(world, &file).await;
    // One who was there before, and one who takes the name that is free now.
    assert_eq!(
        mallory
            .tell(&world, &mallory.certificates[..1])
            .await
            .unwrap(),
        1
    );
    assert_eq!(mallory.tell(&world, &alice.certificates).await.unwrap(), 0);
    let mut impostor = Device::new("Alice");
    impostor.register_client(&world).await.unwrap();
    assert_eq!(
        remember(&world, &impostor, &alice.certificates)
            .await
            .unwrap(),
        0
    );

    assert_eq!(alice.tell(&world, &alice.certificates).await.unwrap(), 2);

    let key: PublicKey = alice.device.ta_key();
    assert_eq!(world.view(&alice.device).await.tas[0].ta, key.to_string());
    mallory.device.name = "Mallory".to_owned();
    assert_eq!(world.view(&mallory.device).await.tas.len(), 0);
}

#[tokio::test]
async fn a_payment_between_two_that_the_restore_forgot_is_credited_when_they_are_known_again() {
    let world = World::new().await;
    let file = back_up(&world).await;
    let mut alice = Keeper::new(&world, "Alice", 500).await;
    let mut shop = Device::new("Shop");
    let shop_certificate: CertificateChain = decode(&shop.register_client(&world).await.unwrap());
    alice.load(&world, 300).await;
    let pair = alice.device.pay(&shop.client_request(200));
    assert_eq!(world.claim(&pair).await, CREDITED);
    let world = restored(world, &file).await;

    let waiting = ItemOutcome::Held(SettlementState::Waiting);
    assert_eq!(world.claim(&pair).await, waiting);
    alice.tell(&world, &alice.certificates).await.unwrap();
    world.credit(&alice.device, 500).await;
    alice.come_back(&world).await;
    assert_eq!(world.claim(&pair).await, waiting);
    let items = [RememberedItem::Certificate(shop_certificate)];
    assert_eq!(remember(&world, &shop, &items).await.unwrap(), 1);

    assert_eq!(world.claim(&pair).await, CREDITED);
    assert_eq!(world.online(&shop).await, 200);
    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.transit, ledger.shadow), (0, 0, 100));
}

#[tokio::test]
async fn what_a_device_remembers_needs_its_signature_and_a_fresh_challenge() {
    let world = World::new().await;
    let alice = Keeper::new(&world, "Alice", 0).await;
    let body = Remembered {
        client: alice.device.client_key(),
        items: List::empty(),
        challenge: [7; 32],
    };
    let signed = Signed::sign(body.clone(), &alice.device.client());
    let refused = world
        .post("/v1/remembered", signed.to_wire())
        .await
        .unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (409, "challenge"));
    let forged = Signed::sign(body, &alice.device.ta());
    let refused = world
        .post("/v1/remembered", forged.to_wire())
        .await
        .unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (403, "signature"));
    assert_eq!(alice.tell(&world, &alice.certificates).await.unwrap(), 2);
}

#[tokio::test]
async fn what_went_to_a_ta_and_back_again_is_there_once_whatever_the_order_in_which_it_is_handed_in()
 {
    let world = World::new().await;
    let mut bob = Keeper::new(&world, "Bob", 100).await;
    let file = back_up(&world).await;
    for _ in 0..5 {
        bob.load(&world, 100).await;
        bob.withdraw(&world, 100).await;
    }
    assert_eq!(world.online(&bob.device).await, 100);
    let world = restored(world, &file).await;

    let is_deposit = |item: &&RememberedItem| matches!(item, RememberedItem::Deposit(..));
    let (deposits, others): (Vec<_>, Vec<_>) = bob.items.iter().partition(is_deposit);
    let deposits: Vec<_> = deposits.into_iter().cloned().collect();
    let others: Vec<_> = others.into_iter().cloned().collect();
    assert_eq!(bob.tell(&world, &deposits).await.unwrap(), 1);
    assert_eq!(bob.tell(&world, &others).await.unwrap(), 1);

    assert_eq!(world.online(&bob.device).await, 100);
    assert_eq!(world.check().await.loss, 0);
    // In their order all of them are taken.
    bob.come_back(&world).await;
    assert_eq!(world.online(&bob.device).await, 100);
    assert_eq!(world.check().await.loss, 0);
}

#[tokio::test]
async fn a_grant_borne_by_the_provider_is_paid_back_by_the_claim_that_had_paid_for_it() {
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    let mut bob = Keeper::new(&world, "Bob", 0).await;
    alice.load(&world, 500).await;
    let file = back_up(&world).await;
    let pair = alice.device.pay(&bob.device.client_request(300));
    world.claim(&pair).await;
    world.credit(&bob.device, 50).await;
    bob.load(&world, 350).await;
    let world = restored(world, &file).await;

    bob.come_back(&world).await;
    assert_eq!(world.check().await.loss, 350);
    assert_eq!(world.claim(&pair).await, CREDITED);
    assert_eq!(world.check().await.loss, 50);
    // What the operator paid in after the backup is paid in again.
    world.credit(&bob.device, 70).await;

    let ledger = world.check().await;
    let view = world.view(&bob.device).await;
    assert_eq!(
        (view.online, view.tas[0].shadow + view.tas[0].open),
        (20, 350)
    );
    assert_eq!(ledger.loss, 0);
    assert!(audit(world.data.path()).await.unwrap().balanced);
}

#[tokio::test]
async fn what_a_retired_ta_was_paid_by_the_provider_comes_back_with_what_it_had_collected() {
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    let mut bob = Keeper::new(&world, "Bob", 0).await;
    alice.load(&world, 500).await;
    let file = back_up(&world).await;
    alice.pay(&mut bob, 200);
    bob.sync(&world).await;
    let order = bob.device.retire();
    let bytes = world.post("/v1/retirements", encode(&order)).await.unwrap();
    let answer: Signed<RetireAnswer> = world.signed(&bytes);
    assert_eq!(world.online(&bob.device).await, 200);
    let world = restored(world, &file).await;

    bob.items
        .push(RememberedItem::Retire(order.retire.clone(), answer));
    assert_eq!(bob.tell(&world, &bob.items).await.unwrap(), 2);
    assert_eq!(world.online(&bob.device).await, 200);
    assert_eq!(world.check().await.loss, 200);
    world.report(&bob.pairs[0]).await;

    let ledger = world.check().await;
    assert_eq!(world.online(&bob.device).await, 200);
    assert_eq!((ledger.loss, ledger.online), (0, 700));
    assert!(audit(world.data.path()).await.unwrap().balanced);
}

#[tokio::test]
async fn a_second_restore_gives_no_ta_to_who_took_its_owners_name_after_the_first() {
    let world = World::new().await;
    let file = back_up(&world).await;
    let alice = Keeper::new(&world, "Alice", 0).await;
    let world = restored(world, &file).await;
    let mut impostor = Device::new("Alice");
    impostor.register_client(&world).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    let file = back_up(&world).await;
    let world = restored(world, &file).await;

    assert_eq!(
        remember(&world, &impostor, &alice.certificates)
            .await
            .unwrap(),
        0
    );
    assert_eq!(alice.tell(&world, &alice.certificates).await.unwrap(), 2);
}

#[tokio::test]
async fn an_answer_that_nothing_was_booked_for_is_signed_and_not_kept() {
    let world = World::new().await;
    let other = World::of_another().await;
    let mut alice = Keeper::new(&other, "Alice", 1_000).await;
    alice.load(&other, 500).await;
    let pair = alice
        .device
        .pay(&other.client("Shop").await.client_request(100));
    let kept = async || audit(world.data.path()).await.unwrap().answers;
    let before = kept().await;

    world.batch("/v1/reports", &[]).await;
    world
        .batch("/v1/reports", std::slice::from_ref(&pair))
        .await;
    assert_eq!(kept().await, before);

    let before = audit(other.data.path()).await.unwrap().answers;
    other
        .batch("/v1/reports", std::slice::from_ref(&pair))
        .await;
    assert_eq!(audit(other.data.path()).await.unwrap().answers, before + 1);
    other.batch("/v1/reports", &[pair]).await;
    alice.tell(&other, &alice.certificates).await.unwrap();
    assert_eq!(audit(other.data.path()).await.unwrap().answers, before + 1);
}

/// What a TA states after a restore, when its device hands in only these items.
async fn status_after(
    world: &World,
    keeper: &mut Keeper,
    items: &[RememberedItem],
) -> Result<(), Refused> {
    let told = [keeper.certificates.clone(), items.to_vec()].concat();
    let known = keeper.tell(world, &told).await?;
    assert_eq!(known, u64::try_from(told.len()).unwrap());
    let order = keeper.device.status_open();

    world.status(&order).await.map(drop)
}

#[tokio::test]
async fn who_states_more_after_a_restore_than_signed_answers_prove_gets_nothing() {
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    alice.load(&world, 500).await;
    alice.sync(&world).await;
    let file = back_up(&world).await;
    let world = restored(world, &file).await;
    alice.come_back(&world).await;

    let more = alice.device.clone().status_open_with_balance(600);
    let refused = world.status(&more).await.unwrap_err();

    assert_eq!(refused.code, "report-first");
    assert!(refused.message.contains("lack 100"), "{}", refused.message);
    assert_eq!(world.view(&alice.device).await.tas[0].standing, "live");
    alice.sync(&world).await;
    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.shadow), (0, 500));
}

#[tokio::test]
async fn a_device_that_keeps_a_deposit_back_after_a_restore_is_told_which_and_gains_nothing() {
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    let file = back_up(&world).await;
    alice.load(&world, 300).await;
    alice.load(&world, 200).await;
    alice.sync(&world).await;
    let world = restored(world, &file).await;

    let token = alice.items[2..].to_vec();
    let refused = status_after(&world, &mut alice, &token).await.unwrap_err();
    assert_eq!(refused.code, "report-first");
    assert!(refused.message.contains("i = 1"), "{}", refused.message);
    let first = alice.items[..1].to_vec();
    let refused = status_after(&world, &mut alice, &first).await.unwrap_err();
    assert!(refused.message.contains("i = 2"), "{}", refused.message);
    assert_eq!(world.check().await.loss, 0);
    alice.come_back(&world).await;

    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.shadow), (0, 500));
    assert_eq!(world.online(&alice.device).await, 500);
}

#[tokio::test]
async fn a_device_that_keeps_a_status_back_after_a_restore_gains_nothing_by_the_payments_it_names()
{
    let world = World::new().await;
    let mut alice = Keeper::new(&world, "Alice", 1_000).await;
    let mut bob = Keeper::new(&world, "Bob", 0).await;
    alice.load(&world, 500).await;
    alice.sync(&world).await;
    bob.sync(&world).await;
    let file = back_up(&world).await;
    for minor_units in [300, 10] {
        alice.pay(&mut bob, minor_units);
        bob.sync(&world).await;
    }
    let world = restored(world, &file).await;
    let pairs = std::mem::take(&mut bob.pairs);

    // It names ten of what it collected, and keeps the status back that names the rest.
    let last = bob.items[2..].to_vec();
    let refused = status_after(&world, &mut bob, &last).await.unwrap_err();
    assert_eq!(refused.code, "report-first");
    assert_eq!(world.check().await.loss, 0);
    // With all that was signed the provider bears what nobody has handed in, once.
    bob.come_back(&world).await;
    bob.come_back(&world).await;
    assert_eq!(world.check().await.loss, 310);
    let more = bob.device.clone().status_open_with_balance(620);
    let refused = world.status(&more).await.unwrap_err();
    assert_eq!(refused.code, "report-first");
    // And it is whole again once the payments turn up, whoever has them.
    for pair in &pairs {
        world.report(pair).await;
    }
    bob.come_back(&world).await;

    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.shadow), (0, 500));
    assert_eq!(world.online(&bob.device).await, 0);
    assert_eq!(world.view(&bob.device).await.tas[0].shadow, 310);
}
