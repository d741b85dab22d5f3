//! Devices and a real server, to the end: withdrawn, restored, retired, dead, and handed in by others.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use blepay_server::admin::{Force, Office, audit, backup, restore};
use blepay_server::provider::Layout;
use blepay_server::store::StoreAddress;
use blepay_server::{InitOptions, RunOptions, RunningServer, Server, init};
use journal::{Book, Fact, Journal};
use ops_proto::contract::{Command, Output};
use ops_proto::enrolment::Enrolment;
use ops_proto::{Amount, PaymentPair, PublicKey};
use radio::sockets::{SimAir, SimRadio};
use runtime::clock;
use runtime::shutdown::Shutdown;
use sync::connectivity;
use sync::{Sync, check_enrolment};
use ta_sim::{FileStorage, OsEntropy, Ta};
use tempfile::TempDir;
use tokio::sync::watch;
use wallet::identity::Identity;
use wallet::lists::Lists;
use wallet::ta::{AnyTa, TaAccess, TaConnector, TaUnreachable};
use wallet::{Mode, PaymentState, RequestOrder, Wallet, WalletParts};

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_ends_with_the_books_that_its_devices_know() {
    let mut bank = Bank::open().await;
    let device = Device::start(&bank, "Ada").await;
    bank.credit("Ada", 10_000).await;
    device.sync.deposit(amount(5000)).await.expect("granted");
    bank.backup().await;
    device.sync.withdraw(Some(amount(1250))).await.expect("ok");
    device.sync.deposit(amount(700)).await.expect("granted");

    bank.restore().await;
    device.runs().await;

    assert_eq!(device.balance().await, 4450);
    assert_eq!(bank.ledger().await, (5550, 4450, 0));
    device.sync.withdraw(None).await.expect("goes on");
    assert_eq!(bank.ledger().await, (10_000, 0, 0));
    bank.is_balanced().await;
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ta_retires_the_next_dies_and_a_third_pays_from_the_same_account() {
    let bank = Bank::open().await;
    let device = Device::start(&bank, "Ada").await;
    bank.credit("Ada", 10_000).await;
    device.sync.deposit(amount(5000)).await.expect("granted");
    let ended = device.sync.retire().await.expect("booked");
    assert_eq!(ended.held.map(|held| held.paid.minor_units()), Some(5000));
    assert_eq!(bank.ledger().await, (10_000, 0, 0));

    let device = device.stop().await.with_new_ta().start().await;
    device.runs().await;
    device.sync.deposit(amount(700)).await.expect("granted");
    let second = device.ta_key().expect("a new one");
    assert_ne!(second, ended.ta);
    let stopped = device.stop().await;
    stopped.copy_ta();
    let device = stopped.start().await;
    device.sync.withdraw(Some(amount(100))).await.expect("ok");

    let device = device.stop().await.with_copied_ta().start().await;
    device
        .eventually("the rolled-back TA is found out", |device| async {
            matches!(device.access(), TaAccess::Halted(_))
        })
        .await;
    let dead = device.sync.recover(second).await.expect("booked");
    assert_eq!(dead.held.map(|held| held.held.minor_units()), Some(600));
    assert_eq!(bank.ledger().await, (9400, 0, 600));

    let device = device.stop().await.with_new_ta().start().await;
    device.runs().await;
    device.sync.deposit(amount(300)).await.expect("granted");
    assert_eq!(device.balance().await, 300);
    // the books know that a grant is taken once the TA says so
    device.runs().await;
    assert_eq!(bank.ledger().await, (9100, 300, 600));
    bank.is_balanced().await;
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_payee_was_gone_reaches_its_ta_through_the_provider() {
    let bank = Bank::open().await;
    let (payer, payee) = (
        Device::start(&bank, "Ada").await,
        Device::start(&bank, "Ferry").await,
    );
    bank.credit("Ada", 10_000).await;
    payer.sync.deposit(amount(5000)).await.expect("granted");
    let pair = payer.pays_unheard(&payee, 1250).await;

    payer.runs().await;
    payee
        .eventually("the payee's TA collects it", |payee| async {
            payee.runs().await;
            payee.balance().await == 1250
        })
        .await;
    payee.runs().await;
    payer
        .eventually("the payer hears that it is collected", |payer| async {
            payer.runs().await;
            payer.state(&pair) == Some(PaymentState::Settled)
        })
        .await;

    assert_eq!(payer.balance().await, 3750);
    assert_eq!(bank.ledger().await, (5000, 5000, 0));
    let proof = |book: &Book| book.settlement_proof(&pair.hash()).is_some();
    assert!(payer.wallet.journal().view(proof), "without a receipt");
    bank.is_balanced().await;
    payer.stop().await;
    payee.stop().await;
}

/// A provider with its server.
struct Bank {
    dir: TempDir,
    server: Option<RunningServer>,
    address: SocketAddr,
}

impl Bank {
    async fn open() -> Self {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let options = InitOptions {
            name: "Bank".parse().expect("a name"),
            currency: "EUR".parse().expect("a currency"),
            url: "https://127.0.0.1:8443".to_owned(),
            listen: "127.0.0.1:8443".to_owned(),
            oem_root: None,
            measurements: Vec::new(),
            store: None,
            root: None,
            now: clock::now(),
        };
        init(&data, &options).await.expect("a provider");
        let server = Server::start(&RunOptions::local(&data)).await;
        let server = server.expect("a server");
        let address = server.addr();

        Self {
            dir,
            server: Some(server),
            address,
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn books(&self) -> StoreAddress {
        StoreAddress::file(&Layout::new(&self.data()).books_path())
    }

    async fn office(&self) -> Office {
        Office::open(&self.data()).await.expect("the office")
    }

    async fn enrolment(&self) -> Enrolment {
        let url = format!("https://{}", self.address);

        self.office().await.enrolment(url).expect("an enrolment")
    }

    async fn credit(&self, client: &str, minor_units: u64) {
        let mut office = self.office().await;
        let credited = office.credit(client, amount(minor_units), client).await;
        credited.expect("credited");
    }

    /// Returns what is online, on TAs, and waiting.
    async fn ledger(&self) -> (i64, i64, i64) {
        let ledger = self.office().await.ledger().await.expect("the ledger");
        assert!(ledger.balanced, "{ledger:?}");

        (ledger.online, ledger.shadow, ledger.held)
    }

    async fn backup(&self) {
        let out = self.dir.path().join("books.backup");
        let written = backup(&self.data(), &self.books(), &out).await;
        written.expect("a backup");
    }

    /// The machine is lost; another goes on from the backup, at the same address.
    async fn restore(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
        let from = self.dir.path().join("books.backup");
        let restored = restore(&self.data(), &self.books(), &from, Force::Yes).await;
        assert!(restored.expect("restored").incarnation > 1);
        let options = RunOptions {
            listen: Some(self.address),
            // the port after that one may be taken meanwhile
            admin_listen: Some("127.0.0.1:0".parse().expect("an address")),
            ..RunOptions::local(&self.data())
        };
        self.server = Some(Server::start(&options).await.expect("a server"));
    }

    async fn is_balanced(&self) {
        let audit = audit(&self.data()).await.expect("an audit");

        assert!(audit.balanced, "{audit:?}");
    }
}

/// A device that is online; each is alone in the air.
struct Device {
    wallet: Wallet,
    sync: Sync,
    shutdown: Shutdown,
    dir: PathBuf,
}

impl Device {
    async fn start(bank: &Bank, name: &str) -> Self {
        let dir = bank.dir.path().join(name);
        let device = Stopped { dir }.start().await;
        let enrolled = check_enrolment(&bank.enrolment().await).expect("it can be used");
        let facts = vec![
            Fact::Enrolled(Box::new(enrolled.into_enrolled())),
            Fact::ClientKeyMade {
                client: device.wallet.identity().public_key(),
                name: name.parse().expect("a name"),
            },
        ];
        let journal = device.wallet.journal();
        journal.append(facts).await.expect("appended");
        device.runs().await;

        device
    }

    async fn stop(self) -> Stopped {
        self.shutdown.join().await.expect("every task ends");

        Stopped { dir: self.dir }
    }

    /// Syncs once, with success in every part.
    async fn runs(&self) {
        let status = self.sync.run().await.expect("runs");
        let failed: Vec<_> = status
            .parts
            .iter()
            .filter(|part| part.outcome.is_err())
            .collect();
        assert!(failed.is_empty(), "{failed:?}");
        assert!(status.set_aside.is_empty(), "{:?}", status.set_aside);
    }

    async fn eventually<'a, F: Future<Output = bool>>(
        &'a self,
        what: &str,
        is_so: impl Fn(&'a Self) -> F,
    ) {
        let so = async {
            while !is_so(self).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let within = tokio::time::timeout(Duration::from_secs(300), so).await;
        assert!(within.is_ok(), "not so within 300 s: {what}");
    }

    async fn balance(&self) -> u64 {
        let state = self.wallet.status().await.ta_state;

        state.map_or(0, |state| state.balance.minor_units())
    }

    fn access(&self) -> TaAccess {
        self.wallet.ta().expect("a TA").access().borrow().clone()
    }

    fn ta_key(&self) -> Option<PublicKey> {
        let journal = self.wallet.journal();

        journal.view(|book| book.ta().map(|ta| ta.key))
    }

    fn state(&self, pair: &PaymentPair) -> Option<PaymentState> {
        self.wallet.payment(&pair.hash()).map(|view| view.state)
    }

    /// Pays a request whose payee is never met again.
    async fn pays_unheard(&self, payee: &Self, minor_units: u64) -> PaymentPair {
        let order = RequestOrder {
            amount: amount(minor_units),
            memo: String::new(),
            validity: None,
            mode: Mode::Announced,
            replaces: None,
            refund_of: None,
        };
        let opened = payee.wallet.open_request(order).await.expect("a request");
        let (request, payee_provider) = payee.wallet.journal().view(|book| {
            let mut requests = book.requests().filter_map(|held| held.issued.clone());
            let request = requests.find(|held| held.body().request_id == opened.request_id);
            let chain = book.sender_chain().expect("certified");

            (request.expect("issued"), chain.provider.clone())
        });
        let pay = Command::Pay {
            request,
            payee_provider,
            now: clock::now(),
            pin: None,
        };
        let paid = self.wallet.ta().expect("a TA").invoke(pay).await;
        let Ok(Output::Paid(pair)) = paid else {
            unreachable!("the TA pays: {paid:?}");
        };

        pair
    }
}

/// A device whose power is off.
struct Stopped {
    dir: PathBuf,
}

impl Stopped {
    async fn start(self) -> Device {
        std::fs::create_dir_all(&self.dir).expect("a directory");
        let shutdown = Shutdown::new();
        let air = SimAir::new(self.dir.join("air"));
        let radio = SimRadio::start(air, &shutdown.tasks(), shutdown.stop());
        let wallet = Wallet::start(WalletParts {
            journal: Journal::open(&self.dir).expect("a journal"),
            identity: Identity::open(&self.dir).expect("a key"),
            ta: Some(connector(self.dir.join("ta"))),
            lists: Lists::open(&self.dir).expect("the lists"),
            radio: Arc::new(radio),
            shutdown: shutdown.clone(),
            scan_daily_max: None,
        })
        .await
        .expect("a wallet");
        let (_, uses_ta) = watch::channel(true);
        let hints = connectivity::watch(&shutdown);
        let sync = Sync::start(wallet.clone(), uses_ta, hints, &shutdown);

        Device {
            wallet,
            sync,
            shutdown,
            dir: self.dir,
        }
    }

    /// Puts a new TA in place.
    fn with_new_ta(self) -> Self {
        std::fs::remove_dir_all(self.dir.join("ta")).expect("away");

        self
    }

    fn copy_ta(&self) {
        let copy = self.dir.join("ta.copy");
        std::fs::create_dir_all(&copy).expect("a directory");
        copy_files(&self.dir.join("ta"), &copy);
    }

    /// Rolls the TA back to the copy.
    fn with_copied_ta(self) -> Self {
        let ta = self.dir.join("ta");
        std::fs::remove_dir_all(&ta).expect("away");
        std::fs::rename(self.dir.join("ta.copy"), ta).expect("put back");

        self
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

fn connector(dir: PathBuf) -> TaConnector {
    TaConnector::new(move || {
        let unreachable = |error: &dyn std::error::Error| TaUnreachable(error.to_string());
        std::fs::create_dir_all(&dir).map_err(|error| unreachable(&error))?;
        let storage =
            FileStorage::open(&dir, None, &mut OsEntropy).map_err(|error| unreachable(&error))?;
        let ta = Ta::open(storage, OsEntropy).map_err(|error| unreachable(&error))?;
        let ta: Box<dyn AnyTa> = Box::new(ta);

        Ok(ta)
    })
}

fn amount(minor_units: u64) -> Amount {
    Amount::try_from(minor_units).expect("an amount")
}
