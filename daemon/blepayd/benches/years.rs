//! What a device's years cost it: journals of 1,000 to 1,000,000 payments, each opened by a process of its own.
//!
//! `cargo bench --package blepayd` prints a table and, beside each figure, how many times it is that of the smallest journal;
//! `-- --json` ends with one line of JSON; `-- --payments 1000,100000` makes others.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a bench prints, and its sums are small"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ble_proto::gatt::RequestTag;
use journal::{
    ApprovedBy, Entry, Fact, Found, Journal, NoiseSecretBytes, PayIntent, RequestIntent,
};
use kit::{Bank, Device, Faults, Kind, pay};
use ops_proto::certificate::{Certificate, Kind as KeyKind};
use ops_proto::contract::RequestTerms;
use ops_proto::id::CommandId;
use ops_proto::list::List;
use ops_proto::message::{
    CertificateChain, ItemOutcome, ListsHeld, NoiseKey, Payment, ReceivedPayment, Receiver,
    RequestPayment, SettlementState, Status,
};
use ops_proto::statement::{ChainEnd, ChainPosition, Moves};
use ops_proto::time::Validity;
use ops_proto::{Amount, Balance, Digest, PaymentPair, RequestId, SecretKey, Signed, Time};
use radio::sockets::SimAir;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use wallet::{Mode, Target};

const PAYMENTS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Payments that are appended in one commit.
const CHUNK: u64 = 100;

/// The kind of the fact with which a payment by this device begins.
const INTENT: u8 = 13;

/// What a page shows.
const PAGE: usize = 50;

