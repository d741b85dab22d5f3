//! Two providers under one root, and what they do with each other.

use std::path::Path;
use std::time::Duration;

use blepay_server::admin::{Office, PositionDetail};
use blepay_server::init;
use blepay_server::provider::ca::{Holder, RequestFile, Root, Terms};
use blepay_server::provider::limits_max_default;
use ops_proto::certificate::{Certificate, Role};
use ops_proto::list::List;
use ops_proto::message::{Batch, BatchAnswer, Forward, ForwardAnswer, ForwardOutcome, ItemOutcome};
use ops_proto::signed::encode;
use ops_proto::{PaymentPair, SecretKey, Signed};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::ca::options;
use super::world::template::{Files, Template};
use super::world::{Device, RATE, World, amount, now, store_url};

/// Two providers: TAs of `bank` pay clients and TAs of `shop`.
pub(super) struct Realm {
    pub(super) _root_directory: TempDir,
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

    pub(super) fn forward(&self, pair: &PaymentPair) -> Forward {
        Forward {
            from: self.shop.provider.body().provider,
            to: self.bank.provider.body().provider,
            providers: List::try_from(vec![self.shop.provider.clone()]).unwrap(),
            pairs: List::try_from(vec![pair.clone()]).unwrap(),
        }
    }

    /// Presents a payment as the shop does, and loses the answer.
    pub(super) async fn present(&self, pair: &PaymentPair) -> ForwardOutcome {
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

pub(super) async fn provider(root: &mut Root, name: &str) -> Template {
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

pub(super) async fn know(world: &World, other: &World, name: &str, exposure: u64) {
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

/// Returns a certificate that the bank's key signs for a TA that its books do not know.
pub(super) fn forge(
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
