//! What the local API promises whoever calls it.

use std::os::unix::fs::PermissionsExt as _;

use api_types::client::{Client, ClientError};
use api_types::{
    EndState, Event, Payment, PaymentState, Request, RequestState, Retirement, Status, TaCondition,
    Withdrawal, WithdrawalState,
};
use kit::provider::{Provider, TOTAL};
use kit::server::Tls;
use kit::{Bank, Kind, Till, eventually};
use ops_proto::certificate::Role;
use ops_proto::enrolment::Enrolment;
use ops_proto::money::words;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_what_to_do_and_changes_nothing() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Bank::new(2);
    let till = Till::open(&bank, world.path(), "till", Kind::WithTa).await;
    let before = till.book();

    for (path, body) in malformed() {
        let refused = till.post(path, &body).await.expect_err("malformed");
        assert!(
            !refused.code.is_empty() && !refused.hint.is_empty(),
            "{refused:?}"
        );
    }
    for path in [
        "/v1/nothing",
        "/v1/payments/ff",
        "/v1/payments/p9/events",
        "/v1/requests/0",
        "/v1/requests/-1",
        "/v1/requests/99999999999999999999",
        "/v1/nearby?seconds=0",
        "/v1/nearby?seconds=61",
        "/v1/nearby?minutes=1",
        "/v1/payments?limit=-1",
    ] {
        let refused = till.client.get::<Value>(path).await.expect_err("refused");
        let body = refused.body();
        assert!(
            !body.code.is_empty() && !body.hint.is_empty(),
            "{path}: {body:?}"
        );
    }

    assert!(till.book() == before, "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_that_is_merely_heard_is_not_paid_without_a_person() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Bank::new(2);
    let payer = Till::open(&bank, world.path(), "payer", Kind::WithTa).await;
    let payee = Till::open(&bank, world.path(), "payee", Kind::WithTa).await;
    let order = json!({"amount": eur(1250), "memo": "coffee"});
    let _request: Request = payee
        .client
        .post("/v1/requests", &order)
        .await
        .expect("open");
    let tag = payer.hear().await;

    let ended = payer.pay(&json!({"tag": tag, "approve": true})).await;

    assert_eq!(ended.state, PaymentState::Failed, "{ended:?}");
    assert!(ended.reason.expect("a reason").contains("policy"));
    assert_eq!(payer.device.balance().await, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_seen_nobody_approves() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Bank::new(2);
    let payer = Till::open(&bank, world.path(), "payer", Kind::WithTa).await;
    let order = json!({"tag": "010203040506"});
    let begun: Payment = payer
        .client
        .post("/v1/payments", &order)
        .await
        .expect("begun");

    let path = format!("/v1/payments/{}/approve", begun.id);
    let refused = payer.post(&path, &json!({})).await.expect_err("refused");

    assert_eq!(refused.code, "not-yet", "{refused:?}");
    let path = format!("/v1/payments/{}/decline", begun.id);
    payer.post(&path, &json!({})).await.expect("declined");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_following_a_payment_before_it_is_approved_has_declined_it() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Bank::new(2);
    let payer = Till::open(&bank, world.path(), "payer", Kind::WithTa).await;
    let payee = Till::open(&bank, world.path(), "payee", Kind::WithTa).await;
    let order = json!({"amount": eur(1250)});
    let request: Request = payee
        .client
        .post("/v1/requests", &order)
        .await
        .expect("open");
    let order = json!({"tag": payer.hear().await});
    let begun: Payment = payer
        .client
        .post("/v1/payments", &order)
        .await
        .expect("begun");
    let path = format!("/v1/payments/{}", begun.id);
    // whoever asks whether there are events follows nothing
    let mut asked = UnixStream::connect(&payer.socket).await.expect("connected");
    let head = format!("HEAD {path}/events HTTP/1.1\r\nhost: blepay\r\nconnection: close\r\n\r\n");
    asked.write_all(head.as_bytes()).await.expect("asked");
    let mut answer = String::new();
    asked.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut events = payer
        .client
        .events(&format!("{path}/events"))
        .await
        .expect("followed");
    let mut state = begun.state;
    while state != PaymentState::AwaitsApproval {
        let event = events.next().await.expect("events");
        let Some(Event::Payment { payment }) = event else {
            panic!("it ends before it is to be approved: {state:?}");
        };
        state = payment.state;
    }

    drop(events);

    eventually("it is declined", || async {
        let payment: Payment = payer.client.get(&path).await.expect("shown");
        payment.state == PaymentState::Declined
    })
    .await;
    let path = format!("/v1/requests/{}", request.id);
    eventually("the payee is free", || async {
        let request: Request = payee.client.get(&path).await.expect("shown");
        request.state == RequestState::Open
    })
    .await;
    assert_eq!(payer.device.balance().await, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_payee_is_paid_and_the_receipt_is_there() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Bank::new(2);
    let payer = Till::open(&bank, world.path(), "payer", Kind::WithTa).await;
    let payee = Till::open(&bank, world.path(), "payee", Kind::WithoutTa).await;
    let order = json!({"amount": eur(1250), "by_uri": true});
    let request: Request = payee
        .client
        .post("/v1/requests", &order)
        .await
        .expect("open");
    let uri = request.uri.expect("a URI");

    let other = payer
        .pay(&json!({"uri": uri, "approve": true, "amount": eur(1249)}))
        .await;
    let ended = payer
        .pay(&json!({"uri": uri, "approve": true, "amount": eur(1250)}))
        .await;

    assert_eq!(
        other.state,
        PaymentState::Failed,
        "another amount: {other:?}"
    );
    assert_eq!(ended.state, PaymentState::Received, "{ended:?}");
    let path = format!("/v1/payments/{}", &ended.id[..8]);
    let shown: Payment = payer.client.get(&path).await.expect("by its beginning");
    assert_eq!((shown.id, shown.receipt_verified), (ended.id, true));
    assert_eq!(payer.device.balance().await, 8_750);
    let paid: Vec<Payment> = payee.client.get("/v1/payments").await.expect("listed");
    assert_eq!(paid.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_may_pay_is_opened_with_a_warning_that_has_both_sums() {
    let world = tempfile::tempdir().expect("a directory");
    let bank = Bank::new(2);
    let till = Till::open(&bank, world.path(), "till", Kind::WithoutTa).await;
    let certificate = bank.enrolled().provider;
    let Role::Provider { limits_max, .. } = &certificate.body().role else {
        unreachable!("a provider's");
    };
    let most = limits_max.payment_max.minor_units();
    let open = async |minor_units: u64| {
        let order = json!({"amount": {"minor_units": minor_units, "currency": "EUR"}});
        let opened: Request = till
            .client
            .post("/v1/requests", &order)
            .await
            .expect("open");
        opened.warning
    };

    let (within, beyond) = (open(most).await, open(most + 1).await);

    assert_eq!(within, None);
    let warning = beyond.expect("a warning");
    let eur = "EUR".parse().expect("a currency");
    for sum in [words(most, eur), words(most + 1, eur)] {
        assert!(warning.contains(&sum), "{warning}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_has_one_provider_and_enrolling_again_is_no_harm() {
    let world = tempfile::tempdir().expect("a directory");
    let (bank, other) = (Bank::new(2), Bank::new(3));
    let till = Till::open(&bank, world.path(), "till", Kind::WithoutTa).await;
    let tls = Tls::new();
    let order = |bank: &Bank, url: &str, name: &str| {
        let provider = bank.enrolled().provider;
        let anchor = tls.anchor.clone();
        let enrolment = Enrolment::new(url.to_owned(), anchor, &bank.root(), &provider);
        json!({"enrolment": enrolment, "name": name, "with_ta": false})
    };
    let here = "https://127.0.0.1:1";

    for wrong in [
        order(&other, here, "till"),
        order(&bank, here, "another name"),
        order(&bank, "http://127.0.0.1:1", "till"),
        order(&bank, here, "till\u{202e}"),
        json!({"enrolment": {"version": 2}, "name": "till"}),
    ] {
        let before = till.book();
        let refused = till.post("/v1/init", &wrong).await.expect_err("refused");
        assert!(!refused.hint.is_empty());
        assert!(till.book() == before, "{refused:?}");
    }
    let again = order(&bank, here, "till");
    let status = till.client.post("/v1/init", &again);
    let status: Status = status.await.expect("the same again");

    assert_eq!(status.identity.expect("enrolled").name, "till");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_for_its_user_and_group_alone() {
    let world = tempfile::tempdir().expect("a directory");
    let till = Till::open(&Bank::new(2), world.path(), "till", Kind::WithoutTa).await;

    let mode = std::fs::metadata(&till.socket)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let nowhere = Client::new(world.path().join("nowhere"));
    let refused = nowhere
        .get::<Status>("/v1/status")
        .await
        .expect_err("nobody");
    assert!(matches!(refused, ClientError::NoDaemon { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_withdrawn_and_a_ta_retires_with_its_requests_hidden() {
    let world = tempfile::tempdir().expect("a directory");
    let provider = Provider::new().await;
    let till = Till::registered(&provider, world.path(), "till", Kind::WithTa).await;
    let order = json!({"amount": eur(1250)});
    let request: Request = till
        .client
        .post("/v1/requests", &order)
        .await
        .expect("open");
    let status: Status = till.client.get("/v1/status").await.expect("status");
    let ta = status.ta.key.expect("a TA");
    let recovery = till.post("/v1/recovery", &json!({"ta": ta})).await;
    assert_eq!(recovery.expect_err("it works").code, "ta-works");

    let withdrawn = till
        .post("/v1/withdrawals", &json!({"amount": eur(400)}))
        .await;
    let withdrawn: Withdrawal = serde_json::from_value(withdrawn.expect("debited")).expect("one");
    assert_eq!(withdrawn.state, WithdrawalState::Booked);
    let listed: Vec<Withdrawal> = till.client.get("/v1/withdrawals").await.expect("listed");
    assert_eq!(listed, [withdrawn]);
    let retired = till.post("/v1/retirement", &json!({})).await;
    let retired: Retirement = serde_json::from_value(retired.expect("retired")).expect("one");

    assert_eq!(retired.state, EndState::Booked);
    assert_eq!(retired.paid.map(|paid| paid.minor_units), Some(9600));
    let path = format!("/v1/requests/{}", request.id);
    let hidden: Request = till.client.get(&path).await.expect("shown");
    assert_eq!(hidden.state, RequestState::Cancelled);
    let status: Status = till.client.get("/v1/status").await.expect("status");
    assert_eq!(status.ta.state, TaCondition::Retired);
    assert_eq!(provider.online(&till.device).await, TOTAL);
}

fn eur(minor_units: i64) -> Value {
    json!({"minor_units": minor_units, "currency": "EUR"})
}

/// Orders that cannot be meant, or not here.
fn malformed() -> Vec<(&'static str, Value)> {
    let too_much = json!({"minor_units": u64::MAX, "currency": "EUR"});
    let mut orders = Vec::new();
    for amount in [
        eur(0),
        eur(-1250),
        too_much,
        json!({"minor_units": 12.5, "currency": "EUR"}),
        json!({"minor_units": "1250", "currency": "EUR"}),
        json!({"minor_units": 1250, "currency": "USD"}),
        json!({"minor_units": 1250}),
        json!("12.50"),
    ] {
        orders.push(("/v1/deposits", json!({"amount": amount})));
        orders.push(("/v1/withdrawals", json!({"amount": amount})));
        orders.push(("/v1/requests", json!({"amount": amount})));
        orders.push((
            "/v1/payments",
            json!({"tag": "000000000000", "amount": amount}),
        ));
    }
    orders.extend([
        (
            "/v1/requests",
            json!({"amount": eur(1), "memo": "x".repeat(65)}),
        ),
        (
            "/v1/requests",
            json!({"amount": eur(1), "memo": "\u{202e}"}),
        ),
        ("/v1/requests", json!({"amount": eur(1), "validity_s": 0})),
        (
            "/v1/requests",
            json!({"amount": eur(1), "validity_s": u64::MAX}),
        ),
        ("/v1/requests", json!({"amount": eur(1), "replaces": "x"})),
        ("/v1/requests", json!({"amount": eur(1), "amonut": 1})),
        ("/v1/payments", json!({})),
        ("/v1/payments", json!({"tag": "00", "payee_key": "00"})),
        ("/v1/payments", json!({"tag": "zz"})),
        ("/v1/payments", json!({"uri": "blepay:AAAA"})),
        ("/v1/payments", json!({"payee_key": "00"})),
        ("/v1/payments/p9/approve", json!({})),
        ("/v1/payments/p9/decline", json!({})),
        ("/v1/withdrawals", json!({})),
        ("/v1/withdrawals", json!({"amount": eur(1), "all": true})),
        ("/v1/recovery", json!({"ta": "00"})),
        ("/v1/recovery", json!({"ta": "00".repeat(32)})),
        ("/v1/radio", json!({"cut_at_frame": 0})),
        ("/v1/radio", json!({"cut_at_frame": -1})),
        ("/v1/status", json!({})),
        ("/v1/init", json!([])),
    ]);

    orders
}
