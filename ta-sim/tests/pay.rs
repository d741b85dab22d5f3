//! Pay.

use ops_proto::certificate::Certificate;
use ops_proto::contract::{Command, Pin, RequestTerms, TaRefused};
use ops_proto::id::RequestId;
use ops_proto::key::SecretKey;
use ops_proto::message::RequestPayment;
use ops_proto::pay_verify::pay_verify;
use ops_proto::signed::Signed;
use ops_proto::time::Time;

use crate::world::{Bank, Device, NOW, YEAR_MS, amount, expect_paid};

const DAY_MS: u64 = 24 * 3600 * 1000;

#[test]
fn a_payment_debits_exactly_what_was_asked_and_verifies() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_250);

    let pair = payer.pay(&bank, &request).expect("it has money");

    let verified = pay_verify(
        &bank.root_key(),
        &pair,
        &bank.certificate,
        &bank.certificate,
    );
    assert!(verified.is_ok());
    assert_eq!(pair.request, request);
    assert_eq!(payer.balance(), 5_000 - 1_250);
    assert_eq!(pair.payment.body().position.j, 1);
}

#[test]
fn the_same_request_gets_the_same_payment_and_one_debit() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_250);
    let first = payer.pay(&bank, &request).expect("it has money");
    payer.acknowledge();

    let mark = payer.mark;
    let decoded = Signed::decode(&request.to_wire()).expect("it travelled");
    let again = payer.pay(&bank, &decoded).expect("it is paid already");
    // Recognised before any other refusal: the certificate has expired by then.
    let late = payer.ask(Command::Pay {
        request: request.clone(),
        payee_provider: bank.certificate.clone(),
        now: NOW.saturating_add_ms(YEAR_MS),
        pin: None,
    });

    assert_eq!(again.payment.to_wire(), first.payment.to_wire());
    assert_eq!(late.map(expect_paid), Ok(first));
    assert_eq!(payer.mark, mark);
    assert_eq!(payer.balance(), 5_000 - 1_250);
}

/// A token lets the table forget P; until the journal has it, the operation is remembered.
#[test]
fn a_payment_that_a_token_covers_is_not_made_again_before_the_journal_has_it() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_000);
    let paid = payer.pay(&bank, &request).expect("it has money");
    payer.sync(&bank, 1);

    let again = payer.pay(&bank, &request);

    assert_eq!(again, Ok(paid));
    assert_eq!(payer.balance(), 4_000);
}

#[test]
fn another_body_under_the_same_payee_key_and_request_id_is_refused() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let (key, certificate) = client(&bank);
    let first = client_request(&key, &certificate, 7, |_| {});
    payer.pay(&bank, &first).expect("it has money");

    let other = client_request(&key, &certificate, 7, |body| body.amount = amount(1));
    assert_eq!(payer.pay(&bank, &other), Err(TaRefused::RequestReused));
    assert_eq!(payer.balance(), 4_000);
}

#[test]
fn of_two_requests_of_which_one_replaces_the_other_one_is_paid() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let first = payee.request(1_000);
    let second = payee.request_with(RequestTerms {
        replaces: Some(first.body().request_id),
        ..Device::terms(1_000)
    });
    let second = second.expect("there is room");
    let mut other_payer = Device::funded(3, &bank, 5_000);

    payer.pay(&bank, &first).expect("it has money");
    other_payer.pay(&bank, &second).expect("it has money");

    assert_eq!(payer.pay(&bank, &second), Err(TaRefused::ReplacedWasPaid));
    assert_eq!(
        other_payer.pay(&bank, &first),
        Err(TaRefused::ReplacedWasPaid)
    );
}

#[test]
fn the_limits_refuse_from_the_first_unit_beyond() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 90_000);
    let (key, certificate) = client(&bank);
    let mut ask = |id, minor_units| {
        let request = client_request(&key, &certificate, id, |body| {
            body.amount = amount(minor_units);
        });
        payer.pay(&bank, &request).map(|_| ())
    };

    assert_eq!(ask(1, 20_001), Err(TaRefused::PaymentLimit));
    assert_eq!(ask(2, 20_000), Ok(()));
    assert_eq!(ask(3, 20_000), Ok(()));
    assert_eq!(ask(4, 20_000), Ok(()));
    assert_eq!(ask(5, 1), Err(TaRefused::OfflineLimit));

    let mut poor = Device::funded(2, &bank, 999);
    let request = client_request(&key, &certificate, 6, |_| {});
    assert_eq!(poor.pay(&bank, &request), Err(TaRefused::Balance));
    assert_eq!(poor.balance(), 999);
}

#[test]
fn the_count_of_payments_since_the_last_token_is_bounded_and_a_token_frees_it() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let (key, certificate) = client(&bank);
    let request = |id| {
        client_request(&key, &certificate, id, |body| {
            body.amount = amount(1);
        })
    };
    for id in 0..20 {
        payer.pay(&bank, &request(id)).expect("it has money");
        payer.acknowledge();
    }
    let more = payer.pay(&bank, &request(20));
    assert_eq!(more, Err(TaRefused::OfflineLimit));
    let repeat = payer.pay(&bank, &request(0));
    assert!(repeat.is_ok(), "a repeat is recognised before any refusal");

    payer.sync(&bank, 1);

    assert!(payer.pay(&bank, &request(20)).is_ok());
}