/// Payments each way, of which the median is told.
const ROUNDS: usize = 5;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    payments: u64,
    start_ms: f64,
    status_ms: f64,
    history_first_ms: f64,
    history_last_ms: f64,
    requests_ms: f64,
    due_ms: f64,
    received_ms: f64,
    sent_ms: f64,
    rss_anon_kib: f64,
    bytes_a_payment: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    if let Some(world) = value("--child") {
        let payments = value("--payments")
            .expect("how many")
            .parse()
            .expect("a number");
        let row = runtime().block_on(measure(Path::new(&world), payments));
        println!("{}", serde_json::to_string(&row).expect("a row"));
        return;
    }
    let sizes = value("--payments").map_or_else(
        || PAYMENTS.to_vec(),
        |list| {
            list.split(',')
                .map(|size| size.parse().expect("a number"))
                .collect()
        },
    );
    let mut rows = Vec::new();
    for payments in sizes {
        let world = TempDir::new().expect("a directory");
        eprintln!("making a journal of {payments} payments");
        runtime().block_on(make(world.path(), payments));
        rows.push(in_own_process(world.path(), payments));
        print(&rows);
    }
    if arguments.iter().any(|argument| argument == "--json") {
        println!("{}", serde_json::json!({ "rows": rows }));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn in_own_process(world: &Path, payments: u64) -> Row {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .arg("--child")
        .arg(world)
        .args(["--payments", &payments.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "the measuring process failed");

    serde_json::from_slice(&output.stdout).expect("a row")
}

fn print(rows: &[Row]) {
    let Some(row) = rows.last() else { return };
    let first = &rows[0];
    println!("{} payments", row.payments);
    for (name, now, then) in [
        ("start, ms", row.start_ms, first.start_ms),
        ("status, ms", row.status_ms, first.status_ms),
        (
            "history, first page, ms",
            row.history_first_ms,
            first.history_first_ms,
        ),
        (
            "history, last page, ms",
            row.history_last_ms,
            first.history_last_ms,
        ),
        ("requests, ms", row.requests_ms, first.requests_ms),
        ("what is due at a sync, ms", row.due_ms, first.due_ms),
        ("a payment received, ms", row.received_ms, first.received_ms),
        ("a payment sent, ms", row.sent_ms, first.sent_ms),
        (
            "memory (RssAnon), KiB",
            row.rss_anon_kib,
            first.rss_anon_kib,
        ),
        (
            "bytes a payment",
            row.bytes_a_payment,
            first.bytes_a_payment,
        ),
    ] {
        println!("  {name:<28} {now:>12.2}   {:>6.2} times", now / then);
    }
    let _flushed = std::io::stdout().flush();
}

/// Opens the journal as a device does, and uses it.
async fn measure(world: &Path, payments: u64) -> Row {
    let bank = Bank::new(5);
    let air = SimAir::new(world.join("air"));
    let (start_ms, till) = timed(Device::start(
        world.join("Till"),
        air.clone(),
        Kind::WithTa,
        Faults::NONE,
    ))
    .await;
    let (status_ms, _) = timed(till.wallet.status()).await;
    let (history_first_ms, _) = timed(async { till.wallet.history(None, PAGE) }).await;
    let cursor = fs::read_to_string(world.join("cursor")).expect("a cursor");
    let last = till.wallet.payments_beginning(&cursor, 1).pop();
    let (history_last_ms, page) = timed(async { till.wallet.history(last.as_ref(), PAGE) }).await;
    assert!(!page.is_empty(), "the last page has payments");
    let (requests_ms, _) = timed(async { till.wallet.requests(PAGE) }).await;
    let (due_ms, due) = timed(async {
        till.wallet.journal().view(|book| {
            let undelivered = book.undelivered(runtime::clock::now(), 0).len();
            book.reports_due().len() + book.claims_due().len() + undelivered
        })
    })
    .await;
    assert_eq!(due, 0, "all of it is settled");
    let customer = Device::in_air(&bank, air, world, "Customer", Kind::WithTa).await;
    let (mut received, mut sent) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        received.push(pays(&customer, &till).await);
        sent.push(pays(&till, &customer).await);
    }
    let row = Row {
        payments,
        start_ms,
        status_ms,
        history_first_ms,
        history_last_ms,
        requests_ms,
        due_ms,
        received_ms: median(received),
        sent_ms: median(sent),
        rss_anon_kib: rss_anon_kib(),
        bytes_a_payment: journal_size(&world.join("Till")) / payments as f64,
    };
    let _stopped = till.stop().await;
    let _stopped = customer.stop().await;

    row
}

async fn pays(payer: &Device, payee: &Device) -> f64 {
    let opened = payee.request(1, Mode::Uri).await;
    let uri = opened.uri.expect("a URI").parse().expect("a URI");
    let (took, _) = timed(pay(payer, Target::Uri(Box::new(uri)))).await;

    took
}

async fn timed<T>(work: impl Future<Output = T>) -> (f64, T) {
    let begun = Instant::now();
    let done = work.await;

    (begun.elapsed().as_secs_f64() * 1000.0, done)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);

    all[all.len() / 2]
}

fn rss_anon_kib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("this process");
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let digits = line.and_then(|line| line.split_whitespace().nth(1));

    digits.expect("a size").parse().expect("a number")
}

fn journal_size(dir: &Path) -> f64 {
    let sizes = fs::read_dir(dir).expect("a directory").map(|file| {
        let file = file.expect("a file");
        let is_journal = file
            .file_name()
            .to_string_lossy()
            .starts_with("journal.sqlite");
        let size = file.metadata().expect("there").len();

        if is_journal { size } else { 0 }
    });

    sizes.sum::<u64>() as f64
}

