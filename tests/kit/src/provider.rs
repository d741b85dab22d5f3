//! A provider: the real server in this process, behind a line that can lose requests and answers.
//!
//! Devices reach it at the address of the line, which stays while the server stops, is restored and starts again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use blepay_server::admin::{self, AccountView, Force, Office, Standing};
use blepay_server::provider::Layout;
use blepay_server::provider::ca::{Holder, Root, Terms, Wanted};
use blepay_server::store::StoreAddress;
use blepay_server::{RunOptions, RunningServer};
use hyper::Method;
use journal::{Enrolled, Fact};
use ops_proto::certificate::Certificate;
use ops_proto::enrolment::Enrolment;
use ops_proto::list::List;
use ops_proto::message::{Batch, BatchAnswer, CertificateChain, ItemOutcome, ProviderRequest};
use ops_proto::signed::{decode_canonical, encode};
use ops_proto::{PaymentPair, PublicKey, SecretKey, Signed};
use radio::sockets::SimAir;
use runtime::clock;
use runtime::shutdown::Shutdown;
use sync::{SyncRuns, check_enrolment, connectivity};
use tempfile::TempDir;
use tokio::sync::watch;

pub use super::line::Loss;

use super::line::Line;
use super::server::{Asked, Server, Tls};
use super::template::{Template, until_closed};
use super::{Device, Faults, Kind, amount};

/// What the online account of a new device holds.
pub const ONLINE: u64 = 50_000;

/// What its TA holds, if it has one.
pub const ON_TA: u64 = 10_000;

/// What its owner has in all.
pub const TOTAL: u64 = 60_000;

/// For how long a certificate is issued whose renewal is due: a server cannot be told to issue one for less than a day.
const BRIEF_MS: u64 = 3600 * 1000;

/// How long a provider's certificate is valid.
const DAYS: u64 = 365;

/// The provider.
pub struct Provider {
    dir: TempDir,
    line: Arc<Line>,
    tls: Tls,
    port: u16,
    front: Mutex<Option<Server>>,
    running: tokio::sync::Mutex<Option<RunningServer>>,
    backups: AtomicUsize,
}

/// The books as they were.
pub struct Backup(PathBuf);

/// Another server of the same provider, on a copy of its keys and books.
pub struct Twin {
    _dir: TempDir,
    running: RunningServer,
}

impl Provider {
    /// Makes a provider whose server answers. All that are made so have the same keys, each with books of its own.
    pub async fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        Template::get().await.write(&data);
        let running = start(&data).await;
        let anchor = std::fs::read_to_string(Layout::new(&data).tls_anchor_path());
        let line = Line::new(&anchor.expect("the server's anchor"), running.addr());
        let (line, tls) = (Arc::new(line), Tls::new());
        let front = Server::start(&tls, 0, line.answer()).await;

        Self {
            dir,
            line,
            tls,
            port: front.address.port(),
            front: Mutex::new(Some(front)),
            running: tokio::sync::Mutex::new(Some(running)),
            backups: AtomicUsize::new(0),
        }
    }

    /// Makes a device in `world/name` that is registered here and has [`ONLINE`] in its account; its TA, if it has one,
    /// holds [`ON_TA`]. It is offline.
    pub async fn device(&self, world: &Path, name: &str, kind: Kind) -> Device {
        self.device_in(SimAir::new(world.join("air")), world, name, kind)
            .await
    }

    /// As [`Self::device`], in another than the perfect air.
    pub async fn device_in(&self, air: SimAir, world: &Path, name: &str, kind: Kind) -> Device {
        let device = Device::start(world.join(name), air, kind, Faults::NONE).await;
        let client = device.wallet.identity().public_key();
        let facts = vec![
            Fact::Enrolled(Box::new(self.enrolled().await)),
            Fact::ClientKeyMade {
                client,
                name: name.parse().expect("a name"),
            },
        ];
        let journal = device.wallet.journal();
        journal.append(facts).await.expect("appended");
        let online = go_online(&device);
        online.runs().await;
        self.credit(&device, ONLINE).await;
        if kind == Kind::WithTa {
            self.credit(&device, ON_TA).await;
            let deposited = online.sync.deposit(amount(ON_TA)).await.expect("opened");
            assert!(deposited.pending.is_none(), "granted: {deposited:?}");
            // the books know that a grant is taken once the TA says so
            online.runs().await;
        }
        online.stop().await;

        device
    }

    /// Returns what devices enrol with.
    pub async fn enrolment(&self) -> Enrolment {
        let url = format!("https://127.0.0.1:{}", self.port);
        let enrolment = self.office().await.enrolment(url).expect("an enrolment");

        Enrolment {
            tls_anchor: self.tls.anchor.clone(),
            ..enrolment
        }
    }

    /// Returns the enrolment as a device keeps it.
    pub async fn enrolled(&self) -> Enrolled {
        let enrolment = self.enrolment().await;

        check_enrolment(&enrolment)
            .expect("it can be used")
            .into_enrolled()
    }

    /// The port at which devices look for the server.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Leaves nobody at the server's address.
    pub fn go_away(&self) {
        drop(self.front().take());
    }

    /// Is at the server's address again.
    pub async fn come_back(&self) {
        let front = Server::start(&self.tls, self.port, self.line.answer()).await;
        *self.front() = Some(front);
    }

    fn front(&self) -> std::sync::MutexGuard<'_, Option<Server>> {
        self.front.lock().expect("not poisoned")
    }
}

