//! Renew, and what a renewed certificate leaves as it was.

use ops_proto::certificate::{Certificate, Limits, Role};
use ops_proto::contract::{Command, Output, TaRefused, Warning};
use ops_proto::message::DepositOutcome;

use crate::world::{Bank, Device, LIMITS, NOW, amount};

#[test]
fn the_wish_for_the_next_certificate_names_key_number_and_challenge_and_moves_nothing() {
    let bank = Bank::new(1);
    let mut device = Device::funded(1, &bank, 5_000);
    device.certify(&bank, 4).expect("the number is higher");
    let (before, steps) = (device.state(), device.disk.steps());

    let renewal = device.ask(Command::Renew { challenge: [3; 32] });

    let Ok(Output::Renewal(renew)) = renewal else {
        panic!("Renew answered {renewal:?}");
    };
    let body = renew.verify(&device.key()).expect("the TA signed it");
    assert_eq!(body.subject, device.key());
    assert_eq!((body.number, body.challenge), (4, [3; 32]));
    assert_eq!(device.state(), before);
    assert_eq!(device.disk.steps(), steps, "nothing was written");
}

/// Provider and TA have other certificates by then; the money goes on.
#[test]
fn payment_receipt_deposit_and_status_go_on_across_a_renewal_under_new_keys() {
    let (old, new) = (Bank::new(1), Bank::with_keys(1, 7, "EUR", NOW));
    let mut payer = Device::funded(1, &old, 5_000);
    let mut payee = Device::certified(2, &old);
    let early = payee.request(1_000);
    let early_pair = payer.pay(&old, &early).expect("it has money");
    let deposit = payee.open_deposit(300).expect("there is room");
    let status = payer.open_status(&[], 1).expect("it is certified");
    let later = payee.request(200);

    payer.certify(&new, 2).expect("the provider is the same");
    payee.certify(&new, 2).expect("the provider is the same");

    assert_eq!(payer.pay(&old, &early).as_ref(), Ok(&early_pair));
    assert!(payee.collect(&old, &early_pair).is_ok());
    let pair = payer.pay(&old, &later).expect("its chain is good still");
    assert_eq!(pair.payment.body().sender.body().number, 2);
    assert!(payee.collect(&new, &pair).is_ok());
    let answer = old.answer(&deposit, DepositOutcome::Granted);
    assert!(payee.ask(Command::DepositClose { answer }).is_ok());
    let token = old.token(&status, NOW);
    assert_eq!(payer.ask(Command::Sync { token }), Ok(Output::Synced));

    let fresh = payee.request(50);
    let pair = payer.pay(&new, &fresh).expect("it has money");
    assert!(payee.collect(&new, &pair).is_ok());
    payee.sync(&new, 2);
    payee.deposit(&new, 10);
    assert_eq!(payee.balance(), 1_000 + 200 + 300 + 50 + 10);
}

#[test]
fn limits_below_what_is_held_stop_only_what_would_add_to_it() {
    let bank = Bank::new(1);
    let mut device = Device::funded(1, &bank, 5_000);
    let mut other = Device::funded(2, &bank, 5_000);
    let open = device.request(800);
    let deposit = device.open_deposit(700).expect("there is room");

    lower(&bank, &mut device);

    assert!(
        device
            .state()
            .warnings()
            .contains(&Warning::BalanceAboveLimit)
    );
    let pair = other.pay(&bank, &open).expect("it has money");
    assert!(device.collect(&bank, &pair).is_ok());
    let answer = bank.answer(&deposit, DepositOutcome::Granted);
    assert!(device.ask(Command::DepositClose { answer }).is_ok());
    assert_eq!(device.balance(), 6_500);

    assert_eq!(device.open_deposit(1), Err(TaRefused::BalanceLimit));
    let more = device.request_with(Device::terms(1));
    assert_eq!(more, Err(TaRefused::BalanceLimit));
    let (large, small) = (other.request(501), other.request(500));
    assert_eq!(device.pay(&bank, &large), Err(TaRefused::PaymentLimit));
    assert!(device.pay(&bank, &small).is_ok());
    let order = device.withdraw(5_500).expect("it has money");
    device
        .acknowledge_withdrawal(&bank, &order)
        .expect("it fits");
    device.sync(&bank, 1);
    assert!(device.open_deposit(500).is_ok(), "500 of 1000 are free");
    assert!(device.state().warnings().is_empty());
}

fn lower(bank: &Bank, device: &mut Device) {
    let limits = Limits {
        balance_max: amount(1_000),
        payment_max: amount(500),
        ..LIMITS()
    };
    let ta = device.key();
    let certificate = bank.sign(Certificate {
        role: Role::Ta { limits },
        ..bank.ta_body(ta, 2)
    });
    let taken = device.ask(Command::CertInit {
        provider: bank.certificate.clone(),
        certificate,
        now: NOW,
    });

    assert_eq!(taken, Ok(Output::Certified));
}
