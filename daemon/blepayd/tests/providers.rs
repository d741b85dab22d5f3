//! Two providers under one root: their wallets pay each other offline, and people see whose is whose.

use kit::{Bank, Device, Kind, conserved};
use ops_proto::ProviderId;
use tempfile::TempDir;
use wallet::{Asks, Mode, PaymentEvent, PaymentOrder, Target};

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_of_one_provider_pays_a_payee_of_another_offline_both_ways() {
    let world = TempDir::new().expect("a directory");
    let (ferry_bank, campus_bank) = (Bank::new(5), Bank::new(6));
    let ferry = Device::new(&ferry_bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&campus_bank, world.path(), "Ada", Kind::WithTa).await;

    let offer = pay(&ada, &ferry, 1250, Mode::Announced).await;
    assert_eq!(
        offer,
        ("Ferry".to_owned(), "Bank 5".to_owned(), ProviderId([5; 16]))
    );
    conserved(&ada, &ferry, 20_000).await;
    let offer = pay(&ferry, &ada, 300, Mode::Uri).await;
    assert_eq!(
        offer,
        ("Ada".to_owned(), "Bank 6".to_owned(), ProviderId([6; 16]))
    );

    // what a claim, a report or a mailbox needs is kept: the other provider's certificate
    for (device, other) in [(&ferry, ada.outgoing()), (&ada, ferry.outgoing())] {
        let sender = other.first().expect("one").payment.body().sender.clone();
        let known = device
            .wallet
            .journal()
            .view(|book| book.provider_of(sender.body()).cloned());
        let known = known.expect("the provider's certificate");
        assert_eq!(known.body().provider, sender.body().provider);
    }
    let nearby = ferry.request(1, Mode::Announced).await;
    let heard = ada
        .wallet
        .nearby(std::time::Duration::from_millis(500))
        .await
        .expect("a radio");
    let shown = heard.iter().find(|offer| offer.tag == nearby.tag);
    assert_eq!(shown.expect("heard").provider.as_str(), "Bank 5");
}

/// Pays and returns what the person was shown.
async fn pay(
    payer: &Device,
    payee: &Device,
    minor_units: u64,
    mode: Mode,
) -> (String, String, ProviderId) {
    let asked = payee.request(minor_units, mode).await;
    let target = match &asked.uri {
        Some(uri) => Target::Uri(Box::new(uri.parse().expect("a URI"))),
        None => Target::Tag(asked.tag),
    };
    let order = PaymentOrder {
        target,
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };
    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    let controls = handle.controls();
    let (mut shown, mut last) = (None, None);
    while let Some(event) = handle.next().await {
        if let PaymentEvent::Offer(offer) = &event {
            let (payee, provider) = (offer.payee.to_string(), offer.provider.to_string());
            shown = Some((payee, provider, offer.provider_id));
        }
        if let PaymentEvent::Locked { .. } = event {
            assert!(controls.approve(None));
        }
        last = Some(event);
    }
    assert!(matches!(last, Some(PaymentEvent::Paid { .. })), "{last:?}");

    shown.expect("an offer")
}