/// What goes wrong between devices and server.
impl Provider {
    /// Loses every request at a path, or its answer, until [`Self::lose_nothing`].
    pub fn lose(&self, path: &str, loss: Loss) {
        self.line.lose(path, loss);
    }

    pub fn lose_nothing(&self) {
        self.line.lose_nothing();
    }

    /// Fails on requests at a path, as a server with a fault would, until [`Self::be_honest`].
    pub fn break_on(&self, path: &str, breaks: impl Fn(&[u8]) -> bool + Send + Sync + 'static) {
        self.line.break_on(path, Arc::new(breaks));
    }

    /// Says other things at a path than the server does, until [`Self::be_honest`].
    pub fn forge(&self, path: &str, forgery: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) {
        self.line.forge(path, Arc::new(forgery));
    }

    /// Has no such path, as a server of an earlier version, until [`Self::be_honest`].
    pub fn lack(&self, path: &str) {
        self.line.lack(path);
    }

    /// Gives newcomers certificates that are to be renewed at once, until [`Self::be_honest`].
    pub fn certify_briefly(&self) {
        for path in ["/v1/clients", "/v1/tas"] {
            let certify = self.secret("certify");
            self.forge(path, move |answer| {
                let chain: CertificateChain = decode_canonical(answer).expect("certificates");
                let leaf = Certificate {
                    not_after: clock::now().saturating_add_ms(BRIEF_MS),
                    ..chain.leaf.body().clone()
                };

                encode(&CertificateChain {
                    leaf: Signed::sign(leaf, &certify),
                    ..chain
                })
            });
        }
    }

    pub fn be_honest(&self) {
        self.line.be_honest();
    }

    /// The bodies that were sent to a path.
    pub fn asked(&self, path: &str) -> Vec<Vec<u8>> {
        let asked = self.line.asked().into_iter();

        asked
            .filter(|(at, _)| at == path)
            .map(|(_, body)| body)
            .collect()
    }

    /// The paths that were asked for, in order.
    pub fn paths(&self) -> Vec<String> {
        let asked = self.line.asked().into_iter();

        asked.map(|(path, _)| path).collect()
    }

    /// Counts what is asked from here on.
    pub fn forget_what_was_asked(&self) {
        self.line.forget_what_was_asked();
    }

    /// A secret key of the provider, by its use: certify, answer or list.
    pub fn secret(&self, of: &str) -> SecretKey {
        let keys = std::fs::read_to_string(self.data().join("provider.keys")).expect("the keys");
        let named = |line: &str| line.strip_prefix(of)?.strip_prefix('=').map(str::to_owned);
        let seed = keys.lines().find_map(named).expect("it has the key");
        let seed = hex::decode(seed).expect("hex digits");

        SecretKey::from_seed(&seed.try_into().expect("32 bytes"))
    }

    /// The root, which lies beside this provider as in trials.
    pub fn root(&self) -> Root {
        Root::open(&self.data()).expect("the root")
    }
}

/// The books.
impl Provider {
    /// Books what the owner of a device paid in.
    pub async fn credit(&self, device: &Device, minor_units: u64) {
        let client = client(device);
        let reference = format!("{client}-{minor_units}");
        let mut office = self.office().await;
        let credited = office
            .credit(&client, amount(minor_units), &reference)
            .await;
        credited.expect("credited");
    }

    /// What the books say of the owner of a device.
    pub async fn account(&self, device: &Device) -> AccountView {
        let account = self.office().await.account(&client(device)).await;

        account.expect("the client's account")
    }

    /// What the online account of a device's owner holds.
    pub async fn online(&self, device: &Device) -> u64 {
        self.account(device).await.online
    }

    /// What the owner of a device has outside of it.
    pub async fn outside(&self, device: &Device) -> u64 {
        let account = self.account(device).await;
        let held: u64 = account.tas.iter().map(|ta| ta.held).sum();

        account.online.saturating_add(held)
    }

    /// What the owner of a device has, wherever it is.
    pub async fn total(&self, device: &Device) -> u64 {
        let on_device = device.balance().await;

        on_device.saturating_add(self.outside(device).await)
    }

    /// Revokes a TA.
    pub async fn revoke(&self, ta: &PublicKey) {
        let mut office = self.office().await;
        let revoked = office.set_standing(ta, Standing::Revoked, "stolen").await;
        revoked.expect("revoked");
    }

    /// Hands payments in, as anybody may who has them.
    pub async fn hand_in(&self, pairs: &[PaymentPair]) {
        let batch = Batch {
            providers: List::default(),
            pairs: List::try_from(pairs.to_vec()).expect("a batch"),
        };
        let asked = Asked {
            method: Method::POST,
            path: "/v1/claims".to_owned(),
            body: encode(&batch),
        };
        let (status, answer) = self.line.ask(asked).await.expect("the server is there");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        let answer = Signed::<BatchAnswer>::decode(&answer).expect("an answer");
        let items = &answer.body().items;
        assert_eq!(items.len(), pairs.len());
        for (payment, outcome) in items.iter() {
            assert!(
                matches!(outcome, ItemOutcome::Held(_)),
                "{payment}: {outcome:?}"
            );
        }
    }

