//! Deny-lists between devices: a revocation reaches who is never online, stops what is new, and
//! touches nothing that is under way.

use ble_proto::gossip::GossipItem;
use kit::lists::{deny_list, directory, full_piece, tell};
use kit::provider::enrol;
use kit::server::{Server, Tls, told};
use kit::{Bank, Device, Kind, amount, conserved, eventually, pay};
use ops_proto::PublicKey;
use ops_proto::list::List;
use ops_proto::message::{ListsQuery, ListsUpdate, ProviderStanding};
use ops_proto::signed::{decode_canonical, encode};
use radio::sockets::SimAir;
use tempfile::TempDir;
use wallet::{Asks, FailureClass, Mode, PaymentEvent, PaymentOrder, RequestOrder, Target};
use wallet::{Wallet, WalletError};

const LIVE: &[(u8, ProviderStanding)] = &[(5, ProviderStanding::Live)];

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_a_device_by_gossip_alone_and_stops_both_directions() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let mallory = Device::new(&bank, world.path(), "Mallory", Kind::WithTa).await;
    let list = deny_list(5, 3, &[ta(&mallory)]);
    tell(&ferry, vec![directory(1, LIVE), list]).await;

    let asked = ferry.request(1250, Mode::Announced).await;
    let paid = pay(&ada, Target::Tag(asked.tag)).await;
    assert!(matches!(paid, PaymentEvent::Paid { .. }), "{paid:?}");
    eventually("the lists are here", async || {
        ada.wallet.lists().holding() == ferry.wallet.lists().holding()
    })
    .await;

    let asked = mallory.request(100, Mode::Announced).await;
    let refused = pay(&ada, Target::Tag(asked.tag)).await;
    let PaymentEvent::Failed { class, message } = refused else {
        unreachable!("{refused:?}");
    };
    assert_eq!(class, FailureClass::Untrusted);
    assert!(message.contains("do not pay Mallory"), "{message}");

    let asked = ada.request(100, Mode::Announced).await;
    let refused = pay(&mallory, Target::Tag(asked.tag)).await;
    let PaymentEvent::Failed { class, message } = refused else {
        unreachable!("{refused:?}");
    };
    assert_eq!(class, FailureClass::RefusedByPayee);
    assert!(message.contains("revoked"), "{message}");
    assert_eq!(mallory.balance().await, 10_000, "nothing was debited");
    conserved(&ada, &ferry, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_passes_on_what_the_payee_lacks_and_a_request_states_it() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    tell(&ada, vec![directory(1, LIVE), deny_list(5, 1, &[])]).await;
    tell(&ferry, vec![directory(2, LIVE)]).await;

    let asked = ferry.request(1250, Mode::Announced).await;
    let paid = pay(&ada, Target::Tag(asked.tag)).await;

    assert!(matches!(paid, PaymentEvent::Paid { .. }), "{paid:?}");
    eventually("both hold the newest", async || {
        ada.wallet.lists().holding() == ferry.wallet.lists().holding()
    })
    .await;
    let asked = ferry.request(100, Mode::Announced).await;
    let stated = ferry.wallet.journal().view(|book| {
        let request = book.requests().find_map(|request| {
            let issued = request.issued.as_ref()?.body();
            (issued.request_id == asked.request_id).then(|| issued.lists_held.clone())
        });
        request.expect("issued")
    });
    assert_eq!(stated.root.number, 2);
    assert_eq!(stated.providers.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_wallet_begins_nothing_new_and_still_collects_what_is_under_way() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let mallory = Device::new(&bank, world.path(), "Mallory", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let before = mallory.request(1250, Mode::Announced).await;
    let list = deny_list(5, 1, &[ta(&mallory)]);
    tell(&mallory, vec![directory(1, LIVE), list]).await;

    let asked = open(&mallory.wallet).await;
    let order = PaymentOrder {
        target: Target::Payee(ta(&ada)),
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };
    let paying = mallory.wallet.start_payment(order).await;
    let paid = pay(&ada, Target::Tag(before.tag)).await;

    assert!(matches!(asked, Err(WalletError::Revoked(_))), "{asked:?}");
    assert!(matches!(paying, Err(WalletError::Revoked(_))));
    assert!(matches!(paid, PaymentEvent::Paid { .. }), "{paid:?}");
    conserved(&ada, &mallory, 20_000).await;
    assert!(mallory.wallet.revoked().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_smallest_mtu_a_list_arrives_over_some_visits_and_every_payment_is_paid() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let air = SimAir {
        mtu: 23,
        ..SimAir::new(world.path().join("air"))
    };
    let ferry = Device::in_air(&bank, air.clone(), world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::in_air(&bank, air, world.path(), "Ada", Kind::WithTa).await;
    let pieces = (0..3).map(|piece| full_piece(5, 1, piece, 3));
    let items = std::iter::once(directory(1, LIVE)).chain(pieces).collect();
    tell(&ferry, items).await;

    let mut visits = 0;
    while ada.wallet.lists().holding() != ferry.wallet.lists().holding() {
        let asked = ferry.request(10, Mode::Announced).await;
        let paid = pay(&ada, Target::Tag(asked.tag)).await;
        assert!(matches!(paid, PaymentEvent::Paid { .. }), "{paid:?}");
        visits += 1;
        assert!(visits <= 6, "a visit carries something");
    }

    assert!(
        visits > 1,
        "a slow link carries no more than the limits name"
    );
    conserved(&ada, &ferry, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_survive_a_restart() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    tell(
        &ada,
        vec![directory(1, LIVE), deny_list(5, 1, &[PublicKey([9; 32])])],
    )
    .await;
    let held = ada.wallet.lists().holding();

    let ada = ada.stop().await.start().await;

    assert_eq!(ada.wallet.lists().holding(), held);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_asks_for_lists_until_there_are_no_more_and_believes_none_that_break_the_rules() {
    let world = TempDir::new().expect("a directory");
    let bank = Bank::new(5);
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let server = Server::start(&Tls::new(), 0, told(lists)).await;
    let online = enrol(&ada, server.enrolled(&bank)).await;

    let status = online.sync.run().await.expect("runs");
    online.stop().await;

    let part = status.parts.iter().find(|part| part.part == "lists");
    let part = part.expect("it ran");
    assert!(matches!(part.outcome, Ok(3)), "{part:?}");
    let holding = ada.wallet.lists().holding();
    assert_eq!(holding.directory.number, 1);
    assert_eq!(holding.lists.len(), 2);

    let forged = told(|path, body| match path {
        "/v1/lists" => {
            let update = update(vec![directory(9, LIVE)], vec![deny_list(7, 1, &[])], false);
            (200, update)
        }
        _ => lists(path, body),
    });
    let liar = Server::start(&Tls::new(), 0, forged).await;
    let online = enrol(&ada, liar.enrolled(&bank)).await;
    let status = online.sync.run().await.expect("runs");
    online.stop().await;
    let part = status.parts.iter().find(|part| part.part == "lists");
    assert!(part.expect("it ran").outcome.is_err());
}

/// Answers with the lists of two banks, one in each answer.
fn lists(path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    match path {
        "/healthz" => (200, Vec::new()),
        "/v1/lists" => {
            let query: ListsQuery = decode_canonical(body).expect("a query");
            let both = &[(5, ProviderStanding::Live), (6, ProviderStanding::Live)];
            let answer = match query.after {
                None => update(vec![directory(1, both)], vec![deny_list(5, 1, &[])], true),
                Some(_) => update(vec![], vec![deny_list(6, 1, &[])], false),
            };
            (200, answer)
        }
        _ => (404, Vec::new()),
    }
}

fn update(directory: Vec<GossipItem>, pieces: Vec<GossipItem>, more: bool) -> Vec<u8> {
    let mut update = ListsUpdate {
        directory: None,
        pieces: List::empty(),
        more,
    };
    let mut all = Vec::new();
    for item in directory.into_iter().chain(pieces) {
        match item {
            GossipItem::Directory(directory) => update.directory = Some(*directory),
            GossipItem::Piece(piece) => all.push(*piece),
        }
    }
    update.pieces = all.try_into().expect("few");

    encode(&update)
}

async fn open(wallet: &Wallet) -> Result<(), WalletError> {
    let order = RequestOrder {
        amount: amount(100),
        memo: String::new(),
        validity: None,
        mode: Mode::Announced,
        replaces: None,
        refund_of: None,
    };

    wallet.open_request(order).await.map(|_opened| ())
}

fn ta(device: &Device) -> PublicKey {
    device
        .wallet
        .journal()
        .view(|book| Some(book.ta()?.key))
        .expect("a TA")
}
