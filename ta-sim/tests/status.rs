//! StatusOpen and Sync.

use ops_proto::contract::{Command, Output, TaRefused};
use ops_proto::id::RequestId;
use ops_proto::message::SyncToken;
use ops_proto::signed::Signed;

use crate::world::{Bank, Device, NOW, expect_status};

#[test]
fn a_status_states_counts_collected_ids_open_ids_and_the_mark() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let collected = payee.request(1_250);
    payee.request(300);
    payee.request(400);
    let pair = payer.pay(&bank, &collected).expect("it has money");
    payee.collect(&bank, &pair).expect("the id is open");
    let back = payer.request(250);
    payee.pay(&bank, &back).expect("it has money");

    let status = payee
        .open_status(&[RequestId(2), RequestId(1), RequestId(99)], 1)
        .expect("it is certified");

    let body = status.verify(&payee.key()).expect("the TA signed it");
    assert_eq!(body.collected.to_vec(), [(RequestId(1), pair.hash())]);
    assert_eq!(body.open.to_vec(), [RequestId(3)]);
    assert_eq!(body.mark, RequestId(4));
    assert_eq!(body.balance.minor_units(), 1_000);
    assert_eq!((body.collected_count, body.collected_total), (1, 1_250));
    assert_eq!((body.paid_count, body.paid_total), (1, 250));
    assert_eq!(body.nonce, [1; 16]);
    assert_eq!(payee.state().reserved, 400);
}

#[test]
fn the_same_status_command_returns_the_same_statement_and_a_new_nonce_a_new_one() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    device.request(100);

    let first = device.open_status(&[], 1).expect("it is certified");
    assert_eq!(device.open_status(&[], 1).as_ref(), Ok(&first));
    assert_eq!(
        device.open_status(&[RequestId(1)], 1),
        Err(TaRefused::CommandReused)
    );
    let second = device.open_status(&[], 2).expect("it is certified");

    assert_eq!(second.body().position.previous, first.hash());
    let late = Command::Sync {
        token: bank.token(&first, NOW),
    };
    assert_eq!(device.ask(late), Err(TaRefused::NoStatus));
    let token = bank.token(&second, NOW);
    assert_eq!(device.ask(Command::Sync { token }), Ok(Output::Synced));
}

#[test]
fn a_token_subtracts_what_the_status_stated_and_nothing_that_came_after() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let (early, late) = (payee.request(1_000), payee.request(200));
    payer.pay(&bank, &early).expect("it has money");
    let status = payer.open_status(&[], 1).expect("it is certified");
    let after = payer.pay(&bank, &late).expect("it has money");

    let token = bank.token(&status, NOW);
    payer.ask(Command::Sync { token }).expect("it fits");

    let state = payer.state();
    assert_eq!((state.paid_count, state.paid_total), (1, 200));
    payer.acknowledge();
    assert_eq!(payer.pay(&bank, &late), Ok(after));

    let status = payer.open_status(&[], 2).expect("it is certified");
    assert_eq!(status.body().paid_total, 200);
}

#[test]
fn a_token_is_taken_once_however_often_it_comes() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_000);
    payer.pay(&bank, &request).expect("it has money");
    let status = payer.open_status(&[], 1).expect("it is certified");
    let token = bank.token(&status, NOW);
    let sync = Command::Sync { token };
    payer.ask(sync.clone()).expect("it fits");
    let late = payee.request(200);
    payer.pay(&bank, &late).expect("it has money");
    payer.acknowledge();
    let mark = payer.mark;

    assert_eq!(payer.ask(sync), Ok(Output::Synced));

    assert_eq!(payer.mark, mark);
    assert_eq!(payer.state().paid_count, 1);
}

#[test]
fn no_second_token_is_taken_for_one_status() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let status = payer.open_status(&[], 1).expect("it is certified");
    let token = bank.token(&status, NOW);
    payer.ask(Command::Sync { token }).expect("it fits");
    let request = payee.request(1_000);
    payer.pay(&bank, &request).expect("it has money");

    let token = bank.token(&status, NOW.saturating_add_ms(1));
    let second = payer.ask(Command::Sync { token });

    assert_eq!(second, Err(TaRefused::NoStatus));
    assert_eq!(payer.state().paid_count, 1);
    assert_eq!(payer.state().time_floor, NOW);
}

#[test]
fn a_status_is_the_same_for_its_nonce_also_once_it_was_acknowledged() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    device.request(100);
    let first = device.open_status(&[], 1).expect("it is certified");
    device.acknowledge();

    assert_eq!(device.open_status(&[], 1), Ok(first));
    let other = device.open_status(&[RequestId(1)], 1);
    assert_eq!(other, Err(TaRefused::CommandReused));
}

#[test]
fn a_token_that_is_not_for_the_open_status_changes_nothing() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let mut other = Device::certified(2, &bank);
    let status = device.open_status(&[], 1).expect("it is certified");
    let others = other.open_status(&[], 1).expect("it is certified");
    let body = bank.token_body(&status, NOW);
    let mark = device.mark;

    let wrong = [
        SyncToken {
            ta: others.body().ta,
            ..body.clone()
        },
        SyncToken {
            status: others.hash(),
            ..body.clone()
        },
        SyncToken {
            nonce: [2; 16],
            ..body
        },
    ];
    for body in wrong {
        let token = Signed::sign(body, &bank.answer);
        let refused = device.ask(Command::Sync { token });
        assert_eq!(refused, Err(TaRefused::NoStatus));
    }
    for key in [&bank.certify, &bank.root, &Bank::new(2).answer] {
        let token = Signed::sign(body.clone(), key);
        let refused = device.ask(Command::Sync { token });
        assert_eq!(refused, Err(TaRefused::Signature));
    }

    assert_eq!(device.mark, mark);
    assert_eq!(device.state().time_floor.as_ms(), 0);
}

#[test]
fn the_time_floor_never_falls() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    device.sync(&bank, 1);

    let status = device.open_status(&[], 2).expect("it is certified");
    let token = bank.token(&status, NOW.saturating_sub_ms(1_000));
    device.ask(Command::Sync { token }).expect("it fits");

    assert_eq!(device.state().time_floor, NOW);
}

#[test]
fn a_collected_id_is_listed_until_a_token_covers_it_and_then_never_again() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let request = payee.request(1_000);
    let pair = payer.pay(&bank, &request).expect("it has money");
    let receipt = payee.collect(&bank, &pair);

    for nonce in [1, 2] {
        let status = payee.open_status(&[], nonce).expect("it is certified");
        assert_eq!(status.body().collected.len(), 1);
    }
    payee.sync(&bank, 3);
    let status = payee.open_status(&[], 4).map(Output::StatusOpened);
    let status = expect_status(status.expect("it is certified"));

    assert!(status.body().collected.is_empty());
    assert_eq!(payee.collect(&bank, &pair), receipt, "it is still kept");
    payee.acknowledge();
    assert_eq!(payee.collect(&bank, &pair), Err(TaRefused::RequestClosed));
    assert_eq!(payee.balance(), 1_000);
}

fn payer_and_payee() -> (Bank, Device, Device) {
    let bank = Bank::new(1);
    let payer = Device::funded(1, &bank, 5_000);
    let payee = Device::certified(2, &bank);

    (bank, payer, payee)
}
