//! A payment as it should be.

use std::time::Duration;

use kit::{Bank, Device, Kind, conserved, eventually, pay};
use ops_proto::RequestId;
use ops_proto::message::receipt::verify_receipt;
use radio::sockets::{CUT_FILE, SimAir};
use tempfile::TempDir;
use wallet::{
    Asks, FailureClass, Mode, PaymentEvent, PaymentOrder, PaymentState, Registration, RequestOrder,
    Target, WalletError,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_heard_request_is_paid_with_the_same_code_on_both_screens() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let order = PaymentOrder {
        target: Target::Tag(request.tag),
        expected: Some(request.amount),
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };

    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    let (mut code, mut paid) = (None, None);
    while let Some(event) = handle.next().await {
        match event {
            PaymentEvent::Offer(offer) => {
                assert_eq!(offer.payee.as_str(), "Ferry");
                assert_eq!(offer.amount, request.amount);
            }
            PaymentEvent::Code(shown) => code = Some(shown),
            PaymentEvent::Locked {
                memo, by_policy, ..
            } => {
                assert_eq!(memo.as_str(), "two coffees");
                assert!(!by_policy);
                let view = payee.wallet.request(request.request_id).expect("known");
                assert_eq!(view.code, code);
                assert!(handle.controls().approve(None));
            }
            PaymentEvent::Paid { payment, receipt } => paid = Some((payment, receipt)),
            PaymentEvent::Waiting
            | PaymentEvent::Searching
            | PaymentEvent::Connecting
            | PaymentEvent::Paying
            | PaymentEvent::Signed { .. } => {}
            other @ (PaymentEvent::Held { .. }
            | PaymentEvent::Arrived { .. }
            | PaymentEvent::Interrupted { .. }
            | PaymentEvent::Failed { .. }) => panic!("{other:?}"),
        }
    }

    let (payment, receipt) = paid.expect("paid");
    assert!(code.is_some());
    let view = payer.wallet.payment(&payment).expect("in the history");
    assert_eq!(view.state, PaymentState::Receipted);
    assert!(verify_receipt(&receipt, &view.pair.expect("signed").payment).is_ok());
    let view = payee.wallet.payment(&payment).expect("in the history");
    assert_eq!(view.state, PaymentState::Receipted);
    assert_eq!(view.memo, "two coffees");
    assert_eq!(payee.balance().await, 11_250);
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_request_is_paid_without_a_code_and_nobody_who_hears_it_can() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(700, Mode::Uri).await;
    let uri = request.uri.expect("a URI").parse().expect("a URI");

    assert!(matches!(
        pay(&payer, Target::Tag(request.tag)).await,
        PaymentEvent::Failed { .. }
    ));
    assert_eq!(payer.balance().await, 10_000);
    let last = pay(&payer, Target::Uri(Box::new(uri))).await;

    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_without_a_ta_signs_with_its_client_key_and_has_something_to_claim() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Kiosk", Kind::WithoutTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(300, Mode::Announced).await;

    let last = pay(&payer, Target::Tag(request.tag)).await;

    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    let status = payee.wallet.status().await;
    assert_eq!(status.registration, Registration::Client);
    assert_eq!((status.to_claim, status.to_report), (1, 1));
    assert_eq!(payer.outgoing(), payee.incoming());
    assert_eq!(payer.balance().await, 9700);
}

