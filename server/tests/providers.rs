//! Two providers under one root: a payer of one pays a payee of the other.

use std::path::Path;
use std::time::Duration;

use blepay_server::admin::{Office, PositionDetail, audit};
use blepay_server::init;
use blepay_server::provider::ca::{Holder, RequestFile, Root, Terms, Wanted};
use blepay_server::provider::limits_max_default;
use ops_proto::certificate::{Certificate, Role};
use ops_proto::list::List;
use ops_proto::message::{
    Batch, BatchAnswer, Forward, ForwardAnswer, ForwardOutcome, ForwardRefused, ItemOutcome,
    ItemRefused, Settlement, SettlementState,
};
use ops_proto::signed::encode;
use ops_proto::{Digest, PaymentPair, SecretKey, Signed};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::ca::options;
use super::providers_restored::acknowledged;
use super::world::template::{Files, Template};
use super::world::{Device, RATE, World, amount, now, store_url};

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const COLLECTED: ItemOutcome = ItemOutcome::Held(SettlementState::Collected);
const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);
const EVIDENCE: ItemOutcome = ItemOutcome::Refused(ItemRefused::Evidence);

/// Two providers: TAs of `bank` pay clients and TAs of `shop`.
pub(super) struct Realm {
    _root_directory: TempDir,
    pub(super) root: Root,
    pub(super) bank: World,
    pub(super) shop: World,
}

impl Realm {
    pub(super) async fn new(exposure: u64) -> Self {
        static TEMPLATE: OnceCell<(Files, Template, Template)> = OnceCell::const_new();
        let (root, bank, shop) = TEMPLATE.get_or_init(Self::template).await;
        let root_directory = tempfile::tempdir().unwrap();
        root.write(root_directory.path());
        let realm = Self {
            root: Root::open(root_directory.path()).unwrap(),
            _root_directory: root_directory,
            bank: World::start_talking(bank.copy(RATE).await).await,
            shop: World::start_talking(shop.copy(RATE).await).await,
        };
        realm.introduce(exposure).await;

        realm
    }

    async fn template() -> (Files, Template, Template) {
        let directory = tempfile::tempdir().unwrap();
        let mut root = Root::create(directory.path()).unwrap();
        let bank = provider(&mut root, "Bank").await;
        let shop = provider(&mut root, "Shop").await;

        (Files::read(directory.path()), bank, shop)
    }

    /// Gives both the root's directory, which a server reads when it starts.
    pub(super) fn share_directory(&mut self) {
        let directory = self.root.sign_directory(now()).unwrap();
        for world in [&self.bank, &self.shop] {
            let holder = Holder::open(world.data.path()).unwrap();
            holder.install_directory(&directory).unwrap();
        }
    }

    /// Tells each where the other is.
    pub(super) async fn introduce(&self, exposure: u64) {
        know(&self.bank, &self.shop, "Shop", exposure).await;
        know(&self.shop, &self.bank, "Bank", exposure).await;
    }

    /// Makes a payer of the bank that holds money.
    pub(super) async fn payer(&self, minor_units: u64) -> Device {
        let mut payer = self.bank.device("Alice", minor_units).await;
        self.bank.load(&mut payer, minor_units).await;

        payer
    }

    pub(super) async fn hand_in(&self, world: &World, pair: &PaymentPair) -> ItemOutcome {
        let providers = vec![self.bank.provider.clone(), self.shop.provider.clone()];
        let batch = Batch {
            providers: List::try_from(providers).unwrap(),
            pairs: List::try_from(vec![pair.clone()]).unwrap(),
        };
        let bytes = world.post("/v1/claims", encode(&batch)).await.unwrap();
        let answer = Signed::<BatchAnswer>::decode(&bytes).unwrap();

        answer.body().items[0].1
    }

    pub(super) async fn claim(&self, pair: &PaymentPair) -> ItemOutcome {
        self.hand_in(&self.shop, pair).await
    }

