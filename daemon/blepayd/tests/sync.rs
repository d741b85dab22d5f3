//! What sync promises when the server fails, lies, is not there or comes back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use journal::book::DepositStage;
use journal::{Enrolled, Fact};
use kit::provider::{Provider, enrol};
use kit::server::{Answer, Server, Tls};
use kit::{Bank, Device, Kind, amount, eventually, pay};
use ops_proto::list::List;
use ops_proto::message::{
    AccountAnswer, AnswerStamp, Batch, BatchAnswer, DepositOrder, ItemOutcome, SettlementState,
};
use ops_proto::signed::{decode_canonical, encode};
use ops_proto::{Balance, Digest, PaymentPair, SecretKey, Signed};
use runtime::shutdown::Shutdown;
use sync::connectivity;
use sync::{Sync, SyncError, SyncRuns};
use tokio::net::TcpListener;
use tokio::sync::watch;
use wallet::{Mode, PaymentEvent, Target};

const STAMP: AnswerStamp = AnswerStamp {
    incarnation: 1,
    sequence: 1,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_breaks_the_server_never_blocks_the_rest() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Arc::new(Bank::new(2));
    let (payee, pairs) = paid(&bank, world.path(), 5).await;
    let poison = pairs[2].hash();
    let honest = honest(&bank);
    let answer: Arc<Answer> = Arc::new(move |path, body| match path {
        "/v1/reports" if hashes(body).contains(&poison) => (500, Vec::new()),
        _ => honest(path, body),
    });
    let server = Server::start(&Tls::new(), 0, answer).await;

    let status = run(&payee, server.enrolled(&bank)).await;

    for pair in &pairs {
        let hash = pair.hash();
        let report = payee
            .wallet
            .journal()
            .view(|book| book.incoming_by_hash(&hash).expect("held").report);
        assert_eq!(report.is_some(), hash != poison);
    }
    let claimed = payee.wallet.journal().view(|book| {
        book.incoming()
            .filter(|(_, payment)| payment.claim == Some(CREDITED))
            .count()
    });
    assert_eq!(claimed, pairs.len(), "the other parts went on");
    let shown: Vec<_> = status.set_aside.iter().map(|item| &item.item).collect();
    assert_eq!(shown, [&poison.to_string()]);
}

