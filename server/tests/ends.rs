//! What the owner of TAs that ended has after a restore: in all places at most what it had, whatever it hands in
//! or keeps back, and in whatever order; and all of it, if it hands in all.

use std::path::PathBuf;

use ops_proto::message::{CertificateChain, RememberedItem, RetireAnswer};
use ops_proto::signed::{Signed, encode};
use ops_proto::{PaymentPair, PublicKey};

use super::ENGINE;
use super::restore::{back_up, remember, restored};
use super::world::{Device, World, decode};
use crate::Engine;

/// What is owed for a restore is not owed any more, and what is held is payable.
const MONTHS_PASS: &str =
    "UPDATE tas SET restored_until_ms = 0; UPDATE deaths SET payable_from_ms = 0";

/// What an owner had when the books were lost, in minor units, and what a friend had from it.
const HAD: u64 = 1_110;
const FRIEND_HAD: u64 = 50;

/// What somebody can tell a new life.
#[derive(Clone, Debug)]
enum Told {
    Remembered(Box<RememberedItem>),
    Reported(PaymentPair),
    Claimed(PaymentPair),
    Dead(PublicKey),
}

/// How the second TA of an owner ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecondEnds {
    Retires,
    Breaks,
}

/// An owner whose first TA retires and whose second one ends, after the backup that is restored.
struct Owner {
    alice: Device,
    friend: Device,
    tas: [PublicKey; 2],
    /// What the owner alone can tell, in the order in which a device does.
    own: Vec<Told>,
    /// What others can tell too.
    shared: Vec<Told>,
}

impl Owner {
    async fn live(second: SecondEnds) -> (World, Self, PathBuf) {
        let world = World::new().await;
        let mut alice = world.device("Alice", 1_000).await;
        let mut bob = world.device("Bob", 500).await;
        let friend = world.client("Friend").await;
        world.load(&mut alice, 400).await;
        world.sync(&mut alice).await;
        world.load(&mut bob, 500).await;
        let file = back_up(&world).await;
        let mut shared = Vec::new();
        let mut own = Vec::new();

        let pair = bob.pay(&alice.request(100));
        assert!(alice.collect(&pair));
        world.report(&pair).await;
        shared.push(Told::Reported(pair));
        own.push(sync(&world, &mut alice).await);
        let pair = alice.pay(&friend.client_request(FRIEND_HAD));
        world.claim(&pair).await;
        shared.push(Told::Claimed(pair));
        let order = alice.withdraw(30);
        let ack = world.withdraw(&order).await.unwrap();
        own.push(remembered(RememberedItem::Withdraw(order, ack)));
        own.push(retire(&world, &mut alice).await);

        let mut next = alice.with_new_ta();
        let ta: CertificateChain = decode(&next.register_ta(&world).await.unwrap());
        own.insert(0, remembered(RememberedItem::Certificate(ta)));
        own.push(load(&world, &mut next, 300).await);
        let pair = bob.pay(&next.request(60));
        assert!(next.collect(&pair));
        world.report(&pair).await;
        shared.push(Told::Reported(pair));
        own.push(sync(&world, &mut next).await);
        own.push(match second {
            SecondEnds::Retires => retire(&world, &mut next).await,
            SecondEnds::Breaks => Told::Dead(next.ta_key()),
        });
        let tas = [alice.ta_key(), next.ta_key()];
        let owner = Self {
            alice,
            friend,
            tas,
            own,
            shared,
        };

        (world, owner, file)
    }

    async fn tell(&self, world: &World, told: &Told) {
        match told {
            Told::Remembered(item) => {
                let item = [item.as_ref().clone()];
                remember(world, &self.alice, &item).await.unwrap();
            }
            Told::Reported(pair) => drop(world.report(pair).await),
            Told::Claimed(pair) => drop(world.claim(pair).await),
            Told::Dead(ta) => {
                // The new life may not know the TA yet.
                drop(world.report_death(&self.alice, *ta).await);
            }
        }
    }

