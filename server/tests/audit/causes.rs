//! Whoever makes an entry up, removes one or changes one is found, whatever its reason is and although the
//! balances are changed to match.

use std::path::PathBuf;

use blepay_server::admin::{Force, Office, Standing, audit, backup, restore};
use blepay_server::provider::Layout;
use blepay_server::store::StoreAddress;
use ops_proto::list::List;
use ops_proto::message::{
    CertificateChain, DepositAnswer, ItemOutcome, ListVersion, ListsHeld, ProviderList, Remembered,
    RememberedItem, RetireAnswer, SettlementState,
};
use ops_proto::signed::{Signed, encode};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use super::super::realm::{Realm, eventually, receive};
use super::super::world::{Device, World, amount, decode};
use super::{ENGINE, unlock};
use crate::Engine;

/// The reasons of entries that live and ended TAs of one provider cause.
const AT_HOME: [i64; 16] = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, HOLD, 14, 15, 16, 21];
/// Those that a restore causes.
const AFTER_A_RESTORE: [i64; 8] = [17, 18, 19, 20, 22, 23, 24, 25];
/// Those that two providers cause, at the receiver's and at the sender's.
const AT_THE_RECEIVERS: [i64; 5] = [7, 30, 31, 33, 35];
const AT_THE_SENDERS: [i64; 2] = [32, 34];

/// What was stood in for is paid back.
const REPAY_OWNER: i64 = 10;
const REPAY_LOSS: i64 = 11;
/// What a TA held waits for its owner.
const HOLD: i64 = 13;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// What somebody who owns the database does to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    MadeUp,
    Removed,
    More,
    Turned,
    Cause,
    Instant,
}

const CHANGES: [Change; 6] = [
    Change::MadeUp,
    Change::Removed,
    Change::More,
    Change::Turned,
    Change::Cause,
    Change::Instant,
];

/// The books of a world, behind the server's back.
struct Books(PathBuf);

/// The newest entry of a reason.
#[derive(Clone, Copy, Debug)]
struct Target {
    id: i64,
    reason: i64,
    debited: i64,
    credited: i64,
    amount: i64,
}

impl Books {
    async fn of(world: &World) -> Self {
        unlock(world).await;
        let books = Self(world.data.path().to_owned());
        for table in ["entries", "accounts", "tas"] {
            let save = format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}");
            books.run(save).await;
        }

