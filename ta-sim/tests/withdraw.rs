//! Withdraw and WithdrawAck.

use ops_proto::contract::{Command, Output, TaRefused, TrustedApplication as _};
use ops_proto::id::{CommandId, Digest};
use ops_proto::message::{DepositOutcome, WithdrawAck};
use ops_proto::signed::Signed;
use ops_proto::statement::{ChainEnd, Statement};

use crate::world::{Bank, Device, NOW, Torn, YEAR_MS, amount};

#[test]
fn a_withdrawal_is_debited_before_it_is_signed_and_moves_i_by_one() {
    let (bank, mut device) = funded();
    let before = device.state().chain;

    let order = device.withdraw(2_000).expect("it has money");

    let body = order.verify(&device.key()).expect("the TA signed it");
    assert_eq!(body.amount, amount(2_000));
    assert_eq!(body.position.i, before.i + 1);
    assert_eq!(body.position.j, before.j);
    let after = before.follow(&Statement::Withdraw(order.clone()));
    assert_eq!(after.as_ref(), Ok(&device.state().chain));
    assert_eq!(device.balance(), 3_000);
    assert_eq!(device.state().withdraw_open, Some(amount(2_000)));

    let mut payee = Device::certified(2, &bank);
    let request = payee.request(3_001);
    assert_eq!(device.pay(&bank, &request), Err(TaRefused::Balance));
}

#[test]
fn the_same_withdraw_command_returns_the_same_bytes_and_debits_once() {
    let (bank, mut device) = funded();
    let command = device.next_command();
    let withdraw = |minor_units| Command::Withdraw {
        command,
        amount: amount(minor_units),
    };
    let first = device.ask(withdraw(2_000));
    let Ok(Output::Withdrawn(order)) = &first else {
        panic!("Withdraw answered {first:?}");
    };

    assert_eq!(device.ask(withdraw(2_000)), first);
    device.acknowledge();
    assert_eq!(device.ask(withdraw(2_000)), first);
    device.start_again();
    device.begin().expect("the journal is as far as the TA");
    assert_eq!(device.ask(withdraw(2_000)), first);
    device
        .acknowledge_withdrawal(&bank, order)
        .expect("it is acknowledged");
    device.acknowledge();
    assert_eq!(device.ask(withdraw(2_000)), first);

    assert_eq!(device.ask(withdraw(2_001)), Err(TaRefused::CommandReused));
    assert_eq!(device.balance(), 3_000);
}

#[test]
fn a_withdrawal_stays_open_until_it_is_acknowledged_and_a_repeated_ack_says_the_same() {
    let (bank, mut device) = funded();
    let order = device.withdraw(2_000).expect("it has money");
    device.start_again();
    device.begin().expect("the journal is as far as the TA");
    assert_eq!(device.state().withdraw_open, Some(amount(2_000)));
    let ack = Command::WithdrawAck {
        ack: bank.ack(&order),
    };

    let first = device.ask(ack.clone());
    device.request(100);
    device.deposit(&bank, 500);
    device.acknowledge();
    let mark = device.mark;
    let again = device.ask(ack);

    let balance = ops_proto::amount::Balance::from_minor_units(3_000);
    assert_eq!(first, Ok(Output::WithdrawAcknowledged { balance }));
    assert_eq!(again, first);
    assert_eq!(device.mark, mark);
    assert_eq!(device.balance(), 3_500);
    assert_eq!(device.state().withdraw_open, None);
}

#[test]
fn a_deposit_and_a_withdrawal_never_overlap() {
    let (bank, mut device) = funded();
    let deposit = device.open_deposit(100).expect("there is room");
    assert_eq!(device.withdraw(100), Err(TaRefused::DepositPending));
    let answer = bank.answer(&deposit, DepositOutcome::Granted);
    device
        .ask(Command::DepositClose { answer })
        .expect("a grant is never refused");

    let order = device.withdraw(100).expect("nothing pends");
    assert_eq!(device.open_deposit(1), Err(TaRefused::WithdrawPending));
    assert_eq!(device.withdraw(1), Err(TaRefused::WithdrawPending));
    device
        .acknowledge_withdrawal(&bank, &order)
        .expect("it fits");

    assert!(device.open_deposit(1).is_ok());
    assert_eq!(device.balance(), 5_000);
}

#[test]
fn an_ack_that_is_not_for_the_open_withdrawal_changes_nothing() {
    let (bank, mut device) = funded();
    let nothing_open = device.withdraw(1).expect("it has money");
    device
        .acknowledge_withdrawal(&bank, &nothing_open)
        .expect("it fits");
    let order = device.withdraw(2_000).expect("it has money");
    let body = bank.ack_body(&order);
    let before = device.state();

    let wrong = [
        WithdrawAck {
            ta: bank.root_key(),
            ..body.clone()
        },
        WithdrawAck {
            i: body.i - 1,
            ..body.clone()
        },
        WithdrawAck {
            order: Digest([1; 32]),
            ..body
        },
        bank.ack_body(&nothing_open),
    ];
    for body in wrong {
        let ack = Signed::sign(body, &bank.answer);
        let refused = device.ask(Command::WithdrawAck { ack });
        assert_eq!(refused, Err(TaRefused::NoWithdrawal));
    }
    for key in [&bank.certify, &bank.root, &Bank::new(2).answer] {
        let ack = Signed::sign(body.clone(), key);
        let refused = device.ask(Command::WithdrawAck { ack });
        assert_eq!(refused, Err(TaRefused::Signature));
    }

    assert_eq!(device.state(), before);
    let mut other = Device::funded(2, &bank, 5_000);
    let never = other.acknowledge_withdrawal(&bank, &order);
    assert_eq!(never, Err(TaRefused::NoWithdrawal));
}