    /// Lets months pass: what is payable is paid.
    async fn wait(&self, world: &World) {
        world.sql(MONTHS_PASS).await;
        let view = world.view(&self.alice).await;
        for ta in &self.tas {
            let is_dead = |it: &str| {
                let tas = view.tas.iter();
                tas.filter(|ta| ta.ta == it).any(|ta| ta.standing == "dead")
            };
            if is_dead(&ta.to_string()) {
                world.report_death(&self.alice, *ta).await.unwrap();
            }
        }
    }

    /// What it has in its account, and waiting.
    async fn has(&self, world: &World) -> u64 {
        let view = world.view(&self.alice).await;
        let held: u64 = view.tas.iter().map(|ta| ta.held).sum();

        view.online + held
    }

    /// Demands that nobody has more than they had.
    async fn check(&self, world: &World, case: &str) {
        let has = self.has(world).await + world.online(&self.friend).await;
        assert!(has <= HAD + FRIEND_HAD, "they have {has}: {case}");
        world.check().await;
    }
}

fn remembered(item: RememberedItem) -> Told {
    Told::Remembered(Box::new(item))
}

async fn sync(world: &World, device: &mut Device) -> Told {
    let order = device.status_open();
    let token = world.status(&order).await.unwrap();
    device.take_token(&token);

    remembered(RememberedItem::Token(order.status, token))
}

async fn load(world: &World, device: &mut Device, minor_units: u64) -> Told {
    let order = device.deposit_open(minor_units);
    let answer = world.deposit(&order).await.unwrap();
    device.deposit_close(&answer);

    remembered(RememberedItem::Deposit(order, answer))
}

async fn retire(world: &World, device: &mut Device) -> Told {
    let order = device.retire();
    let bytes = world.post("/v1/retirements", encode(&order)).await.unwrap();
    let answer: Signed<RetireAnswer> = world.signed(&bytes);

    remembered(RememberedItem::Retire(order.retire, answer))
}

/// Xorshift: repeatable from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;

        usize::try_from(self.0 % u64::try_from(n).unwrap()).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }

    /// Draws what is told, in which order, and after how much of it months pass.
    fn draw(&mut self, all: &[Told]) -> (Vec<Told>, usize) {
        let mut told: Vec<Told> = all.to_vec();
        told.retain(|_| self.below(4) > 0);
        // Half the time as a device tells it, with what it keeps back.
        if self.below(2) == 0 {
            self.shuffle(&mut told);
        } else if !told.is_empty() {
            let (from, to) = (self.below(told.len()), self.below(told.len()));
            let moved = told.remove(from);
            told.insert(to, moved);
        }
        let pause = self.below(told.len() + 1);

        (told, pause)
    }
}

