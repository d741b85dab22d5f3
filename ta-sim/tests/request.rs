//! PrepareRequest.

use ops_proto::certificate::{Certificate, Limits, Role};
use ops_proto::contract::{Command, RequestTerms, TaRefused};
use ops_proto::id::RequestId;
use ops_proto::message::DepositOutcome;
use ops_proto::pay_verify::verify_request;

use crate::world::{Bank, Device, LIMITS, NOW, YEAR_MS, amount, expect_request};

#[test]
fn request_ids_count_upwards_from_one_and_are_never_used_again() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);

    let first = device.request(100);
    let second = device.request(100);
    device
        .open_status(&[RequestId(1), RequestId(2)], 1)
        .expect("it is certified");
    let third = device.request(100);

    let ids = [first, second, third].map(|request| request.body().request_id.0);
    assert_eq!(ids, [1, 2, 3]);
}

#[test]
fn a_request_says_the_terms_and_is_signed_by_the_certified_key() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let terms = RequestTerms {
        replaces: Some(RequestId(9)),
        ..Device::terms(1_250)
    };

    let request = device.request_with(terms.clone()).expect("there is room");

    let body = verify_request(&bank.root_key(), &request, &bank.certificate)
        .expect("the TA signed it under its certificate");
    assert_eq!(body.amount, terms.amount);
    assert_eq!(body.noise_key, terms.noise_key);
    assert_eq!(body.memo_hash, terms.memo_hash);
    assert_eq!(body.replaces, terms.replaces);
    assert_eq!(device.state().reserved, 1_250);
}

#[test]
fn the_same_request_command_returns_the_same_bytes_and_other_terms_are_refused() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let command = device.next_command();
    let prepare = |minor_units| Command::PrepareRequest {
        command,
        terms: Device::terms(minor_units),
    };

    let first = device.ask(prepare(100));
    device.acknowledge();
    assert_eq!(device.ask(prepare(100)), first, "open, acknowledged");
    assert_eq!(device.ask(prepare(101)), Err(TaRefused::CommandReused));
    let request = first.map(expect_request).expect("there is room");
    assert_eq!(request.body().request_id, RequestId(1));
}

#[test]
fn a_request_command_is_known_until_it_is_acknowledged_also_when_the_request_is_closed() {
    let mut device = Device::certified(1, &Bank::new(1));
    let command = device.next_command();
    let prepare = |minor_units| Command::PrepareRequest {
        command,
        terms: Device::terms(minor_units),
    };
    let first = device.ask(prepare(100));
    device
        .open_status(&[RequestId(1)], 1)
        .expect("it is certified");

    assert_eq!(device.ask(prepare(100)), first);
    assert_eq!(device.ask(prepare(101)), Err(TaRefused::CommandReused));
    assert_eq!(device.state().requests_open, 0);
}

#[test]
fn requests_are_refused_beyond_what_collect_could_take_in() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    for _ in 0..20 {
        device.request(1_000);
        device.acknowledge();
    }

    let count = device.request_with(Device::terms(1));
    assert_eq!(count, Err(TaRefused::OfflineLimit));

    let mut device = Device::certified(2, &bank);
    device.request(60_000);
    let total = device.request_with(Device::terms(1));
    assert_eq!(total, Err(TaRefused::OfflineLimit));

    let mut device = Device::funded(3, &bank, 99_999);
    device.request(1);
    let balance = device.request_with(Device::terms(1));
    assert_eq!(balance, Err(TaRefused::BalanceLimit));
}

#[test]
fn a_request_leaves_room_for_a_deposit_that_is_open() {
    let bank = Bank::new(1);
    let mut device = Device::funded(1, &bank, 50_000);
    let order = device.open_deposit(49_000).expect("there is room");

    let beyond = device.request_with(Device::terms(1_001));
    assert_eq!(beyond, Err(TaRefused::BalanceLimit));
    let request = device.request(1_000);

    let mut payer = Device::funded(2, &bank, 5_000);
    let pair = payer.pay(&bank, &request).expect("it has money");
    let answer = bank.answer(&order, DepositOutcome::Granted);
    assert!(device.ask(Command::DepositClose { answer }).is_ok());
    assert!(device.collect(&bank, &pair).is_ok());
    assert_eq!(device.balance(), 100_000);
}

#[test]
fn too_many_open_requests_are_refused_whatever_the_certificate_allows() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let many = ops_proto::certificate::Bound {
        warn: 1_000_000,
        refuse: 1_000_000,
    };
    let limits = Limits {
        collected_count: many,
        ..LIMITS()
    };
    // A provider that may grant as much.
    let mut provider = bank.certificate.body().clone();
    if let Role::Provider { limits_max, .. } = &mut provider.role {
        *limits_max = limits;
    }
    let provider = ops_proto::signed::Signed::sign(provider, &bank.root);
    let ta = device.key();
    let certificate = bank.sign(Certificate {
        role: Role::Ta { limits },
        ..bank.ta_body(ta, 2)
    });
    device
        .ask(Command::CertInit {
            provider,
            certificate,
            now: NOW,
        })
        .expect("the chain is good");
    for _ in 0..ta_sim::limits::REQUESTS_OPEN_MAX {
        // The helper's command ids are few: these must differ.
        let command = ops_proto::id::CommandId(device.mark.hash.0[..16].try_into().expect("16"));
        let terms = Device::terms(1);
        device
            .ask(Command::PrepareRequest { command, terms })
            .expect("there is room");
        device.acknowledge();
    }

    let more = device.request_with(Device::terms(1));

    assert_eq!(more, Err(TaRefused::TooManyRequests));
}

#[test]
fn an_expired_certificate_or_a_clock_behind_the_floor_stops_new_requests() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);

    let expired = RequestTerms {
        issued: NOW.saturating_add_ms(YEAR_MS),
        ..Device::terms(1)
    };
    assert_eq!(
        device.request_with(expired),
        Err(TaRefused::CertificateNotValid)
    );
    device.sync(&bank, 1);
    let behind = RequestTerms {
        issued: NOW.saturating_sub_ms(24 * 3600 * 1000 + 1),
        ..Device::terms(1)
    };
    assert_eq!(device.request_with(behind), Err(TaRefused::Time));
    let slack = RequestTerms {
        issued: NOW.saturating_sub_ms(24 * 3600 * 1000),
        amount: amount(1),
        ..Device::terms(1)
    };
    assert!(device.request_with(slack).is_ok());
}