/// Else payments from TA to TA stay unseen, and honest payees look like over-spenders.
#[tokio::test(flavor = "multi_thread")]
async fn every_payment_is_reported_by_both_ends_before_anything_else_in_a_run() {
    let (bank, world) = (
        Arc::new(Bank::new(5)),
        tempfile::tempdir().expect("a directory"),
    );
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let last = pay(&payer, Target::Tag(request.tag)).await;
    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    let hash = payer.outgoing()[0].hash();

    for device in [&payer, &payee] {
        let provider = Provider::new(&bank);
        let server = provider.serve().await;
        let online = enrol(device, &server, &bank).await;
        let _status = online.sync.run().await.expect("runs");
        online.stop().await;

        let told = provider.asked("/v1/reports");
        assert!(told.iter().any(|body| hashes(body).contains(&hash)));
        let asked = server.asked();
        let moves = ["deposits", "withdrawals", "mailbox", "claims", "statuses"];
        let first = asked
            .iter()
            .position(|path| moves.iter().any(|part| path.ends_with(part)))
            .expect("a status at least");
        let before = asked.iter().take(first);
        let reports = before.filter(|path| *path == "/v1/reports").count();
        assert_eq!(reports, 2, "the server's life, then the payment: {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_provider_did_not_sign_changes_nothing() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Arc::new(Bank::new(2));
    let (payee, pairs) = paid(&bank, world.path(), 1).await;
    let stranger = SecretKey::from_seed(&[99; 32]);
    let answer: Arc<Answer> = Arc::new(move |path, body| match path {
        "/v1/reports" | "/v1/claims" => {
            (200, Signed::sign(batch_answer(body), &stranger).to_wire())
        }
        _ => (200, vec![0; 32]),
    });
    let server = Server::start(&Tls::new(), 0, answer).await;

    let status = run(&payee, server.enrolled(&bank)).await;

    let hash = pairs[0].hash();
    payee.wallet.journal().view(|book| {
        let payment = book.incoming_by_hash(&hash).expect("held");
        assert_eq!((payment.report, payment.claim), (None, None));
    });
    assert_eq!(status.set_aside.len(), 1, "shown once");
    assert!(
        status.set_aside[0]
            .reason
            .contains("not signed by the provider")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_enrolments_anchor_is_trusted() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Arc::new(Bank::new(2));
    let (payee, _) = paid(&bank, world.path(), 1).await;
    let server = Server::start(&Tls::new(), 0, honest(&bank)).await;
    let other = Tls::new();
    let elsewhere = Server::start(&other, 0, honest(&bank)).await;
    let enrolled = Enrolled {
        tls_anchor: elsewhere.anchor.clone(),
        ..server.enrolled(&bank)
    };

    let status = run(&payee, enrolled).await;

    assert_eq!(status.reachable, Some(false));
    assert_eq!(server.asked(), Vec::<String>::new(), "nothing was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_settles_by_itself_when_the_server_is_back() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Arc::new(Bank::new(2));
    let (payee, pairs) = paid(&bank, world.path(), 1).await;
    let tls = Tls::new();
    let server = Server::start(&tls, 0, honest(&bank)).await;
    let (enrolled, port) = (server.enrolled(&bank), server.address.port());
    drop(server);
    let shutdown = Shutdown::new();
    let sync = start(&payee, enrolled, &shutdown).await;
    let status = sync.run().await.expect("runs");
    assert_eq!(status.reachable, Some(false));
    tried_in_vain(port).await;

    let _server = Server::start(&tls, port, honest(&bank)).await;

    let hash = pairs[0].hash();
    eventually("the claim is credited", || async {
        payee
            .wallet
            .journal()
            .view(|book| book.incoming_by_hash(&hash).expect("held").claim == Some(CREDITED))
    })
    .await;
    shutdown.join().await.expect("stops");
}

/// Waits until a server has been looked for where nobody answers, again and again.
async fn tried_in_vain(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("bound");
    for _ in 0..2 {
        let (connection, _) = listener.accept().await.expect("tried");
        drop(connection);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_without_the_server_opens_nothing() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Arc::new(Bank::new(2));
    let payer = Device::new(&bank, world.path(), "payer", Kind::WithTa).await;
    let server = Server::start(&Tls::new(), 0, honest(&bank)).await;
    let enrolled = server.enrolled(&bank);
    drop(server);
    let shutdown = Shutdown::new();
    let sync = start(&payer, enrolled, &shutdown).await;
    let deposits = payer.wallet.journal().view(|book| book.deposits().len());

    let refused = sync.deposit(amount(500)).await.expect_err("no server");

    assert!(matches!(refused, SyncError::Unreachable(_)), "{refused}");
    let after = payer.wallet.journal().view(|book| book.deposits().len());
    assert_eq!(after, deposits);
    shutdown.join().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_whose_answer_is_lost_is_finished_with_the_same_bytes() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Arc::new(Bank::new(2));
    let payer = Device::new(&bank, world.path(), "payer", Kind::WithTa).await;
    let before = payer.balance().await;
    let is_lost = Arc::new(AtomicBool::new(true));
    let (lost, clerk, honest) = (Arc::clone(&is_lost), Arc::clone(&bank), honest(&bank));
    let orders = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&orders);
    let answer: Arc<Answer> = Arc::new(move |path, body| {
        if path != "/v1/deposits" {
            return honest(path, body);
        }
        seen.lock().expect("not poisoned").push(body.to_vec());
        if lost.load(Ordering::SeqCst) {
            return (503, Vec::new());
        }
        let order: DepositOrder = decode_canonical(body).expect("an order");
        (200, clerk.grant(&order.open).to_wire())
    });
    let server = Server::start(&Tls::new(), 0, answer).await;
    let shutdown = Shutdown::new();
    let sync = start(&payer, server.enrolled(&bank), &shutdown).await;

    let deposited = sync.deposit(amount(500)).await.expect("opened");
    assert!(matches!(deposited.deposit.stage, DepositStage::Open(_)));
    let again = sync.deposit(amount(500)).await.expect_err("one at a time");
    assert!(matches!(again, SyncError::DepositPending), "{again}");
    is_lost.store(false, Ordering::SeqCst);

    eventually("the deposit is on the device", || async {
        payer.balance().await == before + 500
    })
    .await;
    let orders = orders.lock().expect("not poisoned").clone();
    assert!(orders.len() >= 2);
    assert!(orders.windows(2).all(|two| two[0] == two[1]));
    shutdown.join().await.expect("stops");
}

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);

/// A payee without a TA that was paid `count` times, offline.
async fn paid(bank: &Bank, world: &Path, count: u64) -> (Device, Vec<PaymentPair>) {
    let payer = Device::new(bank, world, "payer", Kind::WithTa).await;
    let payee = Device::new(bank, world, "payee", Kind::WithoutTa).await;
    for number in 1..=count {
        let request = payee.request(number, Mode::Announced).await;
        let last = pay(&payer, Target::Tag(request.tag)).await;
        assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    }
    let _stopped = payer.stop().await;
    let pairs = payee.incoming();

    (payee, pairs)
}

async fn start(device: &Device, enrolled: Enrolled, shutdown: &Shutdown) -> Sync {
    let enrolled = Fact::Enrolled(Box::new(enrolled));
    let journal = device.wallet.journal();
    journal.append(vec![enrolled]).await.expect("appended");
    let (_, uses_ta) = watch::channel(true);
    let hints = connectivity::watch(shutdown);

    Sync::start(device.wallet.clone(), uses_ta, hints, shutdown)
}

pub(crate) async fn run(device: &Device, enrolled: Enrolled) -> SyncRuns {
    let shutdown = Shutdown::new();
    let sync = start(device, enrolled, &shutdown).await;
    let status = sync.run().await.expect("runs");
    shutdown.join().await.expect("stops");

    status
}

/// Credits everything, as an honest server that knows everybody does.
fn honest(bank: &Arc<Bank>) -> Arc<Answer> {
    let bank = Arc::clone(bank);
    Arc::new(move |path, body| match path {
        "/healthz" => (200, Vec::new()),
        "/v1/challenge" => (200, vec![7; 32]),
        "/v1/reports" | "/v1/claims" => (200, bank.answer(batch_answer(body)).to_wire()),
        "/v1/account" => (200, bank.answer(account_answer(body)).to_wire()),
        _ => (404, Vec::new()),
    })
}

fn batch_answer(body: &[u8]) -> BatchAnswer {
    let items: Vec<_> = hashes(body)
        .into_iter()
        .map(|hash| (hash, CREDITED))
        .collect();

    BatchAnswer {
        items: List::try_from(items).expect("not too many"),
        stamp: STAMP,
    }
}

fn account_answer(body: &[u8]) -> AccountAnswer {
    let query = Signed::<ops_proto::message::AccountQuery>::decode(body).expect("a query");

    AccountAnswer {
        client: query.body().client,
        currency: "EUR".parse().expect("a currency"),
        online: Balance::ZERO,
        shadow: None,
        stamp: STAMP,
    }
}

fn hashes(body: &[u8]) -> Vec<Digest> {
    let batch: Batch = decode_canonical(body).expect("a batch");
    assert_eq!(encode(&batch), body);

    batch.pairs.iter().map(PaymentPair::hash).collect()
}
