//! Offline limits: a lower bound that warns, an upper one that refuses, both in the person's words.

use kit::{Bank, Device, Kind, amount, conserved, pay};
use ops_proto::certificate::{Bound, Limits};
use tempfile::TempDir;
use wallet::{
    Asks, FailureClass, Mode, OpenedRequest, PaymentEvent, PaymentOrder, Target, WalletError,
    warnings,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_wallet_warns_before_the_last_offline_payment_and_refuses_the_one_after() {
    let world = TempDir::new().expect("a directory");
    let bank = Bank::with_limits(5, two_payments());
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    assert_eq!(texts(&ada).await, Vec::<String>::new());

    pay_once(&ada, &ferry).await;
    let after_one = texts(&ada).await;
    pay_once(&ada, &ferry).await;
    let after_two = texts(&ada).await;
    let asked = ferry.request(100, Mode::Announced).await;
    let third = pay(&ada, Target::Tag(asked.tag)).await;

    assert_eq!(
        after_one,
        ["1 of 2 payments since the last sync: go online soon, blepay sync starts anew"]
    );
    assert_eq!(
        after_two,
        [
            "2 of 2 payments since the last sync: the next one is refused until blepay sync has run \
          online"
        ]
    );
    let PaymentEvent::Failed { class, message } = third else {
        unreachable!("{third:?}");
    };
    assert_eq!(class, FailureClass::RefusedByTa);
    assert_eq!(
        message,
        "2 payments since the last sync, and no more offline; go online, then blepay sync"
    );
    assert_eq!(ada.balance().await, 9800);
    conserved(&ada, &ferry, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_device_does_not_hold_is_told_before_the_payee_or_a_person_is_asked() {
    let world = TempDir::new().expect("a directory");
    let bank = Bank::with_limits(5, two_payments());
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let scanned = ferry.request(15_000, Mode::Uri).await;
    let heard = ferry.request(15_000, Mode::Announced).await;
    let why = "the device holds 100.00 EUR and 150.00 EUR is asked; blepay deposit moves more onto it, online";

    let refused = ada.wallet.start_payment(order(of_uri(&scanned))).await;
    let begun = ada.wallet.start_payment(order(Target::Tag(heard.tag)));
    let mut handle = begun.await.expect("begun");
    let mut events = Vec::new();
    while let Some(event) = handle.next().await {
        events.push(event);
    }

    let Err(WalletError::Limit { sentence, .. }) = refused else {
        unreachable!("{refused:?}");
    };
    assert_eq!(sentence, why);
    let Some(PaymentEvent::Failed { class, message }) = events.last() else {
        unreachable!("{events:?}");
    };
    assert_eq!((*class, message.as_str()), (FailureClass::RefusedByTa, why));
    let is_asked = |event: &PaymentEvent| matches!(event, PaymentEvent::Locked { .. });
    assert!(!events.iter().any(is_asked), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pays_an_own_request_hears_so_at_once() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let scanned = ada.request(100, Mode::Uri).await;
    let heard = ada.request(100, Mode::Announced).await;

    for target in [of_uri(&scanned), Target::Tag(heard.tag)] {
        let refused = ada.wallet.start_payment(order(target)).await;

        assert!(
            matches!(refused, Err(WalletError::OwnRequest)),
            "{refused:?}"
        );
    }
}

fn of_uri(opened: &OpenedRequest) -> Target {
    let uri = opened.uri.as_ref().expect("a URI");

    Target::Uri(Box::new(uri.parse().expect("a URI")))
}

const fn order(target: Target) -> PaymentOrder {
    PaymentOrder {
        target,
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    }
}

async fn pay_once(payer: &Device, payee: &Device) {
    let asked = payee.request(100, Mode::Announced).await;
    let paid = pay(payer, Target::Tag(asked.tag)).await;
    assert!(matches!(paid, PaymentEvent::Paid { .. }), "{paid:?}");
}

async fn texts(device: &Device) -> Vec<String> {
    let state = device.wallet.status().await.ta_state.expect("a TA");

    warnings(&state)
        .into_iter()
        .map(|warning| warning.text)
        .collect()
}

fn two_payments() -> Limits {
    let wide = Bound {
        warn: 1000,
        refuse: 1000,
    };
    let sum = Bound {
        warn: 1_000_000,
        refuse: 1_000_000,
    };

    Limits {
        balance_max: amount(1_000_000),
        payment_max: amount(100_000),
        paid_count: Bound { warn: 1, refuse: 2 },
        paid_total: sum,
        collected_count: wide,
        collected_total: sum,
    }
}
