//! A payment whose payee was gone reaches it through the provider, and is credited in one place.

#![expect(clippy::panic, reason = "a test fails by a panic")]

use std::path::Path;

use journal::Book;
use kit::provider::{Loss, ON_TA, ONLINE, Provider, go_online};
use kit::{Device, Kind, eventually};
use ops_proto::contract::{Command, Output};
use ops_proto::list::List;
use ops_proto::message::{ItemOutcome, MailboxAnswer, SettlementState};
use ops_proto::{PaymentPair, Signed};
use radio::sockets::SimAir;
use runtime::clock;
use tempfile::TempDir;
use wallet::{Asks, Mode, OpenedRequest, PaymentEvent, PaymentOrder, PaymentState, Target};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_payer_hands_in_for_a_payee_that_never_answered_is_collected_by_its_ta() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (payer, payee) = apart(&provider, world.path()).await;
    let request = payee.request(1250, Mode::Announced).await;
    let pair = pay_unheard(&payer, &payee, &request).await;

    let handing_in = go_online(&payer);
    eventually("it is handed in", || async {
        let _status = handing_in.sync.run().await.expect("runs");
        !provider.asked("/v1/claims").is_empty()
    })
    .await;
    let collecting = go_online(&payee);
    eventually("it is collected", || async {
        payee.balance().await == 11_250
    })
    .await;
    eventually("the payer hears where it is", || async {
        let _stated = collecting.sync.run().await.expect("runs");
        let _asked = handing_in.sync.run().await.expect("runs");
        state(&payer, &pair) == Some(PaymentState::Settled)
    })
    .await;

    assert_eq!(payer.balance().await + payee.balance().await, 20_000);
    for device in [&payer, &payee] {
        let online = provider.online(device).await;
        assert_eq!(online, ONLINE, "in one place alone");
    }
    let answer_key = payer
        .wallet
        .journal()
        .view(|book| book.answer_keys(clock::now()));
    let word = payer.wallet.journal().view(|book| {
        let word = book.settlement_of(&pair.hash());
        word.expect("the server's signed word")
    });
    assert!(word.verify(&answer_key[0]).is_ok());
    let collected = ItemOutcome::Held(SettlementState::Collected);
    assert!(word.body().items.contains(&(pair.hash(), collected)));
    handing_in.stop().await;
    collecting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_for_a_request_that_was_closed_is_credited_online_and_not_in_the_ta() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (payer, payee) = apart(&provider, world.path()).await;
    let request = payee.request(1250, Mode::Announced).await;
    let collecting = go_online(&payee);
    // the TA closes the request, and the server hears of it after the payment
    provider.lose("/v1/statuses", Loss::Request);
    provider.forget_what_was_asked();
    let cancelled = payee.wallet.cancel_request(request.request_id).await;
    cancelled.expect("cancelled");
    eventually("the TA has closed it", || async {
        let _closed = collecting.sync.run().await.expect("runs");
        !provider.asked("/v1/statuses").is_empty()
    })
    .await;
    let pair = pay_unheard(&payer, &payee, &request).await;
    provider.hand_in(std::slice::from_ref(&pair)).await;
    eventually("the payee's TA has refused it", || async {
        let _read = collecting.sync.run().await.expect("runs");
        held(&payee, &pair) && !provider.asked("/v1/claims").is_empty()
    })
    .await;
    assert_eq!(provider.online(&payee).await, ONLINE, "it may be collected");

    provider.lose_nothing();
    eventually("it is credited online", || async {
        let _stated = collecting.sync.run().await.expect("runs");
        provider.online(&payee).await == ONLINE + 1250
    })
    .await;

    assert_eq!(payee.balance().await, ON_TA);
    eventually("the payee hears so", || async {
        let _asked = collecting.sync.run().await.expect("runs");
        state(&payee, &pair) == Some(PaymentState::Settled)
    })
    .await;
    assert_eq!(provider.online(&payee).await, ONLINE + 1250, "once");
    collecting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_payer_holds_is_not_closed_though_it_was_cancelled() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let payee = provider.device(world.path(), "Ferry", Kind::WithTa).await;
    let payer = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let online = go_online(&payee);
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
    let mut last = None;
    while let Some(event) = handle.next().await {
        if matches!(event, PaymentEvent::Locked { .. }) {
            let cancelled = payee.wallet.cancel_request(request.request_id).await;
            cancelled.expect("cancelled");
            let _stated = online.sync.run().await.expect("runs");
            let _decided = controls.approve(None);
        }
        last = Some(event);
    }

    assert!(matches!(last, Some(PaymentEvent::Paid { .. })), "{last:?}");
    assert_eq!(payee.balance().await, 11_250, "its TA has collected it");
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_into_a_mailbox_is_shown_and_keeps_nothing_else_back() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (payer, payee) = apart(&provider, world.path()).await;
    let elsewhere = SimAir::new(world.path().join("yet elsewhere"));
    let other = provider
        .device_in(elsewhere, world.path(), "Bert", Kind::WithTa)
        .await;
    let strange = other.request(100, Mode::Announced).await;
    let strange = pay_unheard(&payer, &other, &strange).await;
    let mut pairs = Vec::new();
    for _ in 0..MORE_THAN_AN_ANSWER {
        let request = payee.request(1, Mode::Announced).await;
        pairs.push(pay_unheard(&payer, &payee, &request).await);
        // a till has only so many open at a time; a payment that comes is taken all the same
        let cancelled = payee.wallet.cancel_request(request.request_id).await;
        cancelled.expect("cancelled");
    }
    provider.hand_in(&pairs).await;
    let (answer_key, stray) = (provider.secret("answer"), strange.clone());
    provider.forge("/v1/mailbox", move |answer| {
        let answer = Signed::<MailboxAnswer>::decode(answer).expect("an answer");
        let mut body = answer.body().clone();
        let mut pairs = body.pairs.into_vec();
        pairs.insert(0, stray.clone());
        body.pairs = List::try_from(pairs).expect("one more than the server sends");

        Signed::sign(body, &answer_key).to_wire()
    });

    let online = go_online(&payee);
    let status = online.sync.run().await.expect("runs");

    for pair in &pairs {
        assert!(held(&payee, pair), "beyond the first answer too");
    }
    assert!(!held(&payee, &strange));
    let shown: Vec<_> = status.set_aside.iter().map(|item| &item.item).collect();
    assert_eq!(shown, [&strange.hash().to_string()]);
    online.stop().await;
}

