//! Collect.

use ops_proto::certificate::Limits;
use ops_proto::contract::{Command, Output, TaRefused};
use ops_proto::id::RequestId;
use ops_proto::key::SecretKey;
use ops_proto::message::receipt::verify_receipt;
use ops_proto::pay_verify::PaymentPair;
use ops_proto::signed::Signed;

use crate::world::{Bank, Device, LIMITS, NOW, YEAR_MS, amount, bound};

#[test]
fn a_payment_is_credited_once_and_the_receipt_verifies() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_250);
    let pair = payer.pay(&bank, &request).expect("it has money");

    let receipt = payee.collect(&bank, &pair).expect("the id is open");
    payee.acknowledge();
    let mark = payee.mark;
    let again = payee.collect(&bank, &pair);

    assert!(verify_receipt(&receipt, &pair.payment).is_ok());
    assert_eq!(again, Ok(receipt));
    assert_eq!(payee.mark, mark);
    assert_eq!(payee.balance(), 1_250);
    assert_eq!(payee.state().reserved, 0, "the room is used, not reserved");
}

#[test]
fn a_second_payment_for_one_request_is_claimed_online_and_never_collected() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let mut other = Device::funded(3, &bank, 5_000);
    let request = payee.request(1_250);
    let first = payer.pay(&bank, &request).expect("it has money");
    let second = other.pay(&bank, &request).expect("it has money");
    payee.collect(&bank, &first).expect("the id is open");

    assert_eq!(payee.collect(&bank, &second), Err(TaRefused::RequestClosed));
    assert_eq!(payee.balance(), 1_250);
}

#[test]
fn a_closed_id_is_never_collected() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_250);
    let pair = payer.pay(&bank, &request).expect("it has money");

    payee
        .open_status(&[RequestId(1)], 1)
        .expect("it is certified");

    assert_eq!(payee.collect(&bank, &pair), Err(TaRefused::RequestClosed));
    assert_eq!(payee.balance(), 0);
}

#[test]
fn collect_refuses_nothing_for_time_or_limits() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_250);
    let pair = payer.pay(&bank, &request).expect("it has money");
    let status = payee.open_status(&[], 1).expect("it is certified");
    let token = bank.token(&status, NOW.saturating_add_ms(10 * YEAR_MS));
    payee.ask(Command::Sync { token }).expect("it fits");

    let stopped = payee.request_with(Device::terms(1));
    assert_eq!(stopped, Err(TaRefused::Time), "new requests are stopped");
    assert!(payee.collect(&bank, &pair).is_ok());
    assert!(payee.open_deposit(1).is_ok());
    assert!(payee.open_status(&[], 2).is_ok());
}

#[test]
fn collect_takes_what_was_reserved_though_the_limits_fell_below_it() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_250);
    let pair = payer.pay(&bank, &request).expect("it has money");
    let smaller = Limits {
        balance_max: amount(1_000),
        collected_total: bound(1_000),
        ..LIMITS()
    };
    let stricter = Bank::with_limits(1, smaller);
    payee
        .certify(&stricter, 2)
        .expect("it is the same provider");

    let beyond = payee.request_with(Device::terms(1));
    assert_eq!(beyond, Err(TaRefused::OfflineLimit));
    assert!(payee.collect(&bank, &pair).is_ok());
    assert_eq!(payee.balance(), 1_250);
}

#[test]
fn a_payment_for_another_ta_is_refused() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let mut other = Device::certified(3, &bank);
    other.request(1_250);
    let request = payee.request(1_250);
    let pair = payer.pay(&bank, &request).expect("it has money");

    assert_eq!(other.collect(&bank, &pair), Err(TaRefused::OtherReceiver));
}

#[test]
fn a_payment_that_does_not_verify_is_refused_and_the_id_stays_open() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_250);
    let good = payer.pay(&bank, &request).expect("it has money");
    let other_request = payee.request(1_250);

    let forged = Signed::sign(good.payment.body().clone(), &SecretKey::from_seed(&[6; 32]));
    let less = {
        let mut body = good.payment.body().clone();
        body.amount = ops_proto::amount::Amount::try_from(1_249).expect("in range");
        Signed::sign(body, &SecretKey::from_seed(&[6; 32]))
    };
    for payment in [forged, less] {
        let pair = PaymentPair {
            payment,
            request: request.clone(),
        };
        assert_eq!(payee.collect(&bank, &pair), Err(TaRefused::PayVerify));
    }
    let crossed = PaymentPair {
        payment: good.payment.clone(),
        request: other_request,
    };
    assert_eq!(payee.collect(&bank, &crossed), Err(TaRefused::PayVerify));
    let other_bank = Bank::new(2);
    let strange = payee.ask(Command::Collect {
        pair: good.clone(),
        sender_provider: other_bank.certificate,
    });
    assert_eq!(strange, Err(TaRefused::PayVerify));

    assert_eq!(payee.balance(), 0);
    assert!(payee.collect(&bank, &good).is_ok());
}

#[test]
fn a_certificate_renewed_meanwhile_does_not_lose_the_payment() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_250);
    let pair = payer.pay(&bank, &request).expect("it has money");

    assert_eq!(payee.certify(&bank, 2), Ok(Output::Certified));

    assert!(payee.collect(&bank, &pair).is_ok());
}

fn payer_and_payee() -> (Bank, Device, Device) {
    let bank = Bank::new(1);
    let payer = Device::funded(1, &bank, 5_000);
    let payee = Device::certified(2, &bank);

    (bank, payer, payee)
}