fn seed() -> u64 {
    let given = std::env::var("SEED").ok();

    given.and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// How many cases are drawn for each way to end.
fn cases() -> usize {
    let given = std::env::var("CASES").ok();
    let usual = match ENGINE {
        Engine::Sqlite => 40,
        Engine::Postgres => 3,
    };

    given.and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

#[tokio::test]
async fn whatever_an_owner_hands_in_or_keeps_back_and_when_it_has_no_more_than_it_had() {
    let mut random = Random(seed().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for second in [SecondEnds::Retires, SecondEnds::Breaks] {
        let (mut world, owner, file) = Owner::live(second).await;
        let mut all = [owner.own.clone(), owner.shared.clone()].concat();
        all.extend(owner.tas.map(Told::Dead));
        for case in 0..cases() {
            let (told, pause) = random.draw(&all);
            let case = format!(
                "SEED={}, {second:?}, case {case}, months pass after {pause} of {:?}",
                seed(),
                told.iter().map(name).collect::<Vec<_>>()
            );
            world = restored(world, &file).await;
            for (at, told) in told.iter().enumerate() {
                if at == pause {
                    owner.wait(&world).await;
                    owner.check(&world, &case).await;
                }
                owner.tell(&world, told).await;
            }
            owner.wait(&world).await;
            owner.check(&world, &case).await;
        }
    }
}

#[tokio::test]
async fn who_hands_in_all_has_all_whenever_others_tell_what_they_know() {
    let mut random = Random(seed().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for second in [SecondEnds::Retires, SecondEnds::Breaks] {
        let (mut world, owner, file) = Owner::live(second).await;
        for case in 0..cases().div_ceil(2) {
            let mut told = owner.own.clone();
            for shared in &owner.shared {
                told.insert(random.below(told.len() + 1), shared.clone());
            }
            let case = format!(
                "SEED={}, {second:?}, case {case}: {:?}",
                seed(),
                told.iter().map(name).collect::<Vec<_>>()
            );
            world = restored(world, &file).await;
            for told in &told {
                owner.tell(&world, told).await;
            }

            let ledger = world.check().await;
            assert_eq!(owner.has(&world).await, HAD, "{case}");
            assert_eq!(world.online(&owner.friend).await, FRIEND_HAD, "{case}");
            assert_eq!(ledger.loss, 0, "{case}");
            owner.wait(&world).await;
            let ledger = world.check().await;
            assert_eq!(world.online(&owner.alice).await, HAD, "{case}");
            assert_eq!((ledger.loss, ledger.held), (0, 0), "{case}");
        }
    }
}

/// Names what is told, for who repeats a case.
fn name(told: &Told) -> &'static str {
    match told {
        Told::Remembered(item) => match item.as_ref() {
            RememberedItem::Certificate(_) => "certificate",
            RememberedItem::Deposit(..) => "deposit",
            RememberedItem::Withdraw(..) => "withdrawal",
            RememberedItem::Token(..) => "token",
            RememberedItem::Retire(..) => "retirement",
            RememberedItem::DenyList(_) => "deny-list",
        },
        Told::Reported(_) => "payment to a TA",
        Told::Claimed(_) => "payment of a TA",
        Told::Dead(_) => "death",
    }
}

/// Makes the claim window after the restore a thing of the past.
const WINDOW_CLOSES: &str = "UPDATE life SET raised_ms = raised_ms - 2678400000";

async fn tell(world: &World, device: &Device, told: &Told) -> u64 {
    let Told::Remembered(item) = told else {
        panic!("an answer of an earlier life");
    };

    remember(world, device, &[item.as_ref().clone()])
        .await
        .unwrap()
}

#[tokio::test]
async fn a_retirement_that_was_kept_back_until_its_ta_was_paid_out_pays_nothing_more() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 400).await;
    world.sync(&mut alice).await;
    let file = back_up(&world).await;
    let retirement = retire(&world, &mut alice).await;
    let world = restored(world, &file).await;
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    world.sql(MONTHS_PASS).await;
    let death = world.report_death(&alice, alice.ta_key()).await.unwrap();
    assert_eq!(death.paid.minor_units(), 400);

    assert_eq!(tell(&world, &alice, &retirement).await, 1);

    assert_eq!(world.online(&alice).await, 1_000);
    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.held, ledger.shadow), (0, 0, 0));
}

#[tokio::test]
async fn what_waits_for_an_older_ta_pays_for_a_grant_before_the_provider_does() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 400).await;
    world.load(&mut alice, 400).await;
    world.sync(&mut alice).await;
    let file = back_up(&world).await;
    let retirement = retire(&world, &mut alice).await;
    let mut next = alice.with_new_ta();
    let ta: CertificateChain = decode(&next.register_ta(&world).await.unwrap());
    let deposit = load(&world, &mut next, 300).await;
    let world = restored(world, &file).await;

    let certificate = remembered(RememberedItem::Certificate(ta));
    assert_eq!(tell(&world, &alice, &certificate).await, 1);
    assert_eq!(tell(&world, &alice, &deposit).await, 1);
    let ledger = world.check().await;
    assert_eq!((ledger.loss, ledger.held, ledger.open), (0, 100, 300));
    world.sql(MONTHS_PASS).await;
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    assert_eq!(world.online(&alice).await, 100);
    assert_eq!(tell(&world, &alice, &retirement).await, 1);

    assert_eq!(world.online(&alice).await, 100);
    assert_eq!(world.check().await.loss, 0);
}

