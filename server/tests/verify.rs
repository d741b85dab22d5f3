//! PayVerify at the server: what does not pay its request is credited nowhere, and leaves no row.

use blepay_server::admin::audit;
use ops_proto::certificate::{Certificate, Kind, Role};
use ops_proto::id::{ProviderId, RequestId};
use ops_proto::list::List;
use ops_proto::message::{
    Batch, BatchAnswer, ItemOutcome, ItemRefused, Payment, RequestPayment, SettlementState,
};
use ops_proto::signed::encode;
use ops_proto::{Digest, PaymentPair, SecretKey, Signed, Time};

use super::realm::{Realm, secret};
use super::world::{Device, World, amount, now};

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);
const NOT_PAID: ItemOutcome = ItemOutcome::Refused(ItemRefused::PayVerify);
const HOUR_MS: u64 = 3600 * 1000;

/// Everything that a claim could have left behind. An account of a registered client that has nothing in it
/// says nothing.
async fn rows(world: &World) -> String {
    let audit = audit(world.data.path()).await.unwrap();
    assert!(audit.balanced, "{audit:?}");
    let counts = (audit.entries, audit.answers, audit.statements);

    format!("{counts:?} {:?}", world.ledger().await)
}

/// What is wrong with a payment, and what makes it so.
type Change<'c> = (&'static str, &'c dyn Fn(&mut Payment));

/// Pays a request with a payment that the TA signed and that is not quite what an honest one makes.
fn pay_wrongly(
    payer: &Device,
    request: &Signed<RequestPayment>,
    change: impl FnOnce(&mut Payment),
) -> PaymentPair {
    let mut body = payer.clone().pay(request).payment.body().clone();
    change(&mut body);

    PaymentPair {
        payment: Signed::sign(body, &payer.ta()),
        request: request.clone(),
    }
}

/// Returns a certificate with other content, signed by the key that certifies.
fn certify_again(
    world: &World,
    certificate: &Signed<Certificate>,
    change: impl FnOnce(&mut Certificate),
) -> Signed<Certificate> {
    let mut body = certificate.body().clone();
    change(&mut body);

    Signed::sign(body, &secret(world, "certify"))
}

fn valid_between(not_before: Time, not_after: Time) -> impl FnOnce(&mut Certificate) {
    move |body| {
        body.not_before = not_before;
        body.not_after = not_after;
    }
}

#[tokio::test]
async fn a_payment_that_does_not_pay_its_request_is_credited_nowhere() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    let thief = world.client("Thief").await;
    world.load(&mut alice, 1_000).await;
    let request = shop.client_request(100);
    let changes: [Change<'_>; 9] = [
        ("less than was asked", &|p| p.amount = amount(99)),
        ("more than was asked", &|p| p.amount = amount(101)),
        ("another currency", &|p| {
            p.currency = "CHF".parse().unwrap();
        }),
        ("another receiver", &|p| {
            p.receiver.key = thief.client_key();
        }),
        ("another kind of receiver", &|p| {
            p.receiver.kind = Kind::Ta;
        }),
        ("a receiver elsewhere", &|p| {
            p.receiver.provider = ProviderId([9; 16]);
        }),
        ("another request's id", &|p| p.request_id = RequestId(7)),
        ("another request's hash", &|p| {
            p.request_hash = Digest::ZERO;
        }),
        ("a refund that was not asked for", &|p| {
            p.refund_of = Some(Digest::ZERO);
        }),
    ];
    let before = rows(&world).await;

    for (what, change) in changes {
        let pair = pay_wrongly(&alice, &request, change);
        assert_eq!(world.claim(&pair).await, NOT_PAID, "{what}");
        assert_eq!(world.report(&pair).await, NOT_PAID, "{what}");
    }

    assert_eq!(rows(&world).await, before);
    assert_eq!(world.view(&alice).await.tas[0].standing, "live");
    assert_eq!(world.claim(&alice.pay(&request)).await, CREDITED);
    assert_eq!(world.online(&shop).await, 100);
}