        books
    }

    async fn run(&self, statements: String) {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        match Layout::new(&self.0).store_address().unwrap() {
            StoreAddress::File(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut books = SqliteConnection::connect(&url).await.unwrap();
                let off = "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF";
                sqlx::raw_sql(off).execute(&mut books).await.unwrap();
                statements.execute(&mut books).await.unwrap();
            }
            StoreAddress::Postgres(options) => {
                let mut books = PgConnection::connect_with(&options).await.unwrap();
                let off = "ALTER TABLE accounts DROP CONSTRAINT IF EXISTS accounts_check;
                     SET session_replication_role = replica";
                sqlx::raw_sql(off).execute(&mut books).await.unwrap();
                statements.execute(&mut books).await.unwrap();
            }
        }
    }

    async fn numbers<const N: usize>(&self, select: String) -> Option<[i64; N]> {
        let select = AssertSqlSafe(select);
        match Layout::new(&self.0).store_address().unwrap() {
            StoreAddress::File(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut books = SqliteConnection::connect(&url).await.unwrap();
                let row = sqlx::query(select)
                    .fetch_optional(&mut books)
                    .await
                    .unwrap()?;
                Some(std::array::from_fn(|column| row.get(column)))
            }
            StoreAddress::Postgres(options) => {
                let mut books = PgConnection::connect_with(&options).await.unwrap();
                let row = sqlx::query(select)
                    .fetch_optional(&mut books)
                    .await
                    .unwrap()?;
                Some(std::array::from_fn(|column| row.get(column)))
            }
        }
    }

    async fn newest(&self, reason: i64) -> Target {
        let select = format!(
            "SELECT id, debited, credited, amount FROM entries WHERE reason = {reason}
             ORDER BY id DESC LIMIT 1"
        );
        let found = self.numbers(select).await;
        let [id, debited, credited, amount] =
            found.unwrap_or_else(|| panic!("the world has no entry of reason {reason}"));

        Target {
            id,
            reason,
            debited,
            credited,
            amount,
        }
    }

    /// Moves what stands beside a TA with its entries, as somebody would who knows of it.
    fn advances(target: Target, by: i64) -> String {
        let column = match target.reason {
            8 | 10 => "advanced_by_owner",
            9 | 11 => "advanced_by_loss",
            19 | 20 | 23 => "restored_by_loss",
            _ => return String::new(),
        };
        let by = if matches!(target.reason, 10 | 11 | 23) {
            -by
        } else {
            by
        };

        format!(
            "UPDATE tas SET {column} = CASE WHEN {column} + ({by}) < 0 THEN 0 ELSE {column} + ({by}) END
             WHERE key = (SELECT ta FROM entries WHERE id = {});",
            target.id
        )
    }

    fn moved(target: Target, by: i64) -> String {
        format!(
            "UPDATE accounts SET balance = balance - ({by}) WHERE id = {};
             UPDATE accounts SET balance = balance + ({by}) WHERE id = {};",
            target.debited, target.credited
        )
    }

    async fn change(&self, target: Target, change: Change) {
        let id = target.id;
        let statements = match change {
            Change::MadeUp => format!(
                "INSERT INTO entries (at_ms, reason, debited, credited, amount, cause, ta)
                 SELECT (SELECT max(at_ms) FROM entries), reason, debited, credited, amount, cause, ta
                 FROM entries WHERE id = {id};{}{}",
                Self::moved(target, target.amount),
                Self::advances(target, target.amount),
            ),
            Change::Removed => format!(
                "{}{}DELETE FROM entries WHERE id = {id};",
                Self::advances(target, -target.amount),
                Self::moved(target, -target.amount),
            ),
            Change::More => format!(
                "UPDATE entries SET amount = amount + 1 WHERE id = {id};{}{}",
                Self::moved(target, 1),
                Self::advances(target, 1),
            ),
            Change::Turned => {
                let other = format!(
                    "SELECT max(id) FROM accounts WHERE id NOT IN ({}, {}) AND kind IN (1, 2)",
                    target.debited, target.credited
                );
                let [other] = self.numbers(other).await.unwrap();
                format!(
                    "UPDATE entries SET credited = {other} WHERE id = {id};
                     UPDATE accounts SET balance = balance - {} WHERE id = {};
                     UPDATE accounts SET balance = balance + {} WHERE id = {other};",
                    target.amount, target.credited, target.amount,
                )
            }
            Change::Cause => {
                let cause = match ENGINE {
                    Engine::Sqlite => format!("x'{}'", "5a".repeat(32)),
                    Engine::Postgres => format!("decode('{}', 'hex')", "5a".repeat(32)),
                };
                format!("UPDATE entries SET cause = {cause} WHERE id = {id}")
            }
            Change::Instant => {
                format!("UPDATE entries SET at_ms = at_ms - {DAY_MS} WHERE id = {id}")
            }
        };
        self.run(statements).await;
    }

    async fn put_back(&self) {
        self.run(
            "DELETE FROM entries; INSERT INTO entries SELECT * FROM saved_entries;
             UPDATE accounts SET balance = (SELECT balance FROM saved_accounts
                 WHERE saved_accounts.id = accounts.id);
             UPDATE tas SET
                 advanced_by_owner = (SELECT saved_tas.advanced_by_owner FROM saved_tas WHERE saved_tas.key = tas.key),
                 advanced_by_loss = (SELECT saved_tas.advanced_by_loss FROM saved_tas WHERE saved_tas.key = tas.key),
                 restored_by_loss = (SELECT saved_tas.restored_by_loss FROM saved_tas WHERE saved_tas.key = tas.key);"
                .to_owned(),
        )
        .await;
    }

    /// Returns what an audit says of causes: that a balance differs anybody finds.
    async fn faults(&self) -> Vec<String> {
        let audit = audit(&self.0).await.unwrap();
        let mut faults = [audit.faults, audit.clock_faults].concat();
        faults.retain(|fault| !fault.contains("its balance is") && !fault.contains("below zero"));

        faults
    }
}

/// What an owner signs who reports a TA dead is not stored: its hash cannot be compared. And that an advance is
/// paid back later than it could have been is no contradiction.
const fn cannot_be_found(change: Change, reason: i64) -> bool {
    matches!(
        (change, reason),
        (Change::Cause, HOLD) | (Change::Removed, REPAY_OWNER | REPAY_LOSS)
    )
}

/// Changes the newest entry of each reason in every way, and demands that each change is found.
async fn every_change_is_found(world: &World, reasons: &[i64]) {
    world.check().await;
    let books = Books::of(world).await;
    for reason in reasons {
        let target = books.newest(*reason).await;
        for change in CHANGES {
            if cannot_be_found(change, *reason) {
                continue;
            }
            books.change(target, change).await;
            let faults = books.faults().await;
            books.put_back().await;
            assert!(!faults.is_empty(), "not found: {change:?} of {target:?}");
        }
    }
    assert_eq!(books.faults().await, Vec::<String>::new());
}

