//! The server is restored from a backup: its devices tell it what it forgot, and nothing is lost.

use kit::lists::{deny_list, directory_with, tell_under};
use kit::provider::{Loss, ON_TA, ONLINE, Provider, TOTAL, go_online};
use kit::{Kind, amount, eventually, pay};
use ops_proto::message::{Remembered, RememberedItem};
use ops_proto::{PublicKey, Signed};
use sync::SyncError;
use sync::SyncRuns;
use tempfile::TempDir;
use wallet::{Mode, PaymentEvent, Target};

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_is_told_once_what_it_had_answered_and_its_books_are_whole_again() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let backup = provider.backup().await;
    let online = go_online(&device);
    let _booked = online.sync.withdraw(Some(amount(400))).await.expect("ok");
    let _granted = online.sync.deposit(amount(900)).await.expect("granted");
    online.runs().await;
    online.stop().await;
    assert_eq!(device.balance().await, 10_500);
    assert_eq!(provider.total(&device).await, TOTAL);

    provider.restore(&backup).await;
    assert_ne!(provider.total(&device).await, TOTAL);
    let online = go_online(&device);
    online.runs().await;

    assert_eq!(provider.total(&device).await, TOTAL);
    let items = told(&provider);
    assert!(matches!(
        items.first(),
        Some(RememberedItem::Certificate(_))
    ));
    let count = |is: fn(&RememberedItem) -> bool| items.iter().filter(|item| is(item)).count();
    assert_eq!(
        count(|item| matches!(item, RememberedItem::Certificate(_))),
        2
    );
    assert_eq!(count(|item| matches!(item, RememberedItem::Deposit(..))), 2);
    assert_eq!(
        count(|item| matches!(item, RememberedItem::Withdraw(..))),
        1
    );
    assert!(count(|item| matches!(item, RememberedItem::Token(..))) >= 1);
    online.runs().await;
    assert_eq!(told(&provider).len(), items.len(), "once");
    let _booked = online.sync.withdraw(Some(amount(100))).await.expect("ok");
    assert_eq!(provider.total(&device).await, TOTAL);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_is_told_again_after_a_stop_in_the_middle() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let backup = provider.backup().await;
    let online = go_online(&device);
    let _booked = online.sync.withdraw(Some(amount(400))).await.expect("ok");
    provider.lose("/v1/remembered", Loss::Request);
    provider.restore(&backup).await;
    let status = online.sync.run().await.expect("runs");
    assert_eq!(failures(&status), ["lives"]);
    online.stop().await;

    provider.lose_nothing();
    let device = device.stop().await.start().await;
    let online = go_online(&device);

    eventually("the books are whole", || async {
        let _status = online.sync.run().await.expect("runs");
        provider.total(&device).await == TOTAL
    })
    .await;
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_a_restored_server_keeps_no_other_back_and_is_shown() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let backup = provider.backup().await;
    let online = go_online(&device);
    let _granted = online.sync.deposit(amount(900)).await.expect("granted");
    let _booked = online.sync.withdraw(Some(amount(400))).await.expect("ok");
    // its status is told too, so that no chain brings the withdrawal
    online.runs().await;

    provider.break_on("/v1/remembered", |body| {
        let told = Signed::<Remembered>::decode(body).expect("what a device kept");
        let mut items = told.body().items.iter();

        items.any(|item| matches!(item, RememberedItem::Withdraw(..)))
    });
    provider.restore(&backup).await;
    let status = online.sync.run().await.expect("runs");

    assert_eq!(failures(&status), Vec::<&str>::new());
    let shown: Vec<_> = status.set_aside.iter().map(|item| &*item.item).collect();
    assert_eq!(shown, ["withdrawal i = 3"]);
    let online_account = provider.online(&device).await;
    assert_eq!(online_account, ONLINE - 900, "the deposit is told");
    provider.be_honest();
    online.runs().await;
    assert_eq!(provider.total(&device).await, TOTAL);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_and_claims_are_made_again_in_the_servers_new_life() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let payer = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let payee = provider
        .device(world.path(), "Ferry", Kind::WithoutTa)
        .await;
    let request = payee.request(1250, Mode::Announced).await;
    let paid = pay(&payer, Target::Tag(request.tag)).await;
    assert!(matches!(paid, PaymentEvent::Paid { .. }));
    let payment = payee.incoming()[0].payment.to_wire();
    let reported = || {
        let mut told = provider.asked("/v1/reports");
        told.retain(|body| body.windows(payment.len()).any(|part| part == payment));
        told.len()
    };
    let backup = provider.backup().await;
    let online = go_online(&payee);
    eventually("it is settled", || async {
        let _status = online.sync.run().await.expect("runs");
        provider.online(&payee).await == ONLINE + 1250
    })
    .await;
    online.stop().await;
    let (before, told) = (provider.asked("/v1/claims").len(), reported());

    provider.restore(&backup).await;
    assert_eq!(provider.online(&payee).await, ONLINE, "it is forgotten");
    let online = go_online(&payee);
    online.runs().await;

    assert_eq!(provider.online(&payee).await, ONLINE + 1250);
    assert_eq!(provider.asked("/v1/claims").len(), before + 1);
    assert!(reported() > told, "the report is made again too");
    online.runs().await;
    assert_eq!(provider.asked("/v1/claims").len(), before + 1, "once");
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_an_earlier_life_is_not_believed() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let (backup, earlier) = (provider.backup().await, provider.twin().await);
    provider.restore(&backup).await;
    let online = go_online(&device);
    online.runs().await;
    let account = device.wallet.journal().view(|book| book.account().cloned());

    provider.relapse(&earlier);
    let refused = online.sync.withdraw(Some(amount(400))).await;
    let status = online.sync.run().await.expect("runs");

    assert!(matches!(refused, Err(SyncError::OldLife)), "{refused:?}");
    assert_eq!(device.balance().await, ON_TA, "nothing is debited");
    assert!(failures(&status).contains(&"lives"));
    let after = device.wallet.journal().view(|book| book.account().cloned());
    assert_eq!(after, account);
    provider.answer().await;
    let _booked = online.sync.withdraw(Some(amount(400))).await.expect("ok");
    assert_eq!(provider.total(&device).await, TOTAL);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_server_kept_from_its_life_before_is_taken() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let online = go_online(&device);
    provider.lose("/v1/withdrawals", Loss::Answer);
    let _open = online.sync.withdraw(Some(amount(400))).await.expect("open");

    let backup = provider.backup().await;
    provider.restore(&backup).await;
    provider.lose_nothing();
    online.runs().await;

    let is_open = device
        .wallet
        .journal()
        .view(|book| book.withdrawals_open().next().is_some());
    assert!(!is_open, "or it would wait for ever");
    assert_eq!(provider.online(&device).await, ONLINE + 400, "once");
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_is_told_whom_it_had_revoked_and_no_other_providers_list() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let thief = provider.device(world.path(), "Mallory", Kind::WithTa).await;
    let stolen = thief
        .wallet
        .journal()
        .view(|book| book.ta().map(|ta| ta.key));
    let mut root = provider.root();
    let others = vec![
        directory_with(&mut root, 6),
        deny_list(6, 2, &[PublicKey([8; 32])]),
    ];
    tell_under(root.public_key(), &device, others).await;
    let backup = provider.backup().await;
    provider.revoke(&stolen.expect("a TA")).await;
    let online = go_online(&device);
    online.runs().await;
    let enrolled = provider.enrolled().await;
    let own = device
        .wallet
        .lists()
        .pieces(enrolled.provider.body().provider);
    assert!(!own.is_empty(), "the device has heard of it");

    provider.restore(&backup).await;
    online.runs().await;

    let lists: Vec<_> = told(&provider)
        .into_iter()
        .filter_map(|item| match item {
            RememberedItem::DenyList(piece) => Some(piece),
            RememberedItem::Certificate(_)
            | RememberedItem::Deposit(..)
            | RememberedItem::Withdraw(..)
            | RememberedItem::Token(..)
            | RememberedItem::Retire(..) => None,
        })
        .collect();
    assert_eq!(lists, own);
    let account = provider.account(&thief).await;
    assert_eq!(account.tas[0].standing, "suspended", "it is revoked again");
    online.stop().await;
}

/// Returns what devices handed in after a restore.
fn told(provider: &Provider) -> Vec<RememberedItem> {
    let messages = provider.asked("/v1/remembered").into_iter();

    messages
        .flat_map(|body| {
            let told = Signed::<Remembered>::decode(&body).expect("what a device kept");
            told.body().items.to_vec()
        })
        .collect()
}

fn failures(status: &SyncRuns) -> Vec<&str> {
    let failed = status.parts.iter().filter(|part| part.outcome.is_err());

    failed.map(|part| part.part).collect()
}