    /// Hands a payment in until it is settled as expected.
    pub(super) async fn settled(&self, pair: &PaymentPair, expected: ItemOutcome) {
        for _ in 0..4_800 {
            if self.claim(pair).await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{:?} instead of {expected:?}", self.claim(pair).await);
    }

    /// Demands that both books balance and replay, and that what one owes the other is owed.
    pub(super) async fn check(&self, owed: u64) {
        self.bank.check().await;
        self.shop.check().await;
        let bank = position(&self.bank).await;
        let shop = position(&self.shop).await;
        assert_eq!(bank.owed_by_us, owed, "{bank:?}");
        assert_eq!(shop.owed_to_us, owed, "{shop:?}");
        assert_eq!(bank.position + shop.position, 0);
    }

    fn forward(&self, pair: &PaymentPair) -> Forward {
        Forward {
            from: self.shop.provider.body().provider,
            to: self.bank.provider.body().provider,
            providers: List::try_from(vec![self.shop.provider.clone()]).unwrap(),
            pairs: List::try_from(vec![pair.clone()]).unwrap(),
        }
    }

    /// Presents a payment as the shop does, and loses the answer.
    async fn present(&self, pair: &PaymentPair) -> ForwardOutcome {
        let forward = Signed::sign(self.forward(pair), &secret(&self.shop, "answer"));
        let bytes = self
            .bank
            .post("/v1/forwards", forward.to_wire())
            .await
            .unwrap();
        let answer = Signed::<ForwardAnswer>::decode(&bytes).unwrap();
        answer
            .verify(&secret(&self.bank, "answer").public_key())
            .unwrap();

        answer.body().items[0].1.clone()
    }
}

async fn provider(root: &mut Root, name: &str) -> Template {
    let data = tempfile::tempdir().unwrap();
    let store = store_url().await;
    let mut options = options(name, Some(root.public_key()));
    options.store.clone_from(&store);
    let made = init(data.path(), &options).await.unwrap();
    let request = RequestFile::read(&made.request).unwrap();
    install(root, data.path(), &request).await;

    Template::of(data.path(), store).await
}

pub(super) async fn install(
    root: &mut Root,
    data: &Path,
    request: &Signed<ops_proto::message::ProviderRequest>,
) {
    let terms = Terms {
        limits: limits_max_default(),
        days: 100,
    };
    let proposal = root.propose(request, &terms, now()).unwrap();
    let certificate = root.sign(proposal, now()).unwrap();
    let holder = Holder::open(data).unwrap();
    holder.install(&certificate, now()).await.unwrap();
}

async fn know(world: &World, other: &World, name: &str, exposure: u64) {
    let enrolment = Office::open(other.data.path())
        .await
        .unwrap()
        .enrolment(other.url(""))
        .unwrap();
    let mut office = Office::open(world.data.path()).await.unwrap();
    office.add_peer(name, &enrolment, exposure).await.unwrap();
}

pub(super) async fn position(world: &World) -> PositionDetail {
    let mut office = Office::open(world.data.path()).await.unwrap();

    office.positions().await.unwrap().remove(0)
}

/// Returns a secret key of a provider.
pub(super) fn secret(world: &World, name: &str) -> SecretKey {
    let text = std::fs::read_to_string(world.data.path().join("provider.keys")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}=")));
    let seed: [u8; 32] = hex::decode(line.unwrap()).unwrap().try_into().unwrap();

    SecretKey::from_seed(&seed)
}

/// Confirms at a creditor that a transfer came, once the debtor has announced it.
pub(super) async fn receive(creditor: &World, debtor: &str, minor_units: u64, reference: &str) {
    eventually("announced", async || {
        let mut office = Office::open(creditor.data.path()).await.unwrap();
        let received = office.receive(debtor, amount(minor_units), reference).await;

        received.is_ok()
    })
    .await;
}

pub(super) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..4_800 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}");
}

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

/// Returns a certificate that the bank's key signs for a TA that its books do not know.
fn forge(
    realm: &Realm,
    device: &Device,
    change: impl FnOnce(&mut Certificate),
) -> Signed<Certificate> {
    let bank = realm.bank.provider.body();
    let mut body = Certificate {
        number: 1,
        provider: bank.provider,
        subject: device.ta_key(),
        name: "Nobody".parse().unwrap(),
        currency: bank.currency,
        issuer: bank.subject.id(),
        not_before: now().saturating_sub_ms(1000),
        not_after: now().saturating_add_ms(1_000_000),
        role: Role::Ta {
            limits: limits_max_default(),
        },
    };
    change(&mut body);

    Signed::sign(body, &secret(&realm.bank, "certify"))
}

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
