//! Promise 5: the payer pays what was approved, to whom was approved; no policy for a stranger.

use std::time::Duration;

use ble_proto::gatt::RequestTag;
use journal::{ApprovedBy, Fact, Found, Journal, JournalError, PayIntent};
use kit::{Bank, Device, Kind, amount, conserved};
use ops_proto::key::SecretKey;
use ops_proto::message::{
    CertificateChain, ListsHeld, NoiseKey, Payment, Receiver, RequestPayment, memo_hash,
};
use ops_proto::statement::{ChainEnd, Moves};
use ops_proto::time::Validity;
use ops_proto::{PaymentPair, RequestId, Signed, Time};
use tempfile::TempDir;
use wallet::{Asks, Mode, PaymentEvent, PaymentOrder, Target};

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
    let uri = |request: wallet::OpenedRequest| {
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

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_before_the_offer_was_shown_counts_for_nothing() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let key = payee
        .wallet
        .journal()
        .view(|book| Some(book.ta()?.key))
        .expect("a TA");
    let order = PaymentOrder {
        target: Target::Payee(key),
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };

    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    let _unseen = handle.controls().approve(None);
    payee.request(1250, Mode::Announced).await;

    let mut events = Vec::new();
    while let Some(event) = handle.next().await {
        if let PaymentEvent::Locked { .. } = event {
            // long enough for a payment that needs no person
            let more = tokio::time::timeout(Duration::from_secs(1), handle.next()).await;
            assert!(more.is_err(), "the person is still asked: {more:?}");
            assert!(handle.controls().decline());
        }
        events.push(event);
    }
    assert!(
        events
            .iter()
            .any(|event| matches!(event, PaymentEvent::Locked { .. })),
        "{events:?}"
    );
    assert_eq!(payer.balance().await, 10_000);
}

/// Follows a payment that nobody approves; ends where a person is asked.
async fn follow(payer: &Device, target: Target) -> Vec<PaymentEvent> {
    let order = PaymentOrder {
        target,
        expected: None,
        asks: Asks::UnlessPolicy,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
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

/// Promise 5: a number stands for one request of its payee, for ever.
#[tokio::test]
async fn a_payee_that_uses_a_number_again_for_another_request_is_not_paid() {
    let (bank, dir) = (Bank::new(5), TempDir::new().expect("a directory"));
    let journal = Journal::open(dir.path()).expect("opened");
    let payee = SecretKey::from_seed(&[77; 32]);
    let chain = bank.certify_client(payee.public_key(), "Named");
    let (bait, real) = (ask(&chain, &payee, 1), ask(&chain, &payee, 1000));
    let abandoned = Fact::PayAbandoned {
        payee: payee.public_key(),
        request_id: RequestId(7),
        refused: None,
    };

    let begun = journal.append(vec![intend(&chain, &bait), abandoned]).await;
    let again = journal.append(vec![intend(&chain, &real)]).await;
    let both = journal
        .append(vec![intend(&chain, &bait), intend(&chain, &real)])
        .await;

    assert!(begun.is_ok(), "{begun:?}");
    assert_eq!(again, Err(JournalError::Contradiction));
    assert_eq!(both, Err(JournalError::Contradiction));
    journal.view(|book| {
        assert!(book.knows_otherwise(&real));
        assert!(!book.knows_otherwise(&bait), "the same may be tried again");
        assert!(book.contradictions().is_empty(), "nothing was written");
    });
    let tried_again = journal.append(vec![intend(&chain, &bait)]).await;
    assert!(tried_again.is_ok(), "{tried_again:?}");
}

#[tokio::test]
async fn the_book_shows_what_the_ta_signed_whatever_was_intended() {
    let (bank, dir) = (Bank::new(5), TempDir::new().expect("a directory"));
    let journal = Journal::open(dir.path()).expect("opened");
    let payee = SecretKey::from_seed(&[77; 32]);
    let chain = bank.certify_client(payee.public_key(), "Named");
    let (bait, real) = (ask(&chain, &payee, 1), ask(&chain, &payee, 1000));
    let payer = SecretKey::from_seed(&[78; 32]);
    let body = real.body();
    let payment = Signed::sign(
        Payment {
            sender: bank.certify_ta(payer.public_key(), "Ada").leaf,
            position: ChainEnd::START.next(Moves::J),
            amount: body.amount,
            currency: body.currency,
            receiver: Receiver::of(body),
            request_id: body.request_id,
            request_hash: real.hash(),
            refund_of: None,
        },
        &payer,
    );
    let pair = PaymentPair {
        payment,
        request: real,
    };
    let signed = Fact::PaymentSigned {
        pair: Box::new(pair.clone()),
        payee_provider: chain.provider.clone(),
    };
    let appended = journal.append(vec![intend(&chain, &bait), signed]).await;

    assert!(appended.is_ok(), "{appended:?}");
    journal.view(|book| {
        let paid = book.outgoing_by_hash(&pair.hash()).expect("known");
        assert_eq!(paid.amount(), amount(1000));
        assert_eq!(paid.request, pair.request);
    });
}

fn intend(chain: &CertificateChain, request: &Signed<RequestPayment>) -> Fact {
    Fact::PayIntent(Box::new(PayIntent {
        request: request.clone(),
        payee_provider: chain.provider.clone(),
        memo: "".parse().expect("a memo"),
        approved_by: ApprovedBy::Policy,
        found: Found::Heard(RequestTag([1; 6])),
    }))
}

fn ask(chain: &CertificateChain, payee: &SecretKey, minor: u64) -> Signed<RequestPayment> {
    let body = RequestPayment {
        payee: chain.leaf.clone(),
        request_id: RequestId(7),
        amount: amount(minor),
        currency: chain.leaf.body().currency,
        noise_key: NoiseKey([9; 32]),
        memo_hash: memo_hash(&[0; 16], ""),
        issued: Time::from_ms(1),
        validity: Validity::try_from(1000).expect("a validity"),
        lists_held: ListsHeld::default(),
        replaces: None,
        refund_of: None,
    };

    Signed::sign(body, payee)
}