/// Makes a registered device and appends what many payments leave behind.
async fn make(world: &Path, payments: u64) {
    let bank = Bank::new(5);
    let till = Device::in_air(
        &bank,
        SimAir::new(world.join("air")),
        world,
        "Till",
        Kind::WithTa,
    )
    .await;
    let (client, ta) = till.wallet.journal().view(|book| {
        let client = book.client().and_then(|client| client.chain.clone());
        (
            client.expect("certified"),
            book.sender_chain().expect("certified").clone(),
        )
    });
    let _stopped = till.stop().await;
    let dir: PathBuf = world.join("Till");
    let journal = Journal::open(&dir).expect("opened");
    let maker = Maker::new(&bank, client, ta);
    let (mut told, mut done) = (Instant::now(), 0);
    while done < payments {
        let end = payments.min(done + CHUNK);
        let mut facts = Vec::new();
        for number in done..end {
            let payment = maker.payment(number);
            let has_intent = |facts: &[Fact]| facts.iter().any(|fact| fact.kind() == INTENT);
            // one commit begins one payment
            if has_intent(&facts) && has_intent(&payment) {
                let _seq = journal.append(std::mem::take(&mut facts)).await;
            }
            facts.extend(payment);
        }
        facts.extend(maker.token(end));
        let _seq = journal.append(facts).await.expect("appended");
        done = end;
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            eprintln!("  {done} of {payments}");
        }
    }
    fs::write(
        world.join("cursor"),
        maker.received(PAGE as u64, &maker.ta).hash().to_string(),
    )
    .expect("written");
    drop(journal);
}

/// Makes payments as they are when all is settled.
struct Maker {
    /// Signs for everybody: what is in a journal was verified when it came.
    key: SecretKey,
    client: CertificateChain,
    ta: CertificateChain,
    other: CertificateChain,
}

impl Maker {
    fn new(bank: &Bank, client: CertificateChain, ta: CertificateChain) -> Self {
        let key = SecretKey::from_seed(&[9; 32]);

        Self {
            other: bank.certify_ta(key.public_key(), "Somebody"),
            key,
            client,
            ta,
        }
    }

    /// Of ten: six to the TA, one to the client key, one by this device, one a refund, and one request that is cancelled.
    fn payment(&self, number: u64) -> Vec<Fact> {
        match number % 10 {
            0..=5 => self.came(number, &self.ta, SettlementState::Collected),
            6 => self.came(number, &self.client, SettlementState::Credited),
            7 => self.left(number, None),
            8 => self.left(number, Some(self.received(number - 1, &self.ta).hash())),
            _ => {
                let mut facts = self.came(number, &self.ta, SettlementState::Collected);
                facts.extend(self.cancelled(number));
                facts
            }
        }
    }

    fn came(&self, number: u64, payee: &CertificateChain, state: SettlementState) -> Vec<Fact> {
        let pair = self.received(number, payee);
        let (payment, outcome) = (pair.hash(), ItemOutcome::Held(state));
        let (command, intent) = self.intent(number, payee);
        let mut facts = vec![
            intent,
            Fact::RequestIssued {
                command,
                request: pair.request.clone(),
            },
            Fact::PaymentReceived {
                pair: Box::new(pair),
                sender_provider: self.other.provider.clone(),
            },
            Fact::Collected {
                payment,
                receipt: self.receipt(payment),
            },
        ];
        if state == SettlementState::Credited {
            facts.push(Fact::Claimed { payment, outcome });
        }
        facts.push(Fact::Reported { payment, outcome });

        facts
    }

    fn left(&self, number: u64, refund_of: Option<Digest>) -> Vec<Fact> {
        let pair = self.pair(number, &self.other.leaf, &self.ta.leaf, refund_of);
        let (payment, outcome) = (pair.hash(), ItemOutcome::Held(SettlementState::Collected));

        vec![
            Fact::PayIntent(Box::new(PayIntent {
                request: pair.request.clone(),
                payee_provider: self.other.provider.clone(),
                memo: "two coffees".parse().expect("a memo"),
                approved_by: ApprovedBy::Person,
                found: Found::Heard(tag(number)),
            })),
            Fact::PaymentSigned {
                pair: Box::new(pair),
                payee_provider: self.other.provider.clone(),
            },
            Fact::ReceiptReceived(self.receipt(payment)),
            Fact::Reported { payment, outcome },
        ]
    }

    fn cancelled(&self, number: u64) -> Vec<Fact> {
        let number = number | (1 << 40);
        let (command, intent) = self.intent(number, &self.ta);
        let request = self.request(number, &self.ta.leaf, None);

        vec![
            intent,
            Fact::RequestIssued { command, request },
            Fact::RequestCancelled {
                payee: self.ta.leaf.body().subject,
                request_id: RequestId(number),
            },
        ]
    }