#[tokio::test]
async fn a_pair_that_either_side_did_not_sign_is_credited_nowhere() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let request = shop.client_request(100);
    let body = request.body().clone();
    let stranger = SecretKey::from_seed(&[3; 32]);
    let forged_request = Signed::sign(body.clone(), &stranger);
    let honest = alice.clone().pay(&request);
    let forged_payment = PaymentPair {
        payment: Signed::sign(honest.payment.body().clone(), &stranger),
        request: request.clone(),
    };
    // The owner's own key is not the TA's either.
    let by_the_owner = PaymentPair {
        payment: Signed::sign(honest.payment.body().clone(), &alice.client()),
        request: request.clone(),
    };
    let before = rows(&world).await;

    let outcomes = world
        .batch(
            "/v1/claims",
            &[
                alice.clone().pay(&forged_request),
                forged_payment,
                by_the_owner,
            ],
        )
        .await;

    assert_eq!(outcomes, [NOT_PAID, NOT_PAID, NOT_PAID]);
    assert_eq!(rows(&world).await, before);
    assert_eq!(world.claim(&honest).await, CREDITED);
}

#[tokio::test]
async fn a_sender_whose_certificates_do_not_reach_the_root_pays_nobody() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let genuine = alice.ta_certificate.clone().unwrap();
    let mut by_a_ta = genuine.body().clone();
    by_a_ta.issuer = alice.ta_key().id();
    let certificates = [
        // Signed by a TA, by nobody the root knows, and by the provider's key that answers.
        Signed::sign(by_a_ta, &alice.ta()),
        Signed::sign(genuine.body().clone(), &SecretKey::from_seed(&[4; 32])),
        Signed::sign(genuine.body().clone(), &secret(&world, "answer")),
        // A provider under a provider, a client, another currency, another provider's id.
        certify_again(&world, &genuine, |body| {
            body.role = world.provider.body().role.clone();
        }),
        certify_again(&world, &genuine, |body| body.role = Role::Client),
        certify_again(&world, &genuine, |body| {
            body.currency = "CHF".parse().unwrap();
        }),
        certify_again(&world, &genuine, |body| body.provider = ProviderId([9; 16])),
    ];
    let before = rows(&world).await;

    for (number, certificate) in certificates.into_iter().enumerate() {
        let mut forger = alice.clone();
        forger.ta_certificate = Some(certificate);
        let pair = forger.pay(&shop.client_request(100));
        assert_eq!(world.claim(&pair).await, NOT_PAID, "{number}");
    }
    // All of it in a currency that is not the provider's.
    let mut forger = alice.clone();
    let mut payee = shop.clone();
    for certificate in [&mut forger.ta_certificate, &mut payee.client_certificate] {
        let francs = certify_again(&world, certificate.as_ref().unwrap(), |body| {
            body.currency = "CHF".parse().unwrap();
        });
        *certificate = Some(francs);
    }
    let pair = forger.pay(&payee.client_request(100));
    assert_eq!(world.claim(&pair).await, NOT_PAID);

    assert_eq!(rows(&world).await, before);
    assert_eq!(world.online(&shop).await, 0);
}

#[tokio::test]
async fn more_than_the_sender_may_pay_at_once_is_credited_nowhere() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 100_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 90_000).await;
    let Role::Ta { limits } = alice.ta_certificate.as_ref().unwrap().body().role else {
        panic!("a TA's certificate");
    };
    let most = limits.payment_max.minor_units();

    let beyond = alice.clone().pay(&shop.client_request(most + 1));
    let within = alice.pay(&shop.client_request(most));

    assert_eq!(world.claim(&beyond).await, NOT_PAID);
    assert_eq!(world.claim(&within).await, CREDITED);
    assert_eq!(world.online(&shop).await, most);
}

