//! Init, Attest and CertInit.

use ops_proto::attestation::{Expected, QuoteRefused, oem_verify};
use ops_proto::certificate::{Certificate, Limits, Role};
use ops_proto::contract::{Command, Mark, Output, TaRefused};
use ops_proto::key::{PublicKey, SecretKey};
use ops_proto::signed::Signed;
use ta_sim::oem;

use crate::world::{Bank, Device, NOW, YEAR_MS, amount};

#[test]
fn init_with_the_same_root_returns_the_same_key_and_another_root_is_refused() {
    let mut device = Device::blank(1);
    let root = Bank::new(1).root_key();
    let other = SecretKey::from_seed(&[99; 32]).public_key();

    let first = device.ask(Command::Init { root });
    let mark = device.mark;
    let again = device.ask(Command::Init { root });

    assert!(matches!(first, Ok(Output::Initialised { .. })));
    assert_eq!(first, again);
    assert_eq!(device.mark, mark);
    assert_eq!(
        device.ask(Command::Init { root: other }),
        Err(TaRefused::NotInitialised)
    );
}

#[test]
fn a_root_that_is_no_good_key_is_never_pinned() {
    let mut device = Device::blank(1);
    let mut weak = PublicKey([0; 32]);
    weak.0[0] = 1;

    assert_eq!(
        device.ask(Command::Init { root: weak }),
        Err(TaRefused::Chain)
    );
    assert_eq!(device.mark, Mark::START);
}

#[test]
fn a_quote_is_for_one_client_and_one_challenge_and_reaches_the_oem_test_root() {
    let mut device = Device::certified(1, &Bank::new(1));
    let client = SecretKey::from_seed(&[5; 32]).public_key();
    let challenge = [6; 32];
    let Ok(Output::Attested {
        device: maker,
        quote,
    }) = device.ask(Command::Attest { challenge, client })
    else {
        panic!("a TA with a key attests");
    };

    let expected = Expected {
        oem_root: &oem::test_root(),
        challenge: &challenge,
        client: &client,
        ta: &device.key(),
        measurements: &[oem::measurement()],
        now: NOW,
    };
    assert_eq!(oem_verify(&maker, &quote, &expected), Ok(()));
    let other = Expected {
        challenge: &[7; 32],
        ..expected
    };
    assert_eq!(
        oem_verify(&maker, &quote, &other),
        Err(QuoteRefused::Challenge)
    );
}

#[test]
fn nothing_that_needs_a_key_or_a_certificate_works_without() {
    let bank = Bank::new(1);
    let mut device = Device::blank(1);
    let client = bank.root_key();
    let attest = Command::Attest {
        challenge: [0; 32],
        client,
    };
    assert_eq!(device.ask(attest), Err(TaRefused::NotInitialised));
    assert_eq!(device.open_deposit(1), Err(TaRefused::NotInitialised));

    let root = bank.root_key();
    device
        .ask(Command::Init { root })
        .expect("it has no key yet");

    assert_eq!(device.open_deposit(1), Err(TaRefused::NotCertified));
    assert_eq!(
        device.request_with(Device::terms(1)),
        Err(TaRefused::NotCertified)
    );
    assert_eq!(device.open_status(&[], 1), Err(TaRefused::NotCertified));
    let mut payee = Device::certified(2, &bank);
    let request = payee.request(1);
    assert_eq!(device.pay(&bank, &request), Err(TaRefused::NotCertified));
}

#[test]
fn the_same_certificate_again_changes_nothing_even_when_it_has_expired() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let mark = device.mark;

    let ta = device.key();
    let again = device.ask(Command::CertInit {
        provider: bank.certificate.clone(),
        certificate: bank.certify_ta(ta, 1),
        now: NOW.saturating_add_ms(2 * YEAR_MS),
    });

    assert_eq!(again, Ok(Output::Certified));
    assert_eq!(device.mark, mark);
}