#[test]
fn an_ack_is_taken_from_the_provider_whose_keys_rolled_over_meanwhile() {
    let later = Bank::with_keys(1, 7, "EUR", NOW);
    for acknowledges in [Bank::new(1), Bank::with_keys(1, 7, "EUR", NOW)] {
        let (_, mut device) = funded();
        let order = device.withdraw(2_000).expect("it has money");
        device.certify(&later, 2).expect("the provider is the same");

        let closed = device.acknowledge_withdrawal(&acknowledges, &order);

        assert!(matches!(closed, Ok(Output::WithdrawAcknowledged { .. })));
    }
}

#[test]
fn no_withdrawal_is_more_than_the_balance() {
    let (_, mut device) = funded();
    let before = device.state();

    assert_eq!(device.withdraw(5_001), Err(TaRefused::Balance));

    assert_eq!(device.state(), before);
    assert!(device.withdraw(5_000).is_ok());
    assert_eq!(device.balance(), 0);
}

#[test]
fn time_limits_and_pin_never_stop_a_withdrawal() {
    let (bank, mut device) = funded();
    let mut payee = Device::certified(2, &bank);
    let request = payee.request(100);
    device.set_pin(None, "1234", 0).expect("none is set");
    for _ in 0..5 {
        let wrong = device.pay_with_pin(&bank, &request, "9999");
        assert_eq!(wrong, Err(TaRefused::Pin));
    }
    let status = device.open_status(&[], 1).expect("it is certified");
    let token = bank.token(&status, NOW.saturating_add_ms(2 * YEAR_MS));
    device.ask(Command::Sync { token }).expect("it fits");
    let expired = device.pay(&bank, &request);
    assert_eq!(expired, Err(TaRefused::CertificateNotValid));

    let order = device.withdraw(5_000).expect("nothing stops it");

    assert!(device.acknowledge_withdrawal(&bank, &order).is_ok());
}

#[test]
fn whatever_the_power_leaves_a_withdrawal_is_debited_if_and_only_if_it_is_signed() {
    for torn in [Torn::Lost, Torn::Half, Torn::Whole] {
        for step in 0..3 {
            let (bank, mut device) = funded();
            let command = CommandId([77; 16]);
            let withdraw = Command::Withdraw {
                command,
                amount: amount(2_000),
            };
            let start = device.state().chain;
            device.disk.cut_after(step);
            assert!(device.ta.invoke(withdraw.clone()).is_err());

            device.disk.start_again(torn);
            device.start_again();
            let state = device.state();
            let signed = state.chain.i - start.i;
            assert_eq!(state.balance.minor_units(), 5_000 - signed * 2_000);

            device.begin().expect("the journal is a past of the TA");
            let order = device.ask(withdraw).map(crate::world::expect_withdrawn);
            let order = order.expect("it has money");
            assert_eq!(device.balance(), 3_000, "{torn:?} at {step}");
            assert_eq!(order.body().position.i, start.i + 1);
            cut_the_ack(&bank, &mut device, &order, step, torn);
        }
    }
}

fn cut_the_ack(
    bank: &Bank,
    device: &mut Device,
    order: &Signed<ops_proto::message::Withdraw>,
    step: u32,
    torn: Torn,
) {
    let ack = Command::WithdrawAck {
        ack: bank.ack(order),
    };
    device.disk.cut_after(step);
    assert!(device.ta.invoke(ack.clone()).is_err());

    device.disk.start_again(torn);
    device.start_again();
    device.begin().expect("the journal is a past of the TA");
    device.ask(ack).expect("it was taken, or is now");

    assert_eq!(device.state().withdraw_open, None);
    assert_eq!(device.balance(), 3_000);
}

#[test]
fn without_a_certificate_nothing_is_withdrawn_retired_or_renewed() {
    let mut device = Device::blank(1);
    assert_eq!(device.withdraw(1), Err(TaRefused::NotInitialised));
    assert_eq!(device.retire(1), Err(TaRefused::NotInitialised));
    let root = Bank::new(1).root_key();
    device
        .ask(Command::Init { root })
        .expect("it has no key yet");

    assert_eq!(device.withdraw(1), Err(TaRefused::NotCertified));
    assert_eq!(device.retire(1), Err(TaRefused::NotCertified));
    let renew = Command::Renew { challenge: [1; 32] };
    assert_eq!(device.ask(renew), Err(TaRefused::NotCertified));
    assert_eq!(device.state().chain, ChainEnd::START);
}

fn funded() -> (Bank, Device) {
    let bank = Bank::new(1);
    let device = Device::funded(1, &bank, 5_000);

    (bank, device)
}
