//! A provider of its own for each test: a data directory, a running server, and an HTTP client.

mod books;
pub(crate) mod device;
pub(crate) mod template;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use blepay_server::admin::{AccountView, LedgerView, Office, audit};
use blepay_server::{InitOptions, RunOptions, RunningServer, Server, init};
use ops_proto::certificate::Certificate;
use ops_proto::list::List;
use ops_proto::message::{
    AccountAnswer, AccountQuery, Batch, BatchAnswer, DepositAnswer, DepositOrder, ItemOutcome,
    StatusOrder, SyncToken,
};
use ops_proto::signed::{Body, Signed, decode_canonical, encode};
use ops_proto::{Amount, PaymentPair, PublicKey, Time};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ENGINE;
use crate::{Engine, cluster};

pub(crate) use device::Device;
pub(crate) use template::Template;

/// The present instant, for everybody.
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();

    Time::from_ms(since.as_millis().try_into().unwrap())
}

pub(crate) fn amount(minor_units: u64) -> Amount {
    Amount::try_from(minor_units).unwrap()
}

/// More requests than a test sends in a second.
pub(crate) const RATE: u32 = 100_000;

/// How often those look for something to say to other providers that are waited for.
const OUTBOX_INTERVAL: Duration = Duration::from_millis(50);

/// A connection on which a request does not end.
pub(crate) type SlowConnection = TlsStream<TcpStream>;

/// A provider with its server.
pub(crate) struct World {
    pub(crate) data: TempDir,
    pub(crate) server: RunningServer,
    pub(crate) http: reqwest::Client,
    pub(crate) provider: Signed<Certificate>,
    options: RunOptions,
    tls_anchor: String,
    pub(crate) _machine: Machine,
}

/// What a world's server runs on. It goes on while the test waits for a program: a server that stood still
/// in the middle of a transaction would keep that program from the books.
pub(crate) struct Machine(Option<Runtime>);

impl Machine {
    fn new() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();