    async fn office(&self) -> Office {
        Office::open(&self.data()).await.expect("the office")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn books(&self) -> StoreAddress {
        StoreAddress::file(&Layout::new(&self.data()).books_path())
    }
}

/// The lives of the server.
impl Provider {
    pub async fn backup(&self) -> Backup {
        let number = self.backups.fetch_add(1, Ordering::SeqCst);
        let file = self.dir.path().join(format!("books.backup-{number}"));
        let written = admin::backup(&self.data(), &self.books(), &file).await;
        written.expect("a backup");

        Backup(file)
    }

    /// Loses the books and goes on from a backup, in a new life.
    pub async fn restore(&self, backup: &Backup) {
        self.stop().await;
        let (data, books) = (self.data(), self.books());
        let restored = admin::restore(&data, &books, &backup.0, Force::Yes).await;
        assert!(restored.expect("restored").incarnation > 1);
        self.start().await;
    }

    /// Starts a server on a copy of keys and books: one that is not switched off when a backup is restored.
    pub async fn twin(&self) -> Twin {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let of_the_life = |name: &str| !name.starts_with("books.db") && name != "lock";
        Template::read(&self.data(), of_the_life).write(&data);
        let copy = Layout::new(&data).books_path();
        let copied = admin::backup(&self.data(), &self.books(), &copy).await;
        copied.expect("a copy");

        Twin {
            running: start(&data).await,
            _dir: dir,
        }
    }

    /// Has another server answer in this one's place, until [`Self::answer`].
    pub fn relapse(&self, twin: &Twin) {
        self.line.lead_to(twin.running.addr());
    }

    /// Answers itself again.
    pub async fn answer(&self) {
        let running = self.running.lock().await;
        self.line.lead_to(running.as_ref().expect("it runs").addr());
    }

    /// Certifies and answers under new keys from here on.
    pub async fn roll_over(&self) {
        self.stop().await;
        let (mut root, now) = (self.root(), clock::now());
        let holder = Holder::open(&self.data()).expect("a provider");
        let request = holder.rollover(&Wanted::default(), now).expect("new keys");
        let certificate = certify(&mut root, &request);
        let installed = holder.install(&certificate, now).await;
        assert!(!installed.expect("installed").repeated);
        let directory = root.sign_directory(now).expect("a directory");
        holder.install_directory(&directory).expect("installed");
        self.start().await;
    }

    async fn stop(&self) {
        let running = self.running.lock().await.take();
        running.expect("it runs").shutdown().await;
        until_closed(&Layout::new(&self.data()).books_path()).await;
    }

    async fn start(&self) {
        let running = start(&self.data()).await;
        self.line.lead_to(running.addr());
        *self.running.lock().await = Some(running);
    }
}

async fn start(data: &Path) -> RunningServer {
    let options = RunOptions::local(data);

    blepay_server::Server::start(&options)
        .await
        .expect("a server")
}

/// Has a root certify what a provider asks for.
pub(crate) fn certify(root: &mut Root, request: &Signed<ProviderRequest>) -> Signed<Certificate> {
    let terms = Terms {
        limits: request.body().limits_max,
        days: DAYS,
    };
    let now = clock::now();
    let proposal = root.propose(request, &terms, now).expect("a good request");

    root.sign(proposal, now).expect("signed")
}

fn client(device: &Device) -> String {
    device.wallet.identity().public_key().to_string()
}

/// A device's sync at work.
pub struct Online {
    pub sync: sync::Sync,
    shutdown: Shutdown,
}

impl Online {
    /// Syncs once, with success in every part.
    pub async fn runs(&self) -> SyncRuns {
        let status = self.sync.run().await.expect("runs");
        let parts = status.parts.iter();
        let failed: Vec<_> = parts.filter(|part| part.outcome.is_err()).collect();
        assert!(failed.is_empty(), "{failed:?}");
        assert!(status.set_aside.is_empty(), "{:?}", status.set_aside);

        status
    }

    pub async fn stop(self) {
        self.shutdown.join().await.expect("stops");
    }
}

/// Enrols a device with another server than before and starts its sync.
pub async fn enrol(device: &Device, enrolled: Enrolled) -> Online {
    let enrolled = Fact::Enrolled(Box::new(enrolled));
    let journal = device.wallet.journal();
    journal.append(vec![enrolled]).await.expect("appended");

    go_online(device)
}

/// Starts the sync of a device that is enrolled.
pub fn go_online(device: &Device) -> Online {
    let shutdown = Shutdown::new();
    let (_, uses_ta) = watch::channel(true);
    let hints = connectivity::watch(&shutdown);
    let sync = sync::Sync::start(device.wallet.clone(), uses_ta, hints, &shutdown);

    Online { sync, shutdown }
}
