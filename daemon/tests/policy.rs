//! Promise 5: the payer pays what was approved, to whom was approved; no policy for a stranger.

use blepayd::wallet::{Mode, PaymentEvent, PaymentOrder, Target};
use tempfile::TempDir;

use crate::kit::{Bank, Device, Kind, amount, conserved};

#[tokio::test(flavor = "multi_thread")]
async fn a_named_payee_is_paid_without_a_person_up_to_its_daily_sum_across_restarts() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let key = payee
        .wallet
        .journal()
        .view(|book| Some(book.ta()?.key))
        .expect("a TA");
    payer
        .wallet
        .approve_payee(key, "Ferry".parse().expect("a name"), amount(2000))
        .await
        .expect("named");
    payee.request(1250, Mode::Announced).await;

    let first = follow(&payer, Target::Payee(key)).await;
    let payer = payer.stop().await.start().await;
    let second = payee.request(1250, Mode::Announced).await;
    let beyond = follow(&payer, Target::Tag(second.tag)).await;

    assert!(
        matches!(first.last(), Some(PaymentEvent::Paid { .. })),
        "{first:?}"
    );
    assert!(
        matches!(
            beyond.last(),
            Some(PaymentEvent::Locked {
                by_policy: false,
                ..
            })
        ),
        "{beyond:?}"
    );
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_payee_is_paid_again_and_again_while_its_paid_requests_still_show() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let stranger = Device::new(&bank, world.path(), "Stranger", Kind::WithTa).await;
    stranger.request(1, Mode::Announced).await;
    let key = payee
        .wallet
        .journal()
        .view(|book| Some(book.ta()?.key))
        .expect("a TA");
    payer
        .wallet
        .approve_payee(key, "Ferry".parse().expect("a name"), amount(2000))
        .await
        .expect("named");

    for _ in 0..5 {
        payee.request(100, Mode::Announced).await;
        let events = follow(&payer, Target::Payee(key)).await;
        assert!(
            matches!(events.last(), Some(PaymentEvent::Paid { .. })),
            "{events:?}"
        );
    }

    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_that_is_merely_heard_is_never_paid_by_policy() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Pickpocket", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1, Mode::Announced).await;

    let events = follow(&payer, Target::Tag(request.tag)).await;

    assert!(
        matches!(
            events.last(),
            Some(PaymentEvent::Locked {
                by_policy: false,
                ..
            })
        ),
        "{events:?}"
    );
    assert_eq!(payer.balance().await, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_uri_is_paid_by_policy_under_the_daily_sum_of_scans() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let uri = |request: blepayd::wallet::OpenedRequest| {
        let uri = request.uri.expect("a URI").parse().expect("a URI");
        Target::Uri(Box::new(uri))
    };
    let (small, large) = (
        payee.request(4000, Mode::Uri).await,
        payee.request(1001, Mode::Uri).await,
    );

    let first = follow(&payer, uri(small)).await;
    let beyond = follow(&payer, uri(large)).await;

    assert!(
        matches!(first.last(), Some(PaymentEvent::Paid { .. })),
        "{first:?}"
    );
    assert!(
        matches!(
            beyond.last(),
            Some(PaymentEvent::Locked {
                by_policy: false,
                ..
            })
        ),
        "{beyond:?}"
    );
    conserved(&payer, &payee, 20_000).await;
}

/// Follows a payment that nobody approves; ends where a person is asked.
async fn follow(payer: &Device, target: Target) -> Vec<PaymentEvent> {
    let order = PaymentOrder {
        target,
        expected: None,
        policy: true,
    };
    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    let mut events = Vec::new();
    while let Some(event) = handle.next().await {
        let asked = matches!(
            event,
            PaymentEvent::Locked {
                by_policy: false,
                ..
            }
        );
        events.push(event);
        if asked {
            break;
        }
    }

    events
}
