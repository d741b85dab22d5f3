//! Offline limits: the lower bound warns, the upper one refuses, and Collect refuses for none.

use ops_proto::certificate::Limits;
use ops_proto::contract::{TaRefused, Warning};
use ops_proto::limits::STATUS_IDS_MAX;
use ta_sim::limits::PAYMENTS_KEPT_MAX;

use crate::world::{Bank, Device, LIMITS, amount, bound};

#[test]
fn the_lower_bounds_warn_the_payer_and_the_upper_ones_refuse() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    for _ in 0..9 {
        pay(&bank, &mut payer, &mut payee, 100);
    }
    assert_eq!(payer.state().warnings(), []);

    pay(&bank, &mut payer, &mut payee, 100);
    assert_eq!(payer.state().warnings(), [Warning::PaidCount]);
    for minor_units in [20_000, 8_999] {
        pay(&bank, &mut payer, &mut payee, minor_units);
    }
    assert_eq!(payer.state().warnings(), [Warning::PaidCount]);
    pay(&bank, &mut payer, &mut payee, 1);
    let both = [Warning::PaidCount, Warning::PaidTotal];
    assert_eq!(payer.state().warnings(), both);

    let status = payer.open_status(&[], 1).expect("it is certified");
    assert_eq!(
        (status.body().paid_count, status.body().paid_total),
        (13, 30_000)
    );
    payee.sync(&bank, 1);
    for minor_units in [20_000, 10_000] {
        pay(&bank, &mut payer, &mut payee, minor_units);
    }
    let request = payee.request(1);
    assert_eq!(payer.pay(&bank, &request), Err(TaRefused::OfflineLimit));
    payer.sync(&bank, 2);
    assert_eq!(payer.state().warnings(), []);
    assert!(payer.pay(&bank, &request).is_ok(), "a token frees it");
}

#[test]
fn the_lower_bounds_warn_the_payee_and_the_upper_ones_refuse_new_requests_alone() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    for _ in 0..10 {
        pay(&bank, &mut payer, &mut payee, 100);
    }
    assert_eq!(payee.state().warnings(), [Warning::CollectedCount]);
    for minor_units in [20_000, 9_000] {
        pay(&bank, &mut payer, &mut payee, minor_units);
    }
    let both = [Warning::CollectedCount, Warning::CollectedTotal];
    assert_eq!(payee.state().warnings(), both);

    payer.sync(&bank, 1);
    let reserved = [payee.request(20_000), payee.request(10_000)];
    let beyond = payee.request_with(Device::terms(1));
    assert_eq!(beyond, Err(TaRefused::OfflineLimit));
    for request in reserved {
        let pair = payer.pay(&bank, &request).expect("it has money");
        assert!(payee.collect(&bank, &pair).is_ok(), "it was reserved");
    }
    assert_eq!(payee.state().collected_total, 60_000);
    payee.sync(&bank, 2);
    assert_eq!(payee.state().warnings(), []);
    assert!(payee.request_with(Device::terms(1)).is_ok());
}

/// Each P is kept until a token covers it, so that who asks again gets the same one.
#[test]
fn the_table_of_payments_is_bounded_whatever_the_certificate_allows() {
    let limits = Limits {
        paid_count: bound(10_000),
        collected_count: bound(10_000),
        ..LIMITS()
    };
    let bank = Bank::with_limits(1, limits);
    let mut payer = Device::funded(1, &bank, 50_000);
    let mut payee = Device::certified(2, &bank);
    for n in 0..PAYMENTS_KEPT_MAX {
        pay(&bank, &mut payer, &mut payee, 1);
        if n % 100 == 99 {
            payee.sync(&bank, u8::try_from(n / 100).expect("small"));
        }
    }

    let request = payee.request(1);
    assert_eq!(payer.pay(&bank, &request), Err(TaRefused::OfflineLimit));
    payer.sync(&bank, 1);
    assert!(payer.pay(&bank, &request).is_ok(), "a token frees it");
}

/// The list of a status has a bound. What it could not list is never asked for, so that Collect never
/// has to refuse.
#[test]
fn requests_end_before_a_status_could_not_list_what_is_collected() {
    let limits = Limits {
        collected_count: bound(10_000),
        paid_count: bound(10_000),
        ..LIMITS()
    };
    let bank = Bank::with_limits(1, limits);
    let mut payer = Device::funded(1, &bank, 50_000);
    let mut payee = Device::certified(2, &bank);
    let ids = u64::try_from(STATUS_IDS_MAX).expect("few");
    for n in 0..ids {
        let request = payee.request(1);
        let pair = payer.pay(&bank, &request).expect("it has money");
        if n % 10 == 0 {
            payer.sync(&bank, u8::try_from(n % 250).expect("small"));
            payer.acknowledge();
            payee.acknowledge();
        }
        payee.collect(&bank, &pair).expect("Collect never refuses");
    }

    let beyond = payee.request_with(Device::terms(1));
    assert_eq!(beyond, Err(TaRefused::OfflineLimit));
    payee.acknowledge();
    let status = payee.open_status(&[], 251).expect("all of it fits");
    assert_eq!(status.body().collected.len(), STATUS_IDS_MAX);
    assert_eq!(status.body().collected_count, ids);
    assert!(status.to_wire().len() <= 64 * 1024);

    let token = bank.token(&status, crate::world::NOW);
    payee
        .ask(ops_proto::contract::Command::Sync { token })
        .expect("it fits");
    assert!(payee.request_with(Device::terms(1)).is_ok());
    assert_eq!(payee.balance(), ids);
}

#[test]
fn a_closed_request_makes_room_for_another() {
    let bank = Bank::new(1);
    let mut payee = Device::certified(1, &bank);
    let requests = [20_000, 20_000, 20_000].map(|minor_units| payee.request(minor_units));
    let beyond = payee.request_with(Device::terms(1));
    assert_eq!(beyond, Err(TaRefused::OfflineLimit));

    let id = requests[1].body().request_id;
    payee.open_status(&[id], 1).expect("it is certified");

    let terms = Device::terms(20_000);
    assert!(payee.request_with(terms).is_ok());
    assert_eq!(payee.state().reserved, 60_000);
}

fn pay(bank: &Bank, payer: &mut Device, payee: &mut Device, minor_units: u64) {
    let request = payee.request(minor_units);
    let pair = payer.pay(bank, &request).expect("it has money");
    payee.collect(bank, &pair).expect("Collect never refuses");
    payer.acknowledge();
    payee.acknowledge();
}

fn payer_and_payee() -> (Bank, Device, Device) {
    let bank = Bank::with_limits(
        1,
        Limits {
            balance_max: amount(500_000),
            ..LIMITS()
        },
    );
    let payer = Device::funded(1, &bank, 200_000);
    let payee = Device::certified(2, &bank);

    (bank, payer, payee)
}
