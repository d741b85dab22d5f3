//! What sync promises when the server fails, lies, is not there or comes back.

use std::path::Path;

use journal::Enrolled;
use journal::book::DepositStage;
use kit::provider::{Loss, ON_TA, ONLINE, Provider, enrol, go_online};
use kit::server::Tls;
use kit::{Device, Kind, amount, eventually, pay};
use ops_proto::message::{Batch, BatchAnswer, ItemOutcome, SettlementState};
use ops_proto::signed::{decode_canonical, encode};
use ops_proto::{Digest, PaymentPair, SecretKey, Signed};
use sync::SyncError;
use tokio::net::TcpListener;
use wallet::{Mode, PaymentEvent, Target};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_breaks_the_server_never_blocks_the_rest() {
    let (provider, world) = (
        Provider::new().await,
        tempfile::tempdir().expect("a directory"),
    );
    let (payee, pairs) = paid(&provider, world.path(), 5).await;
    let poison = pairs[2].hash();
    provider.break_on("/v1/reports", move |body| hashes(body).contains(&poison));
    let online = go_online(&payee);

    let status = online.sync.run().await.expect("runs");

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
    assert_eq!(provider.online(&payee).await, ONLINE + 1 + 2 + 3 + 4 + 5);
    let shown: Vec<_> = status.set_aside.iter().map(|item| &item.item).collect();
    assert_eq!(shown, [&poison.to_string()]);
    online.stop().await;
}

/// Else payments from TA to TA stay unseen, and honest payees look like over-spenders.
#[tokio::test(flavor = "multi_thread")]
async fn every_payment_is_reported_by_both_ends_before_anything_else_in_a_run() {
    let (provider, world) = (
        Provider::new().await,
        tempfile::tempdir().expect("a directory"),
    );
    let payee = provider.device(world.path(), "Ferry", Kind::WithTa).await;
    let payer = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let last = pay(&payer, Target::Tag(request.tag)).await;
    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    let hash = payer.outgoing()[0].hash();

    for device in [&payer, &payee] {
        provider.forget_what_was_asked();
        let online = go_online(device);
        online.runs().await;
        online.stop().await;

        let told = provider.asked("/v1/reports");
        assert!(told.iter().any(|body| hashes(body).contains(&hash)));
        let asked = provider.paths();
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
    let (provider, world) = (
        Provider::new().await,
        tempfile::tempdir().expect("a directory"),
    );
    let (payee, pairs) = paid(&provider, world.path(), 1).await;
    for path in ["/v1/reports", "/v1/claims"] {
        let stranger = SecretKey::from_seed(&[99; 32]);
        provider.forge(path, move |answer| {
            let answer = Signed::<BatchAnswer>::decode(answer).expect("an answer");

            Signed::sign(answer.body().clone(), &stranger).to_wire()
        });
    }
    let online = go_online(&payee);

    let status = online.sync.run().await.expect("runs");

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
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_enrolments_anchor_is_trusted() {
    let (provider, world) = (
        Provider::new().await,
        tempfile::tempdir().expect("a directory"),
    );
    let (payee, _) = paid(&provider, world.path(), 1).await;
    provider.forget_what_was_asked();
    let enrolled = Enrolled {
        tls_anchor: Tls::new().anchor,
        ..provider.enrolled().await
    };
    let online = enrol(&payee, enrolled).await;

    let status = online.sync.run().await.expect("runs");

    assert_eq!(status.reachable, Some(false));
    assert_eq!(provider.paths(), Vec::<String>::new(), "nothing was told");
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_settles_by_itself_when_the_server_is_back() {
    let (provider, world) = (
        Provider::new().await,
        tempfile::tempdir().expect("a directory"),
    );
    let (payee, pairs) = paid(&provider, world.path(), 1).await;
    provider.go_away();
    let online = go_online(&payee);
    let status = online.sync.run().await.expect("runs");
    assert_eq!(status.reachable, Some(false));
    tried_in_vain(provider.port()).await;

    provider.come_back().await;

    let hash = pairs[0].hash();
    eventually("the claim is credited", || async {
        payee
            .wallet
            .journal()
            .view(|book| book.incoming_by_hash(&hash).expect("held").claim == Some(CREDITED))
    })
    .await;
    assert_eq!(provider.online(&payee).await, ONLINE + 1);
    online.stop().await;
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
    let (provider, world) = (
        Provider::new().await,
        tempfile::tempdir().expect("a directory"),
    );
    let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let deposits = device.wallet.journal().view(|book| book.deposits().len());
    provider.go_away();
    let online = go_online(&device);

    let refused = online.sync.deposit(amount(500)).await;

    let refused = refused.expect_err("no server");
    assert!(matches!(refused, SyncError::Unreachable(_)), "{refused}");
    let after = device.wallet.journal().view(|book| book.deposits().len());
    assert_eq!(after, deposits);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_whose_answer_is_lost_is_finished_with_the_same_bytes() {
    for loss in [Loss::Request, Loss::Answer] {
        let (provider, world) = (
            Provider::new().await,
            tempfile::tempdir().expect("a directory"),
        );
        let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
        provider.forget_what_was_asked();
        provider.lose("/v1/deposits", loss);
        let online = go_online(&device);

        let deposited = online.sync.deposit(amount(500)).await.expect("opened");
        assert!(matches!(deposited.deposit.stage, DepositStage::Open(_)));
        let again = online.sync.deposit(amount(500)).await;
        let again = again.expect_err("one at a time");
        assert!(matches!(again, SyncError::DepositPending), "{again}");
        provider.lose_nothing();

        eventually("the deposit is on the device", || async {
            device.balance().await == ON_TA + 500
        })
        .await;
        let orders = provider.asked("/v1/deposits");
        assert!(orders.len() >= 2);
        assert!(orders.windows(2).all(|two| two[0] == two[1]), "{loss:?}");
        let left = provider.online(&device).await;
        assert_eq!(left, ONLINE - 500, "granted once");
        online.stop().await;
    }
}

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);

/// A payee without a TA that was paid `count` times, offline: 0.01, 0.02 and so on.
async fn paid(provider: &Provider, world: &Path, count: u64) -> (Device, Vec<PaymentPair>) {
    let payer = provider.device(world, "Ada", Kind::WithTa).await;
    let payee = provider.device(world, "Ferry", Kind::WithoutTa).await;
    for number in 1..=count {
        let request = payee.request(number, Mode::Announced).await;
        let last = pay(&payer, Target::Tag(request.tag)).await;
        assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    }
    let _stopped = payer.stop().await;
    let pairs = payee.incoming();

    (payee, pairs)
}

fn hashes(body: &[u8]) -> Vec<Digest> {
    let batch: Batch = decode_canonical(body).expect("a batch");
    assert_eq!(encode(&batch), body);

    batch.pairs.iter().map(PaymentPair::hash).collect()
}
