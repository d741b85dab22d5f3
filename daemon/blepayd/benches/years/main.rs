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

mod maker;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use journal::{Fact, Journal};
use kit::{Bank, Device, Faults, Kind, pay};
use radio::sockets::SimAir;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use wallet::{Mode, Target};

use maker::Maker;

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