#[test]
fn every_reason_is_tried() {
    let mut tried: Vec<i64> = AT_HOME
        .into_iter()
        .chain(AFTER_A_RESTORE)
        .chain(AT_THE_RECEIVERS)
        .chain(AT_THE_SENDERS)
        .collect();
    tried.sort_unstable();
    tried.dedup();

    assert_eq!(tried, (1..=25).chain(30..=35).collect::<Vec<_>>());
}

/// Collects a payment that its own request's deny-list forbids: its second version, after a burial.
async fn collect_listed(world: &World) {
    let mut thief = world.device("Thief", 100).await;
    let mut fence = world.device("Fence", 30).await;
    world.load(&mut thief, 100).await;
    let mut office = Office::open(world.data.path()).await.unwrap();
    let revoked = Standing::Revoked;
    let ta = thief.ta_key();
    office.set_standing(&ta, revoked, "stolen").await.unwrap();
    let mut body = fence.request(100).body().clone();
    let held = ProviderList {
        provider: world.provider.body().provider,
        version: ListVersion {
            epoch: 1,
            number: 2,
        },
    };
    body.lists_held = ListsHeld {
        providers: List::try_from(vec![held]).unwrap(),
        ..ListsHeld::default()
    };
    let request = Signed::sign(body, &fence.ta());
    let pair = thief.pay(&request);
    fence.collect(&pair);
    world.report(&pair).await;
    world.sync(&mut fence).await;
}

#[tokio::test]
async fn no_entry_of_one_providers_books_is_made_up_removed_or_changed_unseen() {
    let world = World::new().await;
    let shop = world.client("Shop").await;
    let mut alice = world.device("Alice", 10_000).await;
    let mut bob = world.device("Bob", 30).await;
    world.load(&mut alice, 5_000).await;
    world.claim(&alice.pay(&shop.client_request(300))).await;
    // Bob spends what nobody has reported yet: his owner stands in for it, and then the provider.
    let pair = alice.pay(&bob.request(100));
    bob.collect(&pair);
    world.claim(&bob.pay(&shop.client_request(100))).await;
    world.report(&pair).await;
    world.sync(&mut bob).await;
    world.withdraw(&alice.withdraw(50)).await.unwrap();
    world.sync(&mut alice).await;
    let mut eve = world.device("Eve", 200).await;
    world.load(&mut eve, 150).await;
    world.retire(&eve.retire()).await.unwrap();
    let mut dave = world.device("Dave", 800).await;
    world.load(&mut dave, 800).await;
    let late = dave.pay(&shop.client_request(200));
    world.report_death(&dave, dave.ta_key()).await.unwrap();
    world.claim(&late).await;
    world.sql("UPDATE deaths SET payable_from_ms = 0").await;
    world.report_death(&dave, dave.ta_key()).await.unwrap();
    collect_listed(&world).await;
    // The newest grant is taken by a status: one that a burial takes has a cause that is not stored.
    world.load(&mut alice, 10).await;
    world.sync(&mut alice).await;

    every_change_is_found(&world, &AT_HOME).await;
}

/// Puts back a backup that was made before.
async fn restored(world: World, file: &std::path::Path) -> World {
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let World { data, server, .. } = world;
    server.shutdown().await;
    restore(data.path(), &address, file, Force::Yes)
        .await
        .unwrap();

    World::start(data).await
}

async fn tell(world: &World, device: &Device, items: Vec<RememberedItem>) {
    let challenge = world.challenge(device.client_key()).await;
    let body = Remembered {
        client: device.client_key(),
        items: List::try_from(items).unwrap(),
        challenge,
    };
    let signed = Signed::sign(body, &device.client());
    world
        .post("/v1/remembered", signed.to_wire())
        .await
        .unwrap();
}

async fn loaded(world: &World, device: &mut Device, minor_units: u64) -> RememberedItem {
    let order = device.deposit_open(minor_units);
    let answer: Signed<DepositAnswer> = world.deposit(&order).await.unwrap();
    device.deposit_close(&answer);

    RememberedItem::Deposit(order, answer)
}

async fn synced(world: &World, device: &mut Device) -> RememberedItem {
    let order = device.status_open();
    let token = world.status(&order).await.unwrap();
    device.take_token(&token);

    RememberedItem::Token(order.status, token)
}

async fn retired(world: &World, device: &mut Device) -> RememberedItem {
    let order = device.retire();
    let bytes = world.post("/v1/retirements", encode(&order)).await.unwrap();
    let answer: Signed<RetireAnswer> = world.signed(&bytes);

    RememberedItem::Retire(order.retire, answer)
}