#[tokio::test]
async fn nothing_is_borne_once_the_claim_window_has_closed() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 400).await;
    let mut bob = world.device("Bob", 500).await;
    let mut cid = world.device("Cid", 0).await;
    world.load(&mut alice, 400).await;
    world.load(&mut bob, 500).await;
    let file = back_up(&world).await;
    let pair = bob.pay(&alice.request(100));
    assert!(alice.collect(&pair));
    world.report(&pair).await;
    let token = sync(&world, &mut alice).await;
    let retirement = retire(&world, &mut alice).await;
    assert_eq!(world.online(&alice).await, 500);
    world.credit(&cid, 300).await;
    let deposit = load(&world, &mut cid, 300).await;
    let world = restored(world, &file).await;
    world.sql(WINDOW_CLOSES).await;

    assert_eq!(tell(&world, &cid, &deposit).await, 0);
    for told in [token, retirement] {
        assert_eq!(tell(&world, &alice, &told).await, 1);
    }

    assert_eq!(world.online(&alice).await, 400);
    assert_eq!(world.check().await.loss, 0);
    // The payment that explains what was missing brings it all the same.
    world.report(&pair).await;
    assert_eq!(world.online(&alice).await, 500);
    world.credit(&cid, 300).await;
    assert_eq!(tell(&world, &cid, &deposit).await, 1);
    assert_eq!(world.check().await.loss, 0);
}

#[tokio::test]
async fn what_a_retired_ta_had_collected_reaches_its_owner_once_when_it_is_told_later() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let mut bob = world.device("Bob", 500).await;
    world.load(&mut alice, 400).await;
    world.sync(&mut alice).await;
    world.load(&mut bob, 500).await;
    let file = back_up(&world).await;
    let pairs = [100, 100].map(|minor_units| {
        let pair = bob.pay(&alice.request(minor_units));
        assert!(alice.collect(&pair));
        pair
    });
    world.batch("/v1/reports", &pairs).await;
    let token = sync(&world, &mut alice).await;
    let retirement = retire(&world, &mut alice).await;
    let world = restored(world, &file).await;
    for told in [&token, &retirement] {
        assert_eq!(tell(&world, &alice, told).await, 1);
    }
    assert_eq!(world.check().await.loss, 200);

    // Something else reaches the owner first, and its account pays what the provider bore.
    let other = bob.pay(&alice.client_request(100));
    world.claim(&other).await;
    assert_eq!(world.online(&alice).await, 1_100);
    world.batch("/v1/reports", &pairs).await;

    let ledger = world.check().await;
    assert_eq!(world.online(&alice).await, 1_300);
    assert_eq!((ledger.loss, ledger.shadow + ledger.open), (0, 200));
}

#[tokio::test]
async fn what_was_taken_from_a_ta_that_retired_pays_for_payments_that_turn_up() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 400).await;
    world.sync(&mut alice).await;
    let file = back_up(&world).await;
    let pair = alice.pay(&shop.client_request(100));
    world.claim(&pair).await;
    let token = sync(&world, &mut alice).await;
    let world = restored(world, &file).await;
    assert_eq!(tell(&world, &alice, &token).await, 1);
    let answer = world.retire(&alice.retire()).await.unwrap();
    assert_eq!(answer.paid.minor_units(), 300);

    world.claim(&pair).await;

    let ledger = world.check().await;
    assert_eq!(world.online(&alice).await, 900);
    assert_eq!((world.online(&shop).await, ledger.loss), (100, 0));
}

#[tokio::test]
async fn a_grant_that_is_told_after_the_death_of_its_ta_waits_for_its_owner() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    let file = back_up(&world).await;
    let deposit = load(&world, &mut alice, 400).await;
    let pair = alice.pay(&shop.client_request(100));
    let world = restored(world, &file).await;
    world.report_death(&alice, alice.ta_key()).await.unwrap();

    assert_eq!(tell(&world, &alice, &deposit).await, 1);
    world.claim(&pair).await;

    let ledger = world.check().await;
    assert_eq!((ledger.held, ledger.open, ledger.shadow), (300, 0, 0));
    world.sql(MONTHS_PASS).await;
    world.report_death(&alice, alice.ta_key()).await.unwrap();
    assert_eq!(world.online(&alice).await, 900);
    assert_eq!(world.check().await.loss, 0);
}