    /// A status that the server answered: the chain begins anew, and what was cancelled is closed.
    fn token(&self, n: u64) -> Vec<Fact> {
        let status = Signed::sign(
            Status {
                ta: self.ta.leaf.body().subject,
                position: ChainPosition {
                    n,
                    i: 0,
                    j: n,
                    previous: Digest::ZERO,
                },
                balance: Balance::ZERO,
                paid_count: 0,
                paid_total: 0,
                collected_count: 0,
                collected_total: 0,
                collected: List::empty(),
                open: List::empty(),
                mark: RequestId(u64::MAX),
                nonce: [1; 16],
            },
            &self.key,
        );
        let taken = Fact::TokenTaken {
            status: status.hash(),
        };

        vec![Fact::StatusOpened(status), taken]
    }

    fn received(&self, number: u64, payee: &CertificateChain) -> PaymentPair {
        self.pair(number, &payee.leaf, &self.other.leaf, None)
    }

    fn pair(
        &self,
        number: u64,
        payee: &Signed<Certificate>,
        sender: &Signed<Certificate>,
        refund_of: Option<Digest>,
    ) -> PaymentPair {
        let request = self.request(number, payee, refund_of);
        let body = request.body();
        let payment = Signed::sign(
            Payment {
                sender: sender.clone(),
                position: ChainEnd::START.next(Moves::J),
                amount: body.amount,
                currency: body.currency,
                receiver: Receiver::of(body),
                request_id: body.request_id,
                request_hash: request.hash(),
                refund_of,
            },
            &self.key,
        );

        PaymentPair { payment, request }
    }

    fn request(
        &self,
        number: u64,
        payee: &Signed<Certificate>,
        refund_of: Option<Digest>,
    ) -> Signed<RequestPayment> {
        let terms = terms(number);

        Signed::sign(
            RequestPayment {
                payee: payee.clone(),
                request_id: RequestId(number),
                amount: terms.amount,
                currency: payee.body().currency,
                noise_key: terms.noise_key,
                memo_hash: terms.memo_hash,
                issued: terms.issued,
                validity: terms.validity,
                lists_held: terms.lists_held,
                replaces: None,
                refund_of,
            },
            &self.key,
        )
    }

    fn intent(&self, number: u64, payee: &CertificateChain) -> (CommandId, Fact) {
        let command = CommandId(
            Digest::of(&[&number.to_be_bytes()]).0[..16]
                .try_into()
                .expect("16 bytes"),
        );
        let is_client = payee.leaf == self.client.leaf;
        let intent = RequestIntent {
            command,
            signer: if is_client {
                KeyKind::Client
            } else {
                KeyKind::Ta
            },
            terms: terms(number),
            tag: tag(number),
            noise_secret: NoiseSecretBytes::new([3; 32]),
            entry: Entry::Heard,
            memo: "two coffees".parse().expect("a memo"),
            salt: [4; 16],
        };

        (command, Fact::RequestIntent(Box::new(intent)))
    }

    fn receipt(&self, payment: Digest) -> Signed<ReceivedPayment> {
        Signed::sign(ReceivedPayment { payment }, &self.key)
    }
}

fn terms(number: u64) -> RequestTerms {
    RequestTerms {
        amount: Amount::try_from(number % 5000 + 1).expect("an amount"),
        memo_hash: Digest::ZERO,
        noise_key: NoiseKey([1; 32]),
        issued: Time::from_ms(1_700_000_000_000 + number * 60_000),
        validity: Validity::try_from(900_000).expect("a validity"),
        lists_held: ListsHeld::default(),
        replaces: None,
        refund_of: None,
    }
}

fn tag(number: u64) -> RequestTag {
    let bytes = number.to_be_bytes();

    RequestTag(bytes[2..].try_into().expect("6 bytes"))
}