#[test]
fn requests_that_are_forged_foreign_or_the_own_are_refused_and_change_nothing() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let (key, certificate) = client(&bank);
    let mark = payer.mark;

    let good = payee.request(1_000);
    let forged = Signed::sign(good.body().clone(), &SecretKey::from_seed(&[66; 32]));
    assert_eq!(payer.pay(&bank, &forged), Err(TaRefused::Signature));

    let dollars = Bank::with_keys(3, 3, "USD", NOW);
    let (dollar_key, dollar_certificate) = client(&dollars);
    let foreign = client_request(&dollar_key, &dollar_certificate, 1, |body| {
        body.currency = "USD".parse().expect("a currency");
    });
    assert_eq!(payer.pay(&dollars, &foreign), Err(TaRefused::Currency));
    let mixed = client_request(&key, &certificate, 1, |body| {
        body.currency = "USD".parse().expect("a currency");
    });
    assert_eq!(payer.pay(&bank, &mixed), Err(TaRefused::Currency));

    assert_eq!(payer.pay(&dollars, &good), Err(TaRefused::Chain));
    let (stray_key, stray) = uncertified(&bank);
    let stray = client_request(&stray_key, &stray, 1, |_| {});
    assert_eq!(payer.pay(&bank, &stray), Err(TaRefused::Chain));

    let own = payer.request(1);
    assert_eq!(payer.pay(&bank, &own), Err(TaRefused::OwnRequest));

    assert_eq!(payer.balance(), 5_000);
    assert_eq!(payer.mark.o, mark.o + 1, "its own request alone");
}

#[test]
fn a_request_is_paid_only_when_its_time_can_be_believed() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let (key, certificate) = client(&bank);
    payer.sync(&bank, 1);
    let mut at = |id, issued: Time| {
        let request = client_request(&key, &certificate, id, |body| body.issued = issued);
        payer.pay(&bank, &request).map(|_| ())
    };

    assert_eq!(at(1, NOW.saturating_sub_ms(DAY_MS)), Ok(()));
    let too_old = NOW.saturating_sub_ms(DAY_MS + 1);
    assert_eq!(at(2, too_old), Err(TaRefused::Time));
    let after_the_chains = NOW.saturating_add_ms(YEAR_MS);
    assert_eq!(at(3, after_the_chains), Err(TaRefused::Time));
    let before_the_chains = NOW.saturating_sub_ms(2 * YEAR_MS);
    assert_eq!(at(4, before_the_chains), Err(TaRefused::Time));
}

#[test]
fn a_request_issued_before_the_own_certificate_is_refused_as_nobody_could_verify_the_payment() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let (key, certificate) = client(&bank);
    let ta = payer.key();
    let young = bank.sign(Certificate {
        not_before: NOW,
        ..bank.ta_body(ta, 2)
    });
    let provider = bank.certificate.clone();
    payer
        .ask(Command::CertInit {
            provider,
            certificate: young,
            now: NOW,
        })
        .expect("the chain is good");
    let request = client_request(&key, &certificate, 1, |body| {
        body.issued = NOW.saturating_sub_ms(1);
    });

    assert_eq!(payer.pay(&bank, &request), Err(TaRefused::Time));
}

#[test]
fn an_expired_certificate_stops_pay_even_when_the_clock_was_turned_back() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let (key, certificate) = client(&bank);
    let request = client_request(&key, &certificate, 1, |_| {});
    let expired = NOW.saturating_add_ms(YEAR_MS);
    let ask = |payer: &mut Device, now| {
        payer.ask(Command::Pay {
            request: request.clone(),
            payee_provider: bank.certificate.clone(),
            now,
            pin: None,
        })
    };

    let honest = ask(&mut payer, expired);
    assert_eq!(honest, Err(TaRefused::CertificateNotValid));
    let status = payer.open_status(&[], 1).expect("it is certified");
    let token = bank.token(&status, expired);
    payer.ask(Command::Sync { token }).expect("it fits");
    let turned_back = ask(&mut payer, NOW);

    assert_eq!(turned_back, Err(TaRefused::CertificateNotValid));
}

#[test]
fn a_pin_is_never_kept() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let before = payer.mark;
    let request = payee.request(1_000);
    payer
        .ask(Command::Pay {
            request,
            payee_provider: bank.certificate,
            now: NOW,
            pin: Some(Pin::new("123456".into())),
        })
        .expect("it has money");

    payer.mark = before;
    let later = format!("{:?}", payer.begin());

    assert!(later.contains("pin: None"));
    assert!(!later.contains("redacted"));
}

fn payer_and_payee() -> (Bank, Device, Device) {
    let bank = Bank::new(1);
    let payer = Device::funded(1, &bank, 5_000);
    let payee = Device::certified(2, &bank);

    (bank, payer, payee)
}

fn client(bank: &Bank) -> (SecretKey, Signed<Certificate>) {
    let key = SecretKey::from_seed(&[55; 32]);
    let certificate = bank.certify_client(key.public_key());

    (key, certificate)
}

/// A payee whose certificate nobody but itself signed.
fn uncertified(bank: &Bank) -> (SecretKey, Signed<Certificate>) {
    let key = SecretKey::from_seed(&[56; 32]);
    let body = bank.certify_client(key.public_key()).body().clone();
    let certificate = Signed::sign(body, &key);

    (key, certificate)
}

fn client_request(
    key: &SecretKey,
    certificate: &Signed<Certificate>,
    id: u64,
    change: impl Fn(&mut RequestPayment),
) -> Signed<RequestPayment> {
    let terms = Device::terms(1_000);
    let mut body = RequestPayment {
        payee: certificate.clone(),
        request_id: RequestId(id),
        amount: terms.amount,
        currency: "EUR".parse().expect("a currency"),
        noise_key: terms.noise_key,
        memo_hash: terms.memo_hash,
        issued: terms.issued,
        validity: terms.validity,
        lists_held: terms.lists_held,
        replaces: None,
        refund_of: None,
    };
    change(&mut body);

    Signed::sign(body, key)
}