/// It has nobody who counts for ever, and a number stands for one request for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_payee_without_a_ta_draws_its_request_ids_at_random() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Kiosk", Kind::WithoutTa).await;

    let first = payee.request(300, Mode::Announced).await.request_id;
    let second = payee.request(300, Mode::Announced).await.request_id;

    assert!(first.0.abs_diff(second.0) > 1, "{first} {second}");
    assert!(first.0 > 1_000_000 && second.0 > 1_000_000, "not counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn payer_and_payee_of_two_providers_pay_each_other() {
    let world = TempDir::new().expect("a directory");
    let payee = Device::new(&Bank::new(5), world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&Bank::new(6), world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;

    let last = pay(&payer, Target::Tag(request.tag)).await;

    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    let providers = payee.wallet.journal().view(|book| book.providers().count());
    assert_eq!(providers, 2, "the sender's provider is kept for the claim");
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nearby_shows_name_and_amount_and_debits_nothing() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let heard = payee.request(1250, Mode::Announced).await;
    let _hidden = payee.request(999, Mode::Uri).await;

    let offers = payer
        .wallet
        .nearby(Duration::from_millis(500))
        .await
        .expect("looked");

    assert_eq!(offers.len(), 1, "{offers:?}");
    let offer = offers.first().expect("one");
    assert_eq!(
        (offer.payee.as_str(), offer.amount, offer.tag, offer.busy),
        ("Ferry", heard.amount, heard.tag, false)
    );
    assert_eq!(payer.balance().await, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_amount_than_expected_is_not_paid() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let order = PaymentOrder {
        target: Target::Tag(request.tag),
        expected: Some(kit::amount(1249)),
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };

    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    let mut last = None;
    while let Some(event) = handle.next().await {
        last = Some(event);
    }

    let Some(PaymentEvent::Failed { class, message }) = last else {
        panic!("{last:?}");
    };
    assert_eq!(class, FailureClass::NotAsExpected);
    assert!(message.contains("is not what was chosen"), "{message}");
    assert_eq!(payer.balance().await, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_declines_or_walks_away_pays_nothing_and_the_request_stays_open() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let order = || PaymentOrder {
        target: Target::Tag(request.tag),
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };

    let mut handle = payer.wallet.start_payment(order()).await.expect("started");
    let mut last = None;
    while let Some(event) = handle.next().await {
        if let PaymentEvent::Locked { .. } = event {
            assert!(handle.controls().decline());
        }
        last = Some(event);
    }
    assert!(
        matches!(
            last,
            Some(PaymentEvent::Failed {
                class: FailureClass::Declined,
                ..
            })
        ),
        "{last:?}"
    );
    let mut handle = payer.wallet.start_payment(order()).await.expect("started");
    while let Some(event) = handle.next().await {
        if let PaymentEvent::Locked { .. } = event {
            break;
        }
    }
    drop(handle);

    let last = pay(&payer, Target::Tag(request.tag)).await;
    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_paid_once_and_a_cancelled_one_not_at_all() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let cancelled = payee.request(1000, Mode::Announced).await;
    payee
        .wallet
        .cancel_request(cancelled.request_id)
        .await
        .expect("cancelled");

    let last = pay(&payer, Target::Tag(request.tag)).await;
    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    let again = pay(&payer, Target::Tag(request.tag)).await;

    let PaymentEvent::Failed { class, .. } = again else {
        panic!("{again:?}");
    };
    assert_eq!(class, FailureClass::AlreadyPaid);
    eventually("only the paid one lingers", || async {
        let seen = payer.wallet.nearby(Duration::from_millis(300)).await;
        seen.expect("looked")
            .iter()
            .all(|offer| offer.tag == request.tag && offer.busy)
    })
    .await;
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_payments_follow_each_other() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;

    for minor_units in 1..=40 {
        let request = payee.request(minor_units, Mode::Announced).await;
        let last = pay(&payer, Target::Tag(request.tag)).await;
        assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    }

    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_fits_the_smallest_mtu_and_survives_lost_frames() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let air = |mtu, loss_per_mille| SimAir {
        mtu,
        loss_per_mille,
        ..SimAir::new(world.path().join("air"))
    };
    let payee = Device::in_air(&bank, air(23, 0), world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::in_air(&bank, air(517, 0), world.path(), "Ada", Kind::WithTa).await;
    let lossy = Device::in_air(&bank, air(517, 150), world.path(), "Eve", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;

    let last = pay(&payer, Target::Tag(request.tag)).await;
    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    conserved(&payer, &payee, 20_000).await;

    let request = lossy.request(500, Mode::Announced).await;
    let mut last = pay(&payer, Target::Tag(request.tag)).await;
    while let PaymentEvent::Failed { class, .. } = last {
        assert_ne!(class, FailureClass::AlreadyPaid);
        last = pay(&payer, Target::Tag(request.tag)).await;
    }
    eventually("paid in spite of losses", || async {
        payer.receipts() == 2
    })
    .await;
    assert_eq!(lossy.balance().await, 10_500);
    assert_eq!(payer.balance().await, 10_000 - 1250 - 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn radio_silence_ends_and_the_next_payment_works_without_a_restart() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let silence = world.path().join("air").join(CUT_FILE);

    let order = PaymentOrder {
        target: Target::Tag(request.tag),
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };
    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    while let Some(event) = handle.next().await {
        match event {
            PaymentEvent::Locked { .. } => assert!(handle.controls().approve(None)),
            PaymentEvent::Paying => std::fs::write(&silence, []).expect("silenced"),
            PaymentEvent::Interrupted { .. } => break,
            PaymentEvent::Waiting
            | PaymentEvent::Searching
            | PaymentEvent::Connecting
            | PaymentEvent::Offer(_)
            | PaymentEvent::Code(_)
            | PaymentEvent::Signed { .. }
            | PaymentEvent::Paid { .. }
            | PaymentEvent::Held { .. }
            | PaymentEvent::Arrived { .. }
            | PaymentEvent::Failed { .. } => {}
        }
    }
    std::fs::remove_file(&silence).expect("heard again");

    eventually("resumed", || async { payer.receipts() == 1 }).await;
    let request = payee.request(100, Mode::Announced).await;
    let last = pay(&payer, Target::Tag(request.tag)).await;
    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_replaces_only_one_that_there_was() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let mut order = RequestOrder {
        amount: 1250.try_into().expect("an amount"),
        memo: String::new(),
        validity: None,
        mode: Mode::Announced,
        replaces: Some(RequestId(77)),
        refund_of: None,
    };

    let refused = payee.wallet.open_request(order.clone()).await;
    assert!(matches!(refused, Err(WalletError::UnknownRequest)));
    assert!(payee.wallet.requests(usize::MAX).is_empty());

    let first = payee.request(1200, Mode::Announced).await;
    order.replaces = Some(first.request_id);
    assert!(payee.wallet.open_request(order).await.is_ok());
}