#[test]
fn a_certificate_is_taken_only_for_this_key_from_the_one_provider_and_with_a_higher_number() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let ta = device.key();
    let other_ta = SecretKey::from_seed(&[5; 32]).public_key();
    let base = bank.ta_body(ta, 2);

    let refused = |body: Certificate, reason: TaRefused, device: &mut Device| {
        let offered = offer(device, &bank, bank.sign(body));
        assert_eq!(offered, Err(reason));
    };
    let other_key = Certificate {
        subject: other_ta,
        ..base.clone()
    };
    refused(other_key, TaRefused::OtherCertificate, &mut device);
    let not_newer = Certificate {
        name: "Eve".parse().expect("a name"),
        number: 1,
        ..base.clone()
    };
    refused(not_newer, TaRefused::OtherCertificate, &mut device);
    let client = Certificate {
        role: Role::Client,
        ..base.clone()
    };
    refused(client, TaRefused::OtherCertificate, &mut device);
    let expired = Certificate {
        not_after: NOW.saturating_sub_ms(1),
        ..base.clone()
    };
    refused(expired, TaRefused::Chain, &mut device);
    let limits = Limits {
        balance_max: amount(1_000_000),
        ..*device.state().limits.as_ref().expect("it has limits")
    };
    let above_the_provider = Certificate {
        role: Role::Ta { limits },
        ..base
    };
    refused(above_the_provider, TaRefused::Chain, &mut device);

    assert_eq!(
        device.certify(&Bank::new(2), 2),
        Err(TaRefused::OtherCertificate)
    );
    assert_eq!(device.certify(&bank, 2), Ok(Output::Certified));
    assert_eq!(device.state().certificate, Some(2));
}

#[test]
fn a_certificate_that_another_key_signed_is_refused() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let body = bank.ta_body(device.key(), 2);
    let forged = Signed::sign(body, &SecretKey::from_seed(&[5; 32]));

    assert_eq!(offer(&mut device, &bank, forged), Err(TaRefused::Chain));
}

#[test]
fn a_provider_that_rolls_its_keys_over_leaves_nothing_open_worthless() {
    let bank = Bank::new(1);
    let rolled = Bank::with_keys(1, 2, "EUR", NOW);
    let mut payee = Device::certified(1, &bank);
    let mut payer = Device::funded(2, &bank, 5_000);
    let order = payee.open_deposit(700).expect("there is room");
    let request = payee.request(500);
    let pair = payer.pay(&bank, &request).expect("it has money");

    payee.certify(&rolled, 2).expect("it is the same provider");
    payee.certify(&rolled, 3).expect("it is the same provider");

    let granted = ops_proto::message::DepositOutcome::Granted;
    let answer = bank.answer(&order, granted);
    assert!(payee.ask(Command::DepositClose { answer }).is_ok());
    assert!(payee.collect(&bank, &pair).is_ok());
    assert_eq!(payee.balance(), 1_200);
}

/// A second provider under the same root must not grant, acknowledge, set limits or move the clock.
#[test]
fn grants_acknowledgements_tokens_and_limits_count_from_the_own_provider_alone() {
    let (bank, other) = (Bank::new(1), Bank::new(2));
    let mut device = Device::funded(1, &bank, 5_000);
    let order = device.open_deposit(700).expect("there is room");
    let status = device.open_status(&[], 1).expect("it is certified");
    let before = device.state();

    let answer = other.answer(&order, ops_proto::message::DepositOutcome::Granted);
    let granted = device.ask(Command::DepositClose { answer });
    let token = other.token(&status, NOW.saturating_add_ms(YEAR_MS));
    let synced = device.ask(Command::Sync { token });
    let limits = device.certify(&other, 2);

    assert_eq!(granted, Err(TaRefused::Signature));
    assert_eq!(synced, Err(TaRefused::Signature));
    assert_eq!(limits, Err(TaRefused::OtherCertificate));
    assert_eq!(device.state(), before);

    let mut device = Device::funded(2, &bank, 5_000);
    let withdrawn = device.withdraw(100).expect("it has money");
    let ack = other.ack(&withdrawn);
    let acknowledged = device.ask(Command::WithdrawAck { ack });
    assert_eq!(acknowledged, Err(TaRefused::Signature));
    assert_eq!(device.state().withdraw_open, Some(amount(100)));
}

fn offer(
    device: &mut Device,
    bank: &Bank,
    certificate: Signed<Certificate>,
) -> Result<Output, TaRefused> {
    device.ask(Command::CertInit {
        provider: bank.certificate.clone(),
        certificate,
        now: NOW,
    })
}
