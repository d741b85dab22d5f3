//! Deny-lists between devices: a revocation reaches who is never online, stops what is new, and
//! touches nothing that is under way.

use blepayd::wallet::{FailureClass, Mode, OpenRequest, PaymentEvent, PaymentOrder, Target};
use blepayd::wallet::{Wallet, WalletError};
use ops_proto::PublicKey;
use ops_proto::message::ProviderStanding;
use tempfile::TempDir;

use crate::kit::lists::{deny_list, directory, tell};
use crate::kit::{Bank, Device, Kind, amount, conserved, eventually, pay};

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
        policy: false,
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

async fn open(wallet: &Wallet) -> Result<(), WalletError> {
    let order = OpenRequest {
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
