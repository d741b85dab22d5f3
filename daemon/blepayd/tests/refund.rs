//! Refunds: who paid asks, who received pays, never more than was paid, refused otherwise by name.

use kit::provider::{Provider, go_online};
use kit::{Bank, Device, Kind, amount, pay};
use ops_proto::Digest;
use tempfile::TempDir;
use wallet::{
    FailureClass, Mode, OpenedRequest, PaymentEvent, RefundOrder, RefundRefused, RequestOrder,
    Target, WalletError,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_refunded_in_parts_and_never_beyond_its_sum() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let payment = pay_once(&ada, &ferry, 1250).await;

    // both parts are asked for before either is paid: together they are too much
    let first = ask(&ada, payment, Some(800)).await.expect("asked");
    let second = ask(&ada, payment, Some(800)).await.expect("asked");
    let paid = pay(&ferry, Target::Tag(first.tag)).await;
    let refused = pay(&ferry, Target::Tag(second.tag)).await;
    assert!(matches!(paid, PaymentEvent::Paid { .. }), "{paid:?}");
    let too_much = RefundRefused::TooMuch {
        left: 450,
        asked: 800,
        currency: "EUR".parse().expect("a currency"),
    };
    assert_refused(&refused, too_much);
    assert_eq!(
        too_much.to_string(),
        "refunds never exceed their payment: 4.50 EUR is left of it and 8.00 EUR is asked"
    );

    let third = ask(&ada, payment, Some(451)).await;
    assert!(matches!(
        third,
        Err(WalletError::Refund(RefundRefused::TooMuch {
            left: 450,
            asked: 451,
            ..
        }))
    ));
    let rest = ask(&ada, payment, None).await.expect("the rest");
    assert_eq!(rest.amount, amount(450));
    let paid = pay(&ferry, Target::Tag(rest.tag)).await;
    assert!(matches!(paid, PaymentEvent::Paid { .. }), "{paid:?}");

    for device in [&ada, &ferry] {
        assert_eq!(device.wallet.refunded(&payment), 1250);
    }
    let linked = ferry.outgoing();
    assert_eq!(linked.len(), 2);
    for pair in linked {
        assert_eq!(pair.payment.body().refund_of, Some(payment));
    }
    assert_eq!(
        (ada.balance().await, ferry.balance().await),
        (10_000, 10_000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_asked_for_by_who_paid_and_paid_by_who_received() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let eve = Device::new(&bank, world.path(), "Eve", Kind::WithTa).await;
    let payment = pay_once(&ada, &ferry, 1250).await;

    let not_hers = ask(&eve, payment, None).await;
    assert!(matches!(
        not_hers,
        Err(WalletError::Refund(RefundRefused::NotPaid))
    ));

    // a device that does not keep to the rules asks all the same
    let stolen = open(&eve, payment).await;
    let refused = pay(&ferry, Target::Tag(stolen.tag)).await;
    assert_refused(&refused, RefundRefused::OtherSender);

    let asked = ask(&ada, payment, None).await.expect("asked");
    let refused = pay(&eve, Target::Tag(asked.tag)).await;
    assert_refused(&refused, RefundRefused::NotReceived);

    assert_eq!(ferry.balance().await, 11_250);
    assert_eq!(eve.balance().await, 10_000);
}

/// The key of the original sender asks; a new TA has another.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_not_asked_for_by_a_later_ta_than_the_one_that_paid() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let ferry = provider.device(world.path(), "Ferry", Kind::WithTa).await;
    let ada = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let payment = pay_once(&ada, &ferry, 1250).await;
    let online = go_online(&ada);
    online.sync.retire().await.expect("booked");
    online.stop().await;

    let ada = ada.stop().await.with_new_ta().start().await;
    let online = go_online(&ada);
    let _registered = online.sync.run().await.expect("runs");
    let asked = ask(&ada, payment, None).await;

    assert!(
        matches!(asked, Err(WalletError::Refund(RefundRefused::OtherTa))),
        "{asked:?}"
    );
    online.stop().await;
}

async fn pay_once(payer: &Device, payee: &Device, minor_units: u64) -> Digest {
    let asked = payee.request(minor_units, Mode::Announced).await;
    let paid = pay(payer, Target::Tag(asked.tag)).await;
    let PaymentEvent::Paid { payment, .. } = paid else {
        unreachable!("{paid:?}");
    };

    payment
}

async fn ask(
    device: &Device,
    payment: Digest,
    minor_units: Option<u64>,
) -> Result<OpenedRequest, WalletError> {
    let order = RefundOrder {
        payment,
        amount: minor_units.map(amount),
        mode: Mode::Announced,
    };

    device.wallet.ask_refund(order).await
}

async fn open(device: &Device, refund_of: Digest) -> OpenedRequest {
    let order = RequestOrder {
        amount: amount(100),
        memo: String::new(),
        validity: None,
        mode: Mode::Announced,
        replaces: None,
        refund_of: Some(refund_of),
    };

    device.wallet.open_request(order).await.expect("opened")
}

fn assert_refused(event: &PaymentEvent, expected: RefundRefused) {
    let PaymentEvent::Failed { class, message } = event else {
        unreachable!("{event:?}");
    };
    assert_eq!(*class, FailureClass::Untrusted);
    assert_eq!(*message, expected.to_string());
}