        Self(Some(runtime.unwrap()))
    }

    async fn start(&self, options: RunOptions) -> RunningServer {
        let starting = async move { Server::start(&options).await };
        let started = self.0.as_ref().unwrap().spawn(starting).await;

        started.unwrap().unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a refused request is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Refused {
    #[serde(skip)]
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl World {
    /// Makes a world; all that are made so are one provider, each with books of its own.
    pub(crate) async fn new() -> Self {
        Self::with_rate(RATE).await
    }

    /// As [`Self::new`]; lets an address send that many requests in a second.
    pub(crate) async fn with_rate(per_second: u32) -> Self {
        static TEMPLATE: OnceCell<Template> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(Self::template).await;

        Self::start(template.copy(per_second).await).await
    }

    /// Makes a world of a provider under a root that no other world has.
    pub(crate) async fn of_another() -> Self {
        Self::start(Self::template().await.copy(RATE).await).await
    }

    async fn template() -> Template {
        let data = tempfile::tempdir().unwrap();
        let store = store_url().await;
        let options = InitOptions {
            name: "Test provider".parse().unwrap(),
            currency: "EUR".parse().unwrap(),
            url: "https://127.0.0.1:8443".to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            oem_root: Some(device::oem_root().public_key()),
            measurements: vec![device::measurement()],
            store: store.clone(),
            root: None,
            now: now(),
        };
        init(data.path(), &options).await.unwrap();

        Template::of(data.path(), store).await
    }

    pub(crate) async fn start(data: TempDir) -> Self {
        let options = RunOptions::local(data.path());

        Self::start_with(data, options).await
    }

    /// Starts a server that soon says what it has to say to other providers.
    pub(crate) async fn start_talking(data: TempDir) -> Self {
        let options = RunOptions {
            outbox_interval: OUTBOX_INTERVAL,
            ..RunOptions::local(data.path())
        };

        Self::start_with(data, options).await
    }

    async fn start_with(data: TempDir, options: RunOptions) -> Self {
        let machine = Machine::new();
        let server = machine.start(options.clone()).await;
        let office = Office::open(data.path()).await.unwrap();
        let enrolment = office.enrolment(String::new()).unwrap();
        let http = client(&enrolment.tls_anchor);
        let provider = enrolment.provider_certificate().unwrap();

        Self {
            data,
            server,
            http,
            provider,
            options,
            tls_anchor: enrolment.tls_anchor,
            _machine: machine,
        }
    }

    /// Stops the server and starts it again on the same data.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            data,
            server,
            options,
            _machine,
            ..
        } = self;
        server.shutdown().await;

        Self::start_with(data, options).await
    }

    /// Connects from another address than the rest.
    pub(crate) async fn connect_from_elsewhere(&self) -> SlowConnection {
        let anchor = self.tls_anchor.as_bytes();
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(anchor).unwrap())
            .unwrap();
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let tcp = socket.connect(self.server.addr()).await.unwrap();
        let name = ServerName::from(IpAddr::from([127, 0, 0, 1]));
        let connector = TlsConnector::from(Arc::new(config));

        connector.connect(name, tcp).await.unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.server.addr())
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    /// Posts bytes without waiting for this world; the status, or nothing when there was no answer.
    pub(crate) fn send(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> impl Future<Output = Option<u16>> + use<> {
        let request = self.http.post(self.url(path)).body(body);
        async move {
            let response = request.send().await.ok()?;
            Some(response.status().as_u16())
        }
    }

    /// Posts bytes and returns the answer's bytes, or why it was refused.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, Refused> {
        let address = self.server.addr().to_string();

        self.post_at(&address, path, body).await.unwrap()
    }

    /// Posts bytes to a server at another address; `None` when there is none.
    pub(crate) async fn post_at(
        &self,
        address: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Option<Result<Vec<u8>, Refused>> {
        let request = self.http.post(format!("https://{address}{path}"));
        let response = request.body(body).send().await.ok()?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.ok()?;
        if status == 200 {
            return Some(Ok(bytes.to_vec()));
        }
        let mut refused: Refused = serde_json::from_slice(&bytes).unwrap();
        refused.status = status;

        Some(Err(refused))
    }

    pub(crate) async fn challenge(&self, key: PublicKey) -> [u8; 32] {
        let bytes = self.post("/v1/challenge", key.0.to_vec()).await.unwrap();

        bytes.try_into().unwrap()
    }

    /// Registers a client and its TA, and credits the client.
    pub(crate) async fn device(&self, name: &str, credit: u64) -> Device {
        let mut device = Device::new(name);
        device.register_client(self).await.unwrap();
        device.register_ta(self).await.unwrap();
        if credit > 0 {
            self.credit(&device, credit).await;
        }

        device
    }

    /// Registers a client without a TA.
    pub(crate) async fn client(&self, name: &str) -> Device {
        let mut device = Device::new(name);
        device.register_client(self).await.unwrap();

        device
    }

    pub(crate) async fn credit(&self, device: &Device, minor_units: u64) {
        let mut office = Office::open(self.data.path()).await.unwrap();
        let reference = format!("{}-{minor_units}", device.client_key());
        office
            .credit(
                &device.client_key().to_string(),
                amount(minor_units),
                &reference,
            )
            .await
            .unwrap();
    }

    pub(crate) async fn deposit(
        &self,
        order: &DepositOrder,
    ) -> Result<Signed<DepositAnswer>, Refused> {
        let bytes = self.post("/v1/deposits", encode(order)).await?;

        Ok(self.answer(&bytes))
    }

    /// Deposits and takes the grant.
    pub(crate) async fn load(&self, device: &mut Device, minor_units: u64) {
        let order = device.deposit_open(minor_units);
        let answer = self.deposit(&order).await.unwrap();
        device.deposit_close(&answer);
    }

    pub(crate) async fn batch(&self, path: &str, pairs: &[PaymentPair]) -> Vec<ItemOutcome> {
        let bytes = self.post(path, encode(&batch(pairs))).await.unwrap();
        let answer: Signed<BatchAnswer> = self.answer(&bytes);
        let items = &answer.body().items;
        assert_eq!(items.len(), pairs.len());
        for ((hash, _), pair) in items.iter().zip(pairs) {
            assert_eq!(*hash, pair.hash());
        }

        items.iter().map(|(_, outcome)| *outcome).collect()
    }

    pub(crate) async fn claim(&self, pair: &PaymentPair) -> ItemOutcome {
        self.batch("/v1/claims", std::slice::from_ref(pair)).await[0]
    }

    pub(crate) async fn report(&self, pair: &PaymentPair) -> ItemOutcome {
        self.batch("/v1/reports", std::slice::from_ref(pair)).await[0]
    }

    pub(crate) async fn status(&self, order: &StatusOrder) -> Result<Signed<SyncToken>, Refused> {
        let bytes = self.post("/v1/statuses", encode(order)).await?;

        Ok(self.answer(&bytes))
    }

    /// Hands the chain in and takes the token.
    pub(crate) async fn sync(&self, device: &mut Device) {
        let order = device.status_open();
        let token = self.status(&order).await.unwrap();
        device.take_token(&token);
    }

    pub(crate) async fn account(&self, device: &Device) -> AccountAnswer {
        let challenge = self.challenge(device.client_key()).await;
        let query = AccountQuery {
            client: device.client_key(),
            challenge,
        };
        let query = Signed::sign(query, &device.client());
        let bytes = self.post("/v1/account", query.to_wire()).await.unwrap();
        let answer: Signed<AccountAnswer> = self.answer(&bytes);

        answer.body().clone()
    }

    pub(crate) async fn online(&self, device: &Device) -> u64 {
        self.account(device).await.online.minor_units()
    }

    pub(crate) async fn view(&self, device: &Device) -> AccountView {
        let mut office = Office::open(self.data.path()).await.unwrap();

        office
            .account(&device.client_key().to_string())
            .await
            .unwrap()
    }

    pub(crate) async fn ledger(&self) -> LedgerView {
        let mut office = Office::open(self.data.path()).await.unwrap();

        office.ledger().await.unwrap()
    }

    /// Demands that the books balance and that every entry and signature replays.
    pub(crate) async fn check(&self) -> LedgerView {
        let audit = audit(self.data.path()).await.unwrap();
        assert!(audit.balanced, "{audit:?}");
        let ledger = self.ledger().await;
        assert!(ledger.balanced, "{ledger:?}");

        ledger
    }

    fn answer<T: Body>(&self, bytes: &[u8]) -> Signed<T> {
        let signed: Signed<T> = Signed::decode(bytes).unwrap();
        let ops_proto::certificate::Role::Provider { answer_key, .. } = &self.provider.body().role
        else {
            panic!("a provider's certificate");
        };
        signed.verify(answer_key).unwrap();

        signed
    }
}

/// Sends the head of a request and the first byte of its body, and no more.
pub(crate) async fn send_slowly(connection: &mut SlowConnection, path: &str, length: usize) {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nx");
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.flush().await.unwrap();
}

/// Returns what `--store` is told for new books on this engine: nothing for a file.
pub(crate) async fn store_url() -> Option<String> {
    match ENGINE {
        Engine::Sqlite => None,
        Engine::Postgres => Some(cluster::database().await),
    }
}

pub(crate) fn batch(pairs: &[PaymentPair]) -> Batch {
    Batch {
        providers: List::empty(),
        pairs: List::try_from(pairs.to_vec()).unwrap(),
    }
}

pub(crate) fn decode<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
    decode_canonical(bytes).unwrap()
}

pub(crate) fn client(anchor: &str) -> reqwest::Client {
    // Whoever is second finds it installed.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let anchor = reqwest::Certificate::from_pem(anchor.as_bytes()).unwrap();

    reqwest::Client::builder()
        .tls_certs_only([anchor])
        .build()
        .unwrap()
}
