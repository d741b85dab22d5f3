//! Who was paid and never met the payer again learns from the server that the money is there.

#![expect(clippy::panic, reason = "a test fails by a panic")]

use std::path::Path;

use journal::book::RequestShown;
use kit::provider::{Loss, ON_TA, ONLINE, Provider, go_online};
use kit::{Device, Kind, eventually};
use ops_proto::contract::{Command, Output};
use ops_proto::list::List;
use ops_proto::message::{CreditedAnswer, CreditedQuery};
use ops_proto::{PaymentPair, Signed};
use radio::sockets::{CUT_FILE, SimAir};
use runtime::clock;
use tempfile::TempDir;
use wallet::{Asks, Mode, OpenedRequest, PaymentEvent, PaymentOrder, PaymentState, Target};

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_without_a_ta_learns_from_the_server_that_it_was_paid() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (payer, payee) = apart(&provider, world.path(), Kind::WithoutTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let pair = pay_unheard(&payer, &payee, &request).await;
    provider.hand_in(std::slice::from_ref(&pair)).await;
    assert_eq!(provider.online(&payee).await, ONLINE + 1250);
    assert_eq!(shown(&payee, &request), RequestShown::Open);

    let online = go_online(&payee);
    let _asked = online.runs().await;

    assert_eq!(shown(&payee, &request), RequestShown::Paid);
    eventually("it is claimed like any other", || async {
        let _claimed = online.runs().await;
        state(&payee, &pair) == Some(PaymentState::Settled)
    })
    .await;
    assert_eq!(provider.online(&payee).await, ONLINE + 1250, "once");
    online.stop().await;

    // The cursor is in the journal: what was told once is not asked for again.
    let payee = payee.stop().await.start().await;
    provider.forget_what_was_asked();
    let online = go_online(&payee);
    let _asked = online.runs().await;
    assert_eq!(payee.incoming().len(), 1);
    let asked = provider.asked("/v1/credited");
    let asked = asked.first().map(|query| {
        let query = Signed::<CreditedQuery>::decode(query).expect("a query");
        (query.body().after > 0, query.body().wanted.is_empty())
    });
    assert_eq!(asked, Some((true, true)));
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_learns_what_was_credited_for_a_request_that_its_ta_had_closed() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (payer, payee) = apart(&provider, world.path(), Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let pair = pay_unheard(&payer, &payee, &request).await;
    let online = go_online(&payee);
    let cancelled = payee.wallet.cancel_request(request.request_id).await;
    cancelled.expect("cancelled");
    eventually("the server knows that it is closed", || async {
        let _stated = online.runs().await;
        let statuses = provider.asked("/v1/statuses");
        !statuses.is_empty() && is_closed(&payee, &request)
    })
    .await;
    provider.hand_in(std::slice::from_ref(&pair)).await;
    assert_eq!(provider.online(&payee).await, ONLINE + 1250);

    eventually("the payee hears so", || async {
        let _asked = online.runs().await;
        state(&payee, &pair) == Some(PaymentState::Settled)
    })
    .await;

    assert_eq!(shown(&payee, &request), RequestShown::Paid);
    assert_eq!(payee.balance().await, ON_TA, "not in its TA too");
    assert_eq!(provider.online(&payee).await, ONLINE + 1250, "once");
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_before_that_does_not_know_the_question_is_borne() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (payer, payee) = apart(&provider, world.path(), Kind::WithoutTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let pair = pay_unheard(&payer, &payee, &request).await;
    provider.hand_in(std::slice::from_ref(&pair)).await;
    provider.lack("/v1/credited");
    let online = go_online(&payee);

    let _succeeded = online.runs().await;

    assert!(!provider.asked("/v1/credited").is_empty());
    assert_eq!(shown(&payee, &request), RequestShown::Open);
    provider.be_honest();
    let _asked = online.runs().await;
    assert_eq!(shown(&payee, &request), RequestShown::Paid);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_it_credited_is_believed_only_with_a_payment_that_verifies() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (payer, payee) = apart(&provider, world.path(), Kind::WithoutTa).await;
    let elsewhere = SimAir::new(world.path().join("yet elsewhere"));
    let other = provider
        .device_in(elsewhere, world.path(), "Bert", Kind::WithoutTa)
        .await;
    let [first, second, strange] = [
        payee.request(1, Mode::Announced).await,
        payee.request(2, Mode::Announced).await,
        other.request(3, Mode::Announced).await,
    ];
    let good = pay_unheard(&payer, &payee, &first).await;
    let hidden = pay_unheard(&payer, &payee, &second).await;
    let strange = pay_unheard(&payer, &other, &strange).await;
    provider.hand_in(&[good.clone(), hidden.clone()]).await;
    let (answer_key, stray, held_back) =
        (provider.secret("answer"), strange.clone(), hidden.hash());
    provider.forge("/v1/credited", move |answer| {
        let answer = Signed::<CreditedAnswer>::decode(answer).expect("an answer");
        let mut body = answer.body().clone();
        let mut payments = body.payments.into_vec();
        let mut pairs = body.pairs.into_vec();
        if !payments.is_empty() {
            payments.push(stray.hash());
        }
        if !pairs.is_empty() {
            pairs.retain(|pair| pair.hash() != held_back);
            pairs.insert(0, stray.clone());
        }
        body.payments = List::try_from(payments).expect("few");
        body.pairs = List::try_from(pairs).expect("few");

        Signed::sign(body, &answer_key).to_wire()
    });

    let online = go_online(&payee);
    let status = online.sync.run().await.expect("runs");

    let known = |pair: &PaymentPair| payee.incoming().contains(pair);
    assert!(known(&good), "beside what does not verify");
    assert!(!known(&hidden) && !known(&strange));
    let mut aside: Vec<_> = status.set_aside.iter().map(|item| &item.item).collect();
    aside.sort();
    let mut expected = [hidden.hash().to_string(), strange.hash().to_string()];
    expected.sort();
    assert_eq!(aside, expected.iter().collect::<Vec<_>>());
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_lost_is_made_again() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (payer, payee) = apart(&provider, world.path(), Kind::WithoutTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let pair = pay_unheard(&payer, &payee, &request).await;
    provider.hand_in(std::slice::from_ref(&pair)).await;
    provider.lose("/v1/credited", Loss::Answer);
    let online = go_online(&payee);
    let _failed = online.sync.run().await.expect("runs");
    assert_eq!(shown(&payee, &request), RequestShown::Open);

    provider.lose_nothing();
    let _asked = online.runs().await;

    assert_eq!(shown(&payee, &request), RequestShown::Paid);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_interrupted_ends_when_the_server_says_that_the_money_has_arrived() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let payee = provider
        .device(world.path(), "Ferry", Kind::WithoutTa)
        .await;
    let payer = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let order = PaymentOrder {
        target: Target::Tag(request.tag),
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };

    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    let controls = handle.controls();
    let (mut online, mut last) = (None, None);
    while let Some(event) = handle.next().await {
        if matches!(event, PaymentEvent::Locked { .. }) {
            assert!(controls.approve(None));
        }
        if matches!(event, PaymentEvent::Paying) {
            let silence = world.path().join("air").join(CUT_FILE);
            std::fs::write(silence, []).expect("silenced");
        }
        if matches!(event, PaymentEvent::Interrupted { .. }) {
            online = Some(go_online(&payer));
        }
        last = Some(event);
    }

    let Some(PaymentEvent::Arrived { payment }) = last else {
        panic!("{last:?}");
    };
    let view = payer.wallet.payment(&payment).expect("in the history");
    assert_eq!((view.state, view.receipt), (PaymentState::Settled, None));
    assert_eq!(provider.online(&payee).await, ONLINE + 1250);
    online.expect("it was interrupted").stop().await;
}

/// A payer with a TA and a payee that never hear each other.
async fn apart(provider: &Provider, world: &Path, payee: Kind) -> (Device, Device) {
    let payee = provider.device(world, "Ferry", payee).await;
    let elsewhere = SimAir::new(world.join("elsewhere"));
    let payer = provider
        .device_in(elsewhere, world, "Ada", Kind::WithTa)
        .await;

    (payer, payee)
}

/// Pays as if the link had broken after ⑤ for good.
async fn pay_unheard(payer: &Device, payee: &Device, request: &OpenedRequest) -> PaymentPair {
    let issued = payee.wallet.journal().view(|book| {
        let mut requests = book.requests().filter_map(|held| held.issued.clone());
        requests.find(|issued| issued.body().request_id == request.request_id)
    });
    let payee_provider = payee.wallet.journal().view(|book| {
        let client = book.client().and_then(|client| client.chain.as_ref());
        client.expect("registered").provider.clone()
    });
    let pay = Command::Pay {
        request: issued.expect("issued"),
        payee_provider,
        now: clock::now(),
        pin: None,
    };
    let paid = payer.wallet.ta().expect("a TA").invoke(pay).await;
    let Ok(Output::Paid(pair)) = paid else {
        panic!("{paid:?}");
    };

    pair
}

fn shown(device: &Device, request: &OpenedRequest) -> RequestShown {
    let held = device
        .wallet
        .journal()
        .view(|book| book.request_numbered(request.request_id));

    held.expect("the request").shown
}

fn is_closed(device: &Device, request: &OpenedRequest) -> bool {
    let held = device
        .wallet
        .journal()
        .view(|book| book.request_numbered(request.request_id));

    held.expect("the request").is_closed
}

fn state(device: &Device, pair: &PaymentPair) -> Option<PaymentState> {
    device.wallet.payment(&pair.hash()).map(|view| view.state)
}
