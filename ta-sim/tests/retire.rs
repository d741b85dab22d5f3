//! Retire.

use ops_proto::contract::{Command, Output, Pin, TaRefused, TrustedApplication as _};
use ops_proto::id::RequestId;
use ops_proto::message::DepositOutcome;
use ops_proto::statement::Statement;

use crate::world::{Bank, Device, NOW, Torn, amount};

#[test]
fn the_last_statement_closes_every_request_and_states_the_balance() {
    let (bank, mut payer, mut device) = payer_and_payee();
    let collected = device.request(1_250);
    device.request(300);
    device.request(400);
    let pair = payer.pay(&bank, &collected).expect("it has money");
    device.collect(&bank, &pair).expect("the id is open");
    let before = device.state().chain;

    let retire = device.retire(9).expect("nothing pends");

    let last = &retire.verify(&device.key()).expect("the TA signed it").last;
    assert_eq!(last.balance.minor_units(), 2_250);
    assert!(last.open.is_empty());
    assert_eq!(last.collected.to_vec(), [(RequestId(1), pair.hash())]);
    assert_eq!(last.mark, RequestId(4));
    assert_eq!(last.nonce, [9; 16]);
    let after = before.follow(&Statement::Retire(retire.clone()));
    let state = device.state();
    assert_eq!(after.as_ref(), Ok(&state.chain));
    assert!(state.retired);
    assert_eq!((state.requests_open, state.reserved), (0, 0));
    assert_eq!(state.balance, last.balance);
}

#[test]
fn no_ta_retires_while_a_deposit_or_a_withdrawal_is_open() {
    let (bank, _, mut device) = payer_and_payee();
    let order = device.open_deposit(100).expect("there is room");
    assert_eq!(device.retire(1), Err(TaRefused::DepositPending));
    let answer = bank.answer(&order, DepositOutcome::Granted);
    device
        .ask(Command::DepositClose { answer })
        .expect("a grant is never refused");
    let order = device.withdraw(100).expect("it has money");
    assert_eq!(device.retire(1), Err(TaRefused::WithdrawPending));
    assert!(!device.state().retired);

    device
        .acknowledge_withdrawal(&bank, &order)
        .expect("it fits");

    assert!(device.retire(1).is_ok());
}

#[test]
fn a_retired_ta_signs_nothing_new() {
    let (bank, mut payer, mut device) = payer_and_payee();
    let (own, foreign) = (device.request(100), payer.request(100));
    let pair = payer.pay(&bank, &own).expect("it has money");
    device.retire(1).expect("nothing pends");
    let before = device.state();

    let commands = [
        Command::Attest {
            challenge: [1; 32],
            client: bank.root_key(),
        },
        Command::CertInit {
            provider: bank.certificate.clone(),
            certificate: bank.certify_ta(device.key(), 2),
            now: NOW,
        },
        Command::DepositOpen {
            command: device.next_command(),
            amount: amount(1),
        },
        Command::Withdraw {
            command: device.next_command(),
            amount: amount(1),
        },
        Command::PrepareRequest {
            command: device.next_command(),
            terms: Device::terms(1),
        },
        Command::Pay {
            request: foreign,
            payee_provider: bank.certificate.clone(),
            now: NOW,
            pin: None,
        },
        Command::StatusOpen {
            close: ops_proto::list::List::default(),
            nonce: [2; 16],
        },
        Command::Renew { challenge: [1; 32] },
        Command::SetPin {
            old: None,
            new: Pin::new("1234".into()),
            floor: 0,
        },
    ];
    for command in commands {
        let refused = device.ask(command.clone());
        assert_eq!(refused, Err(TaRefused::Retired), "{command:?}");
    }

    let late = device.collect(&bank, &pair);
    assert_eq!(late, Err(TaRefused::RequestClosed), "it is claimed online");
    assert_eq!(device.state(), before);
}

#[test]
fn what_was_signed_before_is_returned_after_retirement_byte_for_byte() {
    let (bank, mut payer, mut device) = payer_and_payee();
    let order = device.withdraw(100).expect("it has money");
    let ack = Command::WithdrawAck {
        ack: bank.ack(&order),
    };
    let acknowledged = device.ask(ack.clone());
    let foreign = payer.request(200);
    let paid = device.pay(&bank, &foreign);
    let own = device.request(100);
    let pair = payer.pay(&bank, &own).expect("it has money");
    let receipt = device.collect(&bank, &pair);
    let status = device.open_status(&[], 1).expect("it is certified");

    let retire = device.retire(9);
    device.acknowledge();
    device.start_again();
    device.begin().expect("the journal is as far as the TA");
    let mark = device.mark;

    assert!(retire.is_ok());
    assert_eq!(device.retire(9), retire);
    assert_eq!(device.retire(10), retire, "there is one last statement");
    assert_eq!(device.pay(&bank, &foreign), paid);
    assert_eq!(device.collect(&bank, &pair), receipt);
    assert_eq!(device.ask(ack), acknowledged);
    assert_eq!(device.open_status(&[], 1).as_ref(), Ok(&status));
    assert_eq!(device.mark, mark);
    let token = bank.token(&status, NOW);
    assert_eq!(device.ask(Command::Sync { token }), Ok(Output::Synced));
}

#[test]
fn whatever_the_power_leaves_a_ta_retires_once() {
    for torn in [Torn::Lost, Torn::Half, Torn::Whole] {
        for step in 0..3 {
            let (_, _, mut device) = payer_and_payee();
            let start = device.state().chain;
            device.disk.cut_after(step);
            let retire = Command::Retire { nonce: [1; 16] };
            assert!(device.ta.invoke(retire).is_err());

            device.disk.start_again(torn);
            device.start_again();
            device.begin().expect("the journal is a past of the TA");
            let retire = device.retire(1).expect("nothing pends");

            let end = start.follow(&Statement::Retire(retire));
            assert_eq!(end, Ok(device.state().chain), "{torn:?} at {step}");
        }
    }
}

fn payer_and_payee() -> (Bank, Device, Device) {
    let bank = Bank::new(1);
    let payer = Device::funded(1, &bank, 5_000);
    let payee = Device::funded(2, &bank, 1_000);

    (bank, payer, payee)
}