#[tokio::test]
async fn time_never_burns_a_payment_that_was_good_when_it_was_asked_for() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let ago = |hours: u64| now().saturating_sub_ms(hours * HOUR_MS);
    // The certificates of both ended an hour ago.
    let mut payer = alice.clone();
    let certificate = alice.ta_certificate.clone().unwrap();
    let ended = certify_again(&world, &certificate, valid_between(ago(10), ago(1)));
    payer.ta_certificate = Some(ended);
    let certificate = shop.client_certificate.clone().unwrap();
    let ended = certify_again(&world, &certificate, valid_between(ago(10), ago(1)));
    let request = |issued: Time, payee: &Signed<Certificate>| {
        let mut body = shop.client_request(100).body().clone();
        body.payee = payee.clone();
        body.issued = issued;

        Signed::sign(body, &shop.client())
    };
    let still_valid = shop.client_certificate.clone().unwrap();
    let before = rows(&world).await;

    // Asked for before the certificates began, and after they had ended.
    for (issued, payee) in [
        (ago(11), &ended),
        (now(), &ended),
        (now(), &still_valid),
        (ago(11), &still_valid),
    ] {
        let pair = payer.clone().pay(&request(issued, payee));
        assert_eq!(world.claim(&pair).await, NOT_PAID);
    }
    assert_eq!(rows(&world).await, before);

    let good = payer.pay(&request(ago(2), &ended));
    assert_eq!(world.claim(&good).await, CREDITED);
    assert_eq!(world.online(&shop).await, 100);
    world.check().await;
}

#[tokio::test]
async fn a_claim_for_a_receiver_that_is_not_registered_leaves_no_row() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let registered = world.client("Registered").await;
    world.load(&mut alice, 1_000).await;
    let mut shop = Device::new("Shop");
    let certificate = registered.client_certificate.clone().unwrap();
    shop.client_certificate = Some(certify_again(&world, &certificate, |body| {
        body.subject = shop.client_key();
    }));
    let pair = alice.pay(&shop.client_request(100));
    let before = rows(&world).await;

    let refused = ItemOutcome::Refused(ItemRefused::ReceiverUnknown);
    assert_eq!(world.claim(&pair).await, refused);
    assert_eq!(world.report(&pair).await, refused);
    assert_eq!(rows(&world).await, before);

    // Nothing stands in its way once the receiver is known.
    shop.register_client(&world).await.unwrap();
    assert_eq!(world.claim(&pair).await, CREDITED);
    assert_eq!(world.online(&shop).await, 100);
    world.check().await;
}

#[tokio::test]
async fn a_claim_of_a_sender_that_is_not_registered_leaves_no_row() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let mut nobody = Device::new("Nobody");
    let certificate = alice.ta_certificate.clone().unwrap();
    nobody.ta_certificate = Some(certify_again(&world, &certificate, |body| {
        body.subject = nobody.ta_key();
    }));
    let unknown = nobody.pay(&shop.client_request(100));
    let before = rows(&world).await;

    let refused = ItemOutcome::Refused(ItemRefused::SenderUnknown);
    assert_eq!(world.claim(&unknown).await, refused);

    assert_eq!(rows(&world).await, before);
    let good = alice.pay(&shop.client_request(100));
    let outcomes = world.batch("/v1/claims", &[unknown, good]).await;
    assert_eq!(outcomes, [refused, CREDITED]);
    assert_eq!(world.online(&shop).await, 100);
}

#[tokio::test]
async fn a_payment_between_two_of_another_provider_leaves_no_row() {
    let realm = Realm::new(10_000).await;
    let mut alice = realm.bank.device("Alice", 1_000).await;
    let kiosk = realm.bank.client("Kiosk").await;
    realm.bank.load(&mut alice, 1_000).await;
    let pair = alice.pay(&kiosk.client_request(100));
    let batch = Batch {
        providers: List::try_from(vec![realm.bank.provider.clone()]).unwrap(),
        pairs: List::try_from(vec![pair.clone()]).unwrap(),
    };
    let before = rows(&realm.shop).await;

    let bytes = realm.shop.post("/v1/claims", encode(&batch)).await.unwrap();

    let answer = Signed::<BatchAnswer>::decode(&bytes).unwrap();
    let refused = ItemOutcome::Refused(ItemRefused::SenderUnknown);
    assert_eq!(answer.body().items[0].1, refused);
    assert_eq!(rows(&realm.shop).await, before);
    assert_eq!(realm.bank.claim(&pair).await, CREDITED);
}
