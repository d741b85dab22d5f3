//! `PayVerify` and the receipt: every rule, broken by itself.

use ops_proto::certificate::{Certificate, ChainRefused, Kind};
use ops_proto::message::receipt::{ReceiptRefused, verify_receipt};
use ops_proto::message::{Payment, RequestPayment};
use ops_proto::pay_verify::{PayVerifyRefused, verify_request};
use ops_proto::{Currency, PaymentPair, SecretKey, Signed, pay_verify};

use crate::kit::{NOW, World, amount, changed, digest, euro};

fn verify(world: &World, pair: &PaymentPair) -> Option<PayVerifyRefused> {
    pay_verify(
        &world.root.public_key(),
        pair,
        &world.provider,
        &world.provider,
    )
    .err()
}

/// Signs a changed payment with the payer's own key and says how it is refused.
fn refusal(change: impl FnOnce(&mut Payment)) -> Option<PayVerifyRefused> {
    let world = World::new();
    let mut payment = world.payment_body();
    change(&mut payment);

    verify(&world, &world.pair_of(payment))
}

/// Changes the request, and lets the payment follow it in every field that names it.
fn request_refusal(change: impl FnOnce(&mut RequestPayment)) -> Option<PayVerifyRefused> {
    let world = World::new();
    let request = changed(&world.request(), &world.payee_ta, change);
    let mut payment = world.payment_body();
    payment.request_hash = request.hash();
    payment.amount = request.body().amount;
    payment.currency = request.body().currency;
    let pair = PaymentPair {
        payment: Signed::sign(payment, &world.payer_ta),
        request,
    };

    verify(&world, &pair)
}

#[test]
fn a_payment_that_pays_its_request_verifies() {
    assert_eq!(refusal(|_| {}), None);
}

#[test]
fn each_way_in_which_a_payment_does_not_pay_its_request_is_refused_by_name() {
    let other = SecretKey::from_seed(&[99; 32]).public_key();

    assert_eq!(
        refusal(|p| p.amount = amount(1249)),
        Some(PayVerifyRefused::OtherAmount)
    );
    assert_eq!(
        refusal(|p| p.amount = amount(1251)),
        Some(PayVerifyRefused::OtherAmount)
    );
    assert_eq!(
        refusal(|p| p.receiver.key = other),
        Some(PayVerifyRefused::OtherReceiver)
    );
    assert_eq!(
        refusal(|p| p.receiver.kind = Kind::Client),
        Some(PayVerifyRefused::OtherReceiver)
    );
    assert_eq!(
        refusal(|p| p.receiver.provider.0[0] ^= 1),
        Some(PayVerifyRefused::OtherReceiver)
    );
    assert_eq!(
        refusal(|p| p.request_id.0 += 1),
        Some(PayVerifyRefused::OtherRequest)
    );
    assert_eq!(
        refusal(|p| p.request_hash = digest(0)),
        Some(PayVerifyRefused::OtherRequest)
    );
    assert_eq!(
        refusal(|p| p.refund_of = Some(digest(0))),
        Some(PayVerifyRefused::OtherRefund)
    );
    assert_eq!(
        refusal(|p| p.currency = "USD".parse().expect("a code")),
        Some(PayVerifyRefused::Currency)
    );
}

#[test]
fn a_payment_in_another_currency_than_requested_is_refused_whatever_its_sender_is_certified_for() {
    let world = World::new();
    let dollars: Currency = "USD".parse().expect("a code");
    let in_dollars = |certificate: &mut Certificate| certificate.currency = dollars;
    let provider = changed(&world.provider, &world.root, in_dollars);
    let sender = changed(&world.payer_certificate, &world.certify, in_dollars);
    let refused = |currency| {
        let payment = Payment {
            sender: sender.clone(),
            currency,
            ..world.payment_body()
        };
        let pair = world.pair_of(payment);
        pay_verify(&world.root.public_key(), &pair, &provider, &world.provider).err()
    };

    // 12.50 dollars for 12.50 euros, and euros that nobody certified the sender for
    assert_eq!(refused(dollars), Some(PayVerifyRefused::Currency));
    assert_eq!(refused(euro()), Some(PayVerifyRefused::Currency));
}

#[test]
fn a_payment_of_a_client_is_refused_since_only_a_ta_pays() {
    let world = World::new();
    let mut payment = world.payment_body();
    payment.sender = world.client_certificate.clone();
    let pair = PaymentPair {
        payment: Signed::sign(payment, &world.client),
        request: world.request(),
    };

    assert_eq!(verify(&world, &pair), Some(PayVerifyRefused::SenderKind));
}

#[test]
fn a_payment_above_the_certified_limit_is_refused() {
    assert_eq!(
        request_refusal(|r| r.amount = amount(20_001)),
        Some(PayVerifyRefused::AboveSenderLimit)
    );
    assert_eq!(request_refusal(|r| r.amount = amount(20_000)), None);
}

#[test]
fn chains_are_judged_when_the_request_was_issued() {
    let world = World::new();
    let after = world
        .payer_certificate
        .body()
        .not_after
        .saturating_add_ms(1);
    let refused = request_refusal(|r| r.issued = after);
    assert_eq!(
        refused,
        Some(PayVerifyRefused::PayeeChain(ChainRefused::LeafNotValidAt(
            after
        )))
    );

    let early = changed(&world.payer_certificate, &world.certify, |c| {
        c.not_after = NOW.saturating_sub_ms(1)
    });
    assert_eq!(
        refusal(|p| p.sender = early),
        Some(PayVerifyRefused::SenderChain(ChainRefused::LeafNotValidAt(
            NOW
        )))
    );
}

#[test]
fn payments_and_requests_signed_by_others_are_refused() {
    let world = World::new();
    let stranger = SecretKey::from_seed(&[99; 32]);

    let mut pair = world.pair();
    pair.payment = changed(&pair.payment, &stranger, |_| {});
    assert_eq!(
        verify(&world, &pair),
        Some(PayVerifyRefused::PaymentSignature)
    );

    let request = changed(&world.request(), &stranger, |_| {});
    let refused = verify_request(&world.root.public_key(), &request, &world.provider).err();
    assert_eq!(refused, Some(PayVerifyRefused::RequestSignature));
}

#[test]
fn a_receipt_counts_for_its_payment_and_receiver_only() {
    let world = World::new();
    let payment = world.pair().payment;
    assert!(verify_receipt(&world.receipt(), &payment).is_ok());

    let other = changed(&payment, &world.payer_ta, |p| p.position.j = 2);
    assert_eq!(
        verify_receipt(&world.receipt(), &other).err(),
        Some(ReceiptRefused::OtherPayment)
    );

    let forged = changed(&world.receipt(), &world.payer_ta, |_| {});
    let refused = verify_receipt(&forged, &payment).err();
    assert!(matches!(refused, Some(ReceiptRefused::Signature(_))));
}
