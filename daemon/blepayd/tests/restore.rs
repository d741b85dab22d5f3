//! The server is restored from a backup: its devices tell it what it forgot, and nothing is lost.

use std::sync::Arc;

use ble_proto::gossip::GossipItem;
use kit::lists::{deny_list, directory, tell};
use kit::provider::{Loss, ONLINE, Provider, enrol, go_online};
use kit::{Bank, Device, Kind, amount, eventually, pay};
use ops_proto::PublicKey;
use ops_proto::message::{ProviderStanding, RememberedItem};
use sync::SyncError;
use sync::SyncRuns;
use tempfile::TempDir;
use wallet::{Mode, PaymentEvent, Target};

const TOTAL: u64 = ONLINE + 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_is_told_once_what_it_had_answered_and_its_books_are_whole_again() {
    let (bank, world) = (Arc::new(Bank::new(5)), TempDir::new().expect("a directory"));
    let device = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let provider = Provider::new(&bank);
    let server = provider.serve().await;
    let online = enrol(&device, &server, &bank).await;
    let _status = online.sync.run().await.expect("runs");
    let backup = provider.books();
    let _booked = online.sync.withdraw(Some(amount(400))).await.expect("ok");
    let _granted = online.sync.deposit(amount(900)).await.expect("granted");
    let _status = online.sync.run().await.expect("runs");
    assert_eq!(device.balance().await, 10_500);

    provider.restore(&backup);
    assert_ne!(provider.outside() + device.balance().await, TOTAL);
    let status = online.sync.run().await.expect("runs");

    assert_eq!(failures(&status), Vec::<&str>::new());
    assert_eq!(provider.outside() + device.balance().await, TOTAL);
    let told = provider.told();
    assert!(matches!(told.first(), Some(RememberedItem::Certificate(_))));
    let count = |is: fn(&RememberedItem) -> bool| told.iter().filter(|item| is(item)).count();
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
    let _again = online.sync.run().await.expect("runs");
    assert_eq!(provider.told().len(), told.len(), "once");
    let _booked = online.sync.withdraw(Some(amount(100))).await.expect("ok");
    assert_eq!(provider.outside() + device.balance().await, TOTAL);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_is_told_again_after_a_stop_in_the_middle() {
    let (bank, world) = (Arc::new(Bank::new(5)), TempDir::new().expect("a directory"));
    let device = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let provider = Provider::new(&bank);
    let server = provider.serve().await;
    let online = enrol(&device, &server, &bank).await;
    let _status = online.sync.run().await.expect("runs");
    let backup = provider.books();
    let _booked = online.sync.withdraw(Some(amount(400))).await.expect("ok");
    provider.restore(&backup);
    provider.lose("/v1/remembered", Loss::Request);
    let status = online.sync.run().await.expect("runs");
    assert_eq!(failures(&status), ["lives"]);
    online.stop().await;

    provider.lose_nothing();
    let device = device.stop().await.start().await;
    let online = go_online(&device);

    eventually("the books are whole", || async {
        let _status = online.sync.run().await.expect("runs");
        provider.outside() + device.balance().await == TOTAL
    })
    .await;
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_a_restored_server_keeps_no_other_back_and_is_shown() {
    let (bank, world) = (Arc::new(Bank::new(5)), TempDir::new().expect("a directory"));
    let device = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let provider = Provider::new(&bank);
    let server = provider.serve().await;
    let online = enrol(&device, &server, &bank).await;
    let _status = online.sync.run().await.expect("runs");
    let backup = provider.books();
    let _booked = online.sync.withdraw(Some(amount(400))).await.expect("ok");
    let _granted = online.sync.deposit(amount(900)).await.expect("granted");

    provider.restore(&backup);
    provider.breaks_on_withdrawals(true);
    let status = online.sync.run().await.expect("runs");

    assert_eq!(failures(&status), Vec::<&str>::new());
    let shown: Vec<_> = status.set_aside.iter().map(|item| &*item.item).collect();
    assert_eq!(shown, ["withdrawal i = 2"]);
    assert_eq!(provider.books().online, ONLINE - 900, "the deposit is told");
    provider.breaks_on_withdrawals(false);
    let _status = online.sync.run().await.expect("runs");
    assert_eq!(provider.outside() + device.balance().await, TOTAL);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_and_claims_are_made_again_in_the_servers_new_life() {
    let (bank, world) = (Arc::new(Bank::new(5)), TempDir::new().expect("a directory"));
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithoutTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let paid = pay(&payer, Target::Tag(request.tag)).await;
    assert!(matches!(paid, PaymentEvent::Paid { .. }));
    let hash = payee.incoming()[0].hash();
    let provider = Provider::new(&bank);
    let server = provider.serve().await;
    let online = enrol(&payee, &server, &bank).await;
    let backup = provider.books();
    eventually("it is settled", || async {
        let _status = online.sync.run().await.expect("runs");
        provider.books().states.contains_key(&hash)
    })
    .await;
    let before = provider.asked("/v1/claims").len();
    let payment = payee.incoming()[0].payment.to_wire();
    let reported = || {
        let mut told = provider.asked("/v1/reports");
        told.retain(|body| body.windows(payment.len()).any(|part| part == payment));
        told.len()
    };
    let told = reported();

    provider.restore(&backup);
    assert!(!provider.books().states.contains_key(&hash));
    let _status = online.sync.run().await.expect("runs");

    assert!(provider.books().states.contains_key(&hash));
    assert_eq!(provider.asked("/v1/claims").len(), before + 1);
    assert!(reported() > told, "the report is made again too");
    let _status = online.sync.run().await.expect("runs");
    assert_eq!(provider.asked("/v1/claims").len(), before + 1, "once");
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_an_earlier_life_is_not_believed() {
    let (bank, world) = (Arc::new(Bank::new(5)), TempDir::new().expect("a directory"));
    let device = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let provider = Provider::new(&bank);
    let server = provider.serve().await;
    let online = enrol(&device, &server, &bank).await;
    let _status = online.sync.run().await.expect("runs");
    provider.restore(&provider.books());
    let _met = online.sync.run().await.expect("runs");
    let account = device.wallet.journal().view(|book| book.account().cloned());

    provider.relapse(1);
    let refused = online.sync.withdraw(Some(amount(400))).await;
    let status = online.sync.run().await.expect("runs");

    assert!(matches!(refused, Err(SyncError::OldLife)), "{refused:?}");
    assert_eq!(device.balance().await, 10_000, "nothing is debited");
    assert!(failures(&status).contains(&"lives"));
    let after = device.wallet.journal().view(|book| book.account().cloned());
    assert_eq!(after, account);
    provider.relapse(2);
    let _booked = online.sync.withdraw(Some(amount(400))).await.expect("ok");
    assert_eq!(provider.outside() + device.balance().await, TOTAL);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_server_kept_from_its_life_before_is_taken() {
    let (bank, world) = (Arc::new(Bank::new(5)), TempDir::new().expect("a directory"));
    let device = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let provider = Provider::new(&bank);
    let server = provider.serve().await;
    let online = enrol(&device, &server, &bank).await;
    let _status = online.sync.run().await.expect("runs");
    provider.lose("/v1/withdrawals", Loss::Answer);
    let _open = online.sync.withdraw(Some(amount(400))).await.expect("open");

    provider.restore(&provider.books());
    provider.lose_nothing();
    let status = online.sync.run().await.expect("runs");

    assert_eq!(failures(&status), Vec::<&str>::new());
    let is_open = device
        .wallet
        .journal()
        .view(|book| book.withdrawals_open().next().is_some());
    assert!(!is_open, "or it would wait for ever");
    assert_eq!(provider.books().online, ONLINE + 400, "once");
    online.stop().await;
}

fn failures(status: &SyncRuns) -> Vec<&str> {
    let failed = status.parts.iter().filter(|part| part.outcome.is_err());

    failed.map(|part| part.part).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_is_told_whom_it_had_revoked_and_no_other_providers_list() {
    let (bank, world) = (Arc::new(Bank::new(5)), TempDir::new().expect("a directory"));
    let device = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let live = ProviderStanding::Live;
    let (own, other) = (
        deny_list(5, 3, &[PublicKey([9; 32])]),
        deny_list(6, 2, &[PublicKey([8; 32])]),
    );
    let lists = vec![directory(1, &[(5, live), (6, live)]), own.clone(), other];
    tell(&device, lists).await;
    let provider = Provider::new(&bank);
    let server = provider.serve().await;
    let online = enrol(&device, &server, &bank).await;
    let _status = online.sync.run().await.expect("runs");
    let backup = provider.books();

    provider.restore(&backup);
    let status = online.sync.run().await.expect("runs");

    assert_eq!(failures(&status), Vec::<&str>::new());
    let told: Vec<_> = provider
        .told()
        .into_iter()
        .filter_map(|item| match item {
            RememberedItem::DenyList(piece) => Some(GossipItem::Piece(Box::new(piece))),
            RememberedItem::Certificate(_)
            | RememberedItem::Deposit(..)
            | RememberedItem::Withdraw(..)
            | RememberedItem::Token(..)
            | RememberedItem::Retire(..) => None,
        })
        .collect();
    assert_eq!(told, [own]);
    online.stop().await;
}
