//! DepositOpen and DepositClose.

use ops_proto::contract::{Command, Output, TaRefused};
use ops_proto::key::SecretKey;
use ops_proto::message::{DepositAnswer, DepositOutcome, DepositRefusal};
use ops_proto::signed::Signed;

use crate::world::{Bank, Device, amount};

const GRANTED: DepositOutcome = DepositOutcome::Granted;

#[test]
fn a_grant_credits_once_however_often_it_comes() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let order = device.open_deposit(5_000).expect("there is room");
    let answer = bank.answer(&order, GRANTED);

    let first = close(&mut device, &answer);
    let mark = device.mark;
    device.request(100);
    device.acknowledge();
    let again = close(&mut device, &answer);

    assert!(matches!(first, Ok(Output::DepositClosed { .. })));
    assert_eq!(first, again);
    assert_ne!(device.mark, mark, "the request was an operation");
    assert_eq!(device.balance(), 5_000);
}

#[test]
fn a_refusal_closes_the_deposit_and_credits_nothing() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let order = device.open_deposit(5_000).expect("there is room");

    let refusal = DepositOutcome::Refused(DepositRefusal::Balance);
    let closed = close(&mut device, &bank.answer(&order, refusal));

    assert!(closed.is_ok());
    assert_eq!(device.balance(), 0);
    assert_eq!(device.state().deposit_open, None);
    let late = close(&mut device, &bank.answer(&order, GRANTED));
    assert_eq!(late, Err(TaRefused::NoDeposit));
    let next = device.open_deposit(1).expect("the way is free");
    assert_eq!(next.body().position.i, order.body().position.i + 1);
}

#[test]
fn the_same_deposit_command_returns_the_same_bytes_before_and_after_it_is_closed() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let command = device.next_command();
    let open = |minor_units| Command::DepositOpen {
        command,
        amount: amount(minor_units),
    };

    let first = device.ask(open(5_000));
    let Ok(Output::DepositOpened(order)) = &first else {
        panic!("there is room: {first:?}");
    };
    assert_eq!(device.ask(open(5_000)), first);
    assert_eq!(device.ask(open(5_001)), Err(TaRefused::CommandReused));
    close(&mut device, &bank.answer(order, GRANTED)).expect("a grant is never refused");
    device.acknowledge();
    assert_eq!(device.ask(open(5_000)), first);
    assert_eq!(device.balance(), 5_000);
}

#[test]
fn one_deposit_is_open_at_a_time() {
    let mut device = Device::certified(1, &Bank::new(1));
    device.open_deposit(5_000).expect("there is room");

    assert_eq!(device.open_deposit(1), Err(TaRefused::DepositPending));
}

#[test]
fn a_deposit_fits_under_the_balance_limit_beside_all_that_is_reserved() {
    let bank = Bank::new(1);
    let mut device = Device::funded(1, &bank, 90_000);
    device.request(6_000);

    assert_eq!(device.open_deposit(4_001), Err(TaRefused::BalanceLimit));
    let order = device.open_deposit(4_000).expect("it just fits");

    let more = device.request_with(Device::terms(1));
    assert_eq!(more, Err(TaRefused::BalanceLimit));
    assert!(close(&mut device, &bank.answer(&order, GRANTED)).is_ok());
}

#[test]
fn an_answer_that_is_not_for_the_open_deposit_changes_nothing() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let mut other = Device::certified(2, &bank);
    let others = other.open_deposit(5_000).expect("there is room");
    let answer = bank.answer(&others, GRANTED);
    assert_eq!(close(&mut device, &answer), Err(TaRefused::NoDeposit));

    let order = device.open_deposit(5_000).expect("there is room");
    let body = bank.answer_body(&order, GRANTED);
    let wrong = [
        DepositAnswer {
            ta: others.body().ta,
            ..body.clone()
        },
        DepositAnswer {
            i: body.i + 1,
            ..body.clone()
        },
        DepositAnswer {
            order: others.hash(),
            ..body
        },
    ];
    for body in wrong {
        let answer = Signed::sign(body, &bank.answer);
        assert_eq!(close(&mut device, &answer), Err(TaRefused::NoDeposit));
    }
    for key in [&bank.certify, &bank.root, &SecretKey::from_seed(&[5; 32])] {
        let answer = Signed::sign(body.clone(), key);
        assert_eq!(close(&mut device, &answer), Err(TaRefused::Signature));
    }
    assert_eq!(device.balance(), 0);
    assert_eq!(device.state().deposit_open, Some(amount(5_000)));
}

fn close(device: &mut Device, answer: &Signed<DepositAnswer>) -> Result<Output, TaRefused> {
    device.ask(Command::DepositClose {
        answer: answer.clone(),
    })
}