#[tokio::test]
async fn no_entry_that_a_restore_causes_is_made_up_removed_or_changed_unseen() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 1_000).await;
    let mut carol = world.device("Carol", 0).await;
    let mut dora = world.device("Dora", 0).await;
    let mut erin = world.device("Erin", 100).await;
    for (device, loaded) in [(&mut alice, 500), (&mut bob, 500), (&mut erin, 100)] {
        world.load(device, loaded).await;
        world.sync(device).await;
    }
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let file = world.data.path().join("copy.backup");
    backup(world.data.path(), &address, &file).await.unwrap();
    // The books forget a payment that is never handed in again, a grant, and a retirement.
    let lost = alice.pay(&bob.request(200));
    bob.collect(&lost);
    world.report(&lost).await;
    let token_of_alice = synced(&world, &mut alice).await;
    let token_of_bob = synced(&world, &mut bob).await;
    world.credit(&carol, 400).await;
    let deposit = loaded(&world, &mut carol, 300).await;
    let onward = alice.pay(&dora.request(100));
    dora.collect(&onward);
    world.report(&onward).await;
    let token_of_dora = synced(&world, &mut dora).await;
    let retired_dora = retired(&world, &mut dora).await;
    // Erin's first TA retires, which is never told, and what it held goes onto the next one.
    retired(&world, &mut erin).await;
    let mut next = erin.with_new_ta();
    let ta: CertificateChain = decode(&next.register_ta(&world).await.unwrap());
    let of_next = loaded(&world, &mut next, 80).await;
    let world = restored(world, &file).await;

    let certificate = RememberedItem::Certificate(ta);
    tell(&world, &erin, vec![certificate, of_next]).await;
    tell(&world, &dora, vec![token_of_dora, retired_dora]).await;
    // What was paid to Dora's TA pays back the rest, and goes on to her.
    world.credit(&dora, 40).await;
    tell(&world, &alice, vec![token_of_alice]).await;
    synced(&world, &mut alice).await;
    tell(&world, &bob, vec![token_of_bob]).await;
    synced(&world, &mut bob).await;
    tell(&world, &carol, vec![deposit]).await;
    world.credit(&carol, 70).await;

    every_change_is_found(&world, &AFTER_A_RESTORE).await;
}

#[tokio::test]
async fn no_entry_between_providers_is_made_up_removed_or_changed_unseen() {
    const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
    let realm = Realm::new(1_000).await;
    let mut alice = realm.payer(2_000).await;
    let cafe = realm.shop.client("Cafe").await;
    let kiosk = realm.bank.client("Kiosk").await;
    let mut bob = realm.shop.device("Bob", 0).await;
    let mut dan = realm.shop.device("Dan", 0).await;
    let first = alice.pay(&cafe.client_request(900));
    realm.claim(&first).await;
    realm.settled(&first, CREDITED).await;
    // More than the bank may owe is collected before it is presented.
    let beyond = alice.pay(&bob.request(300));
    bob.collect(&beyond);
    realm.claim(&beyond).await;
    realm.shop.sync(&mut bob).await;
    let mut bank = Office::open(realm.bank.data.path()).await.unwrap();
    eventually("accepted", async || {
        super::super::realm::position(&realm.shop)
            .await
            .not_accepted
            == 0
    })
    .await;
    bank.settle("Shop", amount(700), "wire").await.unwrap();
    receive(&realm.shop, "Bank", 700, "wire").await;
    // A clone pays at home, a client abroad, and a TA abroad that collects.
    let mut mallory = realm.bank.device("Mallory", 500).await;
    realm.bank.load(&mut mallory, 500).await;
    let (mut clone, mut other) = (mallory.clone(), mallory.clone());
    let at_home = mallory.pay(&kiosk.client_request(100));
    realm.hand_in(&realm.bank, &at_home).await;
    let to_client = clone.pay(&cafe.client_request(100));
    realm.claim(&to_client).await;
    let to_ta = other.pay(&dan.request(100));
    dan.collect(&to_ta);
    eventually("refused", async || {
        realm.claim(&to_client).await != ItemOutcome::Held(SettlementState::Waiting)
    })
    .await;
    realm.claim(&to_ta).await;
    realm.shop.sync(&mut dan).await;
    eventually("covered", async || realm.shop.ledger().await.loss == 100).await;

    every_change_is_found(&realm.shop, &AT_THE_RECEIVERS).await;
    every_change_is_found(&realm.bank, &AT_THE_SENDERS).await;
}