/// More payments than the server has in one answer of a mailbox.
const MORE_THAN_AN_ANSWER: usize = 33;

/// Two devices that never hear each other.
async fn apart(provider: &Provider, world: &Path) -> (Device, Device) {
    let payee = provider.device(world, "Ferry", Kind::WithTa).await;
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
    let chain = |book: &Book| book.sender_chain().cloned();
    let payee_provider = payee.wallet.journal().view(chain).expect("registered");
    let pay = Command::Pay {
        request: issued.expect("issued"),
        payee_provider: payee_provider.provider,
        now: clock::now(),
        pin: None,
    };
    let paid = payer.wallet.ta().expect("a TA").invoke(pay).await;
    let Ok(Output::Paid(pair)) = paid else {
        panic!("{paid:?}");
    };

    pair
}

fn held(device: &Device, pair: &PaymentPair) -> bool {
    let hash = pair.hash();

    device
        .wallet
        .journal()
        .view(|book| book.incoming_by_hash(&hash).is_some())
}

fn state(device: &Device, pair: &PaymentPair) -> Option<PaymentState> {
    device.wallet.payment(&pair.hash()).map(|view| view.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_read_again_after_a_restart_without_crediting_twice() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (payer, payee) = apart(&provider, world.path()).await;
    let request = payee.request(1250, Mode::Announced).await;
    let pair = pay_unheard(&payer, &payee, &request).await;
    provider.hand_in(&[pair]).await;
    let online = go_online(&payee);
    let _read = online.sync.run().await.expect("runs");
    online.stop().await;

    let payee = payee.stop().await.start().await;
    let online = go_online(&payee);
    let _again = online.sync.run().await.expect("runs");

    eventually("it is collected", || async {
        payee.balance().await == 11_250
    })
    .await;
    let _again = online.sync.run().await.expect("runs");
    assert_eq!(payee.balance().await, 11_250);
    online.stop().await;
}
