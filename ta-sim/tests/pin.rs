//! The PIN: what it guards, how its tries are counted, and where it never stands.

use ops_proto::contract::{Command, Output, Pin, PinState, TaRefused, TrustedApplication as _};
use ops_proto::message::RequestPayment;
use ops_proto::signed::{Signed, encode};

use crate::world::{Bank, Device, NOW, Torn};

const PIN: &str = "1234";
const OTHER: &str = "567890";
const WRONG: &str = "9999";

#[test]
fn the_sum_since_the_last_pin_stays_under_the_floor() {
    let (bank, mut payer, requests) = world(&[400, 600, 1, 2_000, 1_000, 1]);
    payer.set_pin(None, PIN, 1_000).expect("none is set");
    let since = |payer: &mut Device| payer.state().pin.since_pin;

    assert!(payer.pay(&bank, &requests[0]).is_ok());
    assert!(payer.pay(&bank, &requests[1]).is_ok());
    assert_eq!(since(&mut payer), 1_000);
    assert_eq!(payer.pay(&bank, &requests[2]), Err(TaRefused::Pin));
    assert!(payer.pay_with_pin(&bank, &requests[3], PIN).is_ok());
    assert_eq!(since(&mut payer), 0, "the PIN covers its payment");
    assert!(payer.pay(&bank, &requests[4]).is_ok());
    assert_eq!(payer.pay(&bank, &requests[5]), Err(TaRefused::Pin));
    payer.start_again();
    payer.begin().expect("the journal is as far as the TA");
    assert_eq!(payer.pay(&bank, &requests[5]), Err(TaRefused::Pin));
}

#[test]
fn a_missing_pin_costs_no_try_and_a_wrong_one_changes_nothing_else() {
    let (bank, mut payer, requests) = world(&[400]);
    payer.set_pin(None, PIN, 0).expect("none is set");
    let before = payer.state();

    assert_eq!(payer.pay(&bank, &requests[0]), Err(TaRefused::Pin));
    assert_eq!(payer.state(), before);

    let wrong = payer.pay_with_pin(&bank, &requests[0], WRONG);
    assert_eq!(wrong, Err(TaRefused::Pin));
    let mut after = payer.state();
    assert_eq!(after.pin.tries_left, 4);
    after.pin.tries_left = 5;
    assert_eq!(after, before, "no mark, chain or balance moved");
}

#[test]
fn five_wrong_pins_block_it_for_good_and_a_right_one_before_begins_anew() {
    let (bank, mut payer, requests) = world(&[400, 300]);
    payer.set_pin(None, PIN, 0).expect("none is set");
    for _ in 0..4 {
        let wrong = payer.pay_with_pin(&bank, &requests[0], WRONG);
        assert_eq!(wrong, Err(TaRefused::Pin));
    }
    assert_eq!(payer.state().pin.tries_left, 1);
    assert!(payer.pay_with_pin(&bank, &requests[0], PIN).is_ok());
    assert_eq!(payer.state().pin.tries_left, 5);

    for _ in 0..5 {
        let wrong = payer.pay_with_pin(&bank, &requests[1], WRONG);
        assert_eq!(wrong, Err(TaRefused::Pin));
        payer.start_again();
        payer.begin().expect("the journal is as far as the TA");
    }
    let right = payer.pay_with_pin(&bank, &requests[1], PIN);
    assert_eq!(right, Err(TaRefused::PinBlocked));
    let change = payer.set_pin(Some(PIN), OTHER, 0);
    assert_eq!(change, Err(TaRefused::PinBlocked));
}

#[test]
fn a_blocked_pin_stops_payments_and_nothing_else() {
    let (bank, mut payer, requests) = world(&[400, 1]);
    payer.set_pin(None, PIN, 1_000).expect("none is set");
    let paid = payer.pay(&bank, &requests[0]);
    block(&bank, &mut payer, &requests[1]);

    let below_the_floor = payer.pay(&bank, &requests[1]);
    assert_eq!(below_the_floor, Err(TaRefused::PinBlocked));
    assert_eq!(
        payer.pay(&bank, &requests[0]),
        paid,
        "a repeat pays nothing"
    );
    let own = payer.request(50);
    let mut other = Device::funded(3, &bank, 100);
    let pair = other.pay(&bank, &own).expect("it has money");
    assert!(payer.collect(&bank, &pair).is_ok());
    payer.deposit(&bank, 10);
    payer.sync(&bank, 1);
    let order = payer.withdraw(100).expect("it needs no PIN");
    payer
        .acknowledge_withdrawal(&bank, &order)
        .expect("it fits");
    assert!(payer.retire(1).is_ok(), "it needs no PIN");
}

#[test]
fn a_repeat_of_a_paid_request_takes_no_pin_and_tries_none() {
    let (bank, mut payer, requests) = world(&[400]);
    payer.set_pin(None, PIN, 0).expect("none is set");
    let paid = payer.pay_with_pin(&bank, &requests[0], PIN);
    payer.acknowledge();

    assert!(paid.is_ok());
    assert_eq!(payer.pay(&bank, &requests[0]), paid);
    assert_eq!(payer.pay_with_pin(&bank, &requests[0], WRONG), paid);
    assert_eq!(payer.state().pin.tries_left, 5);
}

#[test]
fn what_would_be_refused_anyway_costs_no_try() {
    let (bank, mut payer, requests) = world(&[400, 6_000]);
    payer.set_pin(None, PIN, 0).expect("none is set");

    let too_much = payer.pay_with_pin(&bank, &requests[1], WRONG);
    assert_eq!(too_much, Err(TaRefused::Balance));
    for form in ["", "123", "1234567890123", "12a4", "١٢٣٤", "12 34"] {
        let form = payer.pay_with_pin(&bank, &requests[0], form);
        assert_eq!(form, Err(TaRefused::PinForm));
    }

    assert_eq!(payer.state().pin.tries_left, 5);
}

/// Else the guess is lost and the next one is free.
#[test]
fn no_pin_is_compared_before_its_try_is_durable() {
    let (_, mut fresh, _) = world(&[]);
    let before = fresh.disk.steps();
    fresh.set_pin(None, PIN, 0).expect("none is set");
    let store = fresh.disk.steps() - before;

    for pin in [PIN, WRONG] {
        for torn in [Torn::Lost, Torn::Whole] {
            for step in 0..=store {
                let (bank, mut payer, requests) = world(&[400]);
                payer.set_pin(None, PIN, 0).expect("none is set");
                let pay = Command::Pay {
                    request: requests[0].clone(),
                    payee_provider: bank.certificate.clone(),
                    now: NOW,
                    pin: Some(Pin::new(pin.to_owned())),
                };
                payer.disk.cut_after(step);
                let answer = payer.ta.invoke(pay);
                let was_compared = step >= store;
                assert_eq!(answer.is_ok(), was_compared && pin == WRONG);

                payer.disk.start_again(torn);
                payer.start_again();
                let state = payer.state();
                if was_compared && state.chain.j == 0 {
                    assert_eq!(state.pin.tries_left, 4, "{torn:?} at {step}");
                }
                let paid = 5_000 - state.balance.minor_units();
                assert_eq!(paid, state.chain.j * 400, "{torn:?} at {step}");
            }
        }
    }
}

#[test]
fn a_wrong_pin_is_counted_across_a_restart_without_any_answer_heard() {
    let (bank, mut payer, requests) = world(&[400]);
    payer.set_pin(None, PIN, 0).expect("none is set");

    for tries_left in (0..5).rev() {
        let _unheard = payer.pay_with_pin(&bank, &requests[0], WRONG);
        payer.start_again();
        payer.begin().expect("the journal is as far as the TA");
        assert_eq!(payer.state().pin.tries_left, tries_left);
    }
}

#[test]
fn a_pin_changes_only_with_the_old_one() {
    let (bank, mut payer, requests) = world(&[400]);
    let first = payer.set_pin(Some(WRONG), PIN, 300);
    assert_eq!(first, Ok(Output::PinSet), "there is no old one to know");
    let before = payer.state();

    for old in [None, Some(WRONG), Some(OTHER)] {
        let change = payer.set_pin(old, OTHER, 7);
        assert_eq!(change, Err(TaRefused::Pin), "{old:?}");
    }
    let mut after = payer.state();
    assert_eq!(after.pin.tries_left, 2);
    after.pin.tries_left = 5;
    assert_eq!(after, before);

    assert_eq!(payer.set_pin(Some(PIN), OTHER, 0), Ok(Output::PinSet));
    let expected = PinState {
        is_set: true,
        tries_left: 5,
        floor: 0,
        since_pin: 0,
    };
    assert_eq!(payer.state().pin, expected);
    let old = payer.pay_with_pin(&bank, &requests[0], PIN);
    assert_eq!(old, Err(TaRefused::Pin));
    assert!(payer.pay_with_pin(&bank, &requests[0], OTHER).is_ok());
}

#[test]
fn the_floor_changes_with_the_same_pin() {
    let (bank, mut payer, requests) = world(&[400]);
    payer.set_pin(None, PIN, 0).expect("none is set");

    let raised = payer.set_pin(Some(PIN), PIN, 400);

    assert_eq!(raised, Ok(Output::PinSet));
    assert!(payer.pay(&bank, &requests[0]).is_ok());
}

#[test]
fn a_change_whose_answer_was_lost_is_known_again_and_gives_no_second_guess() {
    let (_, mut payer, _) = world(&[]);
    payer.set_pin(None, PIN, 5).expect("none is set");
    payer
        .set_pin(Some(PIN), OTHER, 7)
        .expect("the old one fits");
    let mark = payer.mark;

    assert_eq!(payer.set_pin(Some(PIN), OTHER, 7), Ok(Output::PinSet));
    payer.start_again();
    payer.begin().expect("the journal is as far as the TA");
    assert_eq!(payer.set_pin(Some(PIN), OTHER, 7), Ok(Output::PinSet));
    assert_eq!(payer.mark, mark, "it is no operation");
    assert_eq!(payer.state().pin.tries_left, 5);

    let guess_of_the_new = payer.set_pin(Some(WRONG), OTHER, 7);
    assert_eq!(guess_of_the_new, Err(TaRefused::Pin));
    let other_floor = payer.set_pin(Some(PIN), OTHER, 8);
    assert_eq!(other_floor, Err(TaRefused::Pin));
    assert_eq!(payer.state().pin.tries_left, 3);
}

#[test]
fn a_pin_has_four_to_twelve_digits() {
    let (_, mut payer, _) = world(&[]);
    for new in ["", "123", "1234567890123", "12a4", "١٢٣٤", "-123"] {
        let refused = payer.set_pin(None, new, 0);
        assert_eq!(refused, Err(TaRefused::PinForm), "{new}");
    }
    assert!(!payer.state().pin.is_set);

    assert_eq!(payer.set_pin(None, "123456789012", 0), Ok(Output::PinSet));
}

#[test]
fn a_pin_is_ignored_where_none_is_set() {
    let (bank, mut payer, requests) = world(&[400]);

    assert!(payer.pay_with_pin(&bank, &requests[0], "any").is_ok());
    assert_eq!(payer.state().pin.tries_left, 5);
}

#[test]
fn a_right_pin_costs_no_try_when_the_journal_has_to_acknowledge_first() {
    let (bank, mut payer, requests) = world(&[400]);
    payer.set_pin(None, PIN, 0).expect("none is set");
    let mut nonces = 0..;
    while payer
        .open_status(&[], nonces.next().expect("it ends sooner"))
        .is_ok()
    {}

    let full = payer.pay_with_pin(&bank, &requests[0], PIN);
    assert_eq!(full, Err(TaRefused::Unacknowledged));
    assert_eq!(payer.state().pin.tries_left, 5);
}

#[test]
fn no_pin_enters_an_operation_or_the_running_hash() {
    let marks = [("1234", "5678"), ("000000", "111111")].map(|(first, second)| {
        let (bank, mut payer, requests) = world(&[400]);
        let start = payer.mark;
        payer.set_pin(None, first, 0).expect("none is set");
        payer.set_pin(Some(first), second, 0).expect("it fits");
        payer
            .pay_with_pin(&bank, &requests[0], second)
            .expect("it has money");
        let end = payer.mark;

        payer.mark = start;
        let Ok(Output::Operations(later)) = payer.begin() else {
            panic!("the journal is a past of the TA");
        };
        assert_eq!(later.len(), 3);
        for operation in &later {
            assert_eq!(operation.command, operation.command.without_pin());
            let bytes = encode(operation);
            for pin in [first, second] {
                let found = bytes.windows(pin.len()).any(|part| part == pin.as_bytes());
                assert!(!found, "{operation:?}");
            }
        }

        end
    });

    assert_eq!(marks[0], marks[1], "the mark says nothing about the PIN");
}

fn block(bank: &Bank, payer: &mut Device, request: &Signed<RequestPayment>) {
    for _ in 0..5 {
        let wrong = payer.pay_with_pin(bank, request, WRONG);
        assert_eq!(wrong, Err(TaRefused::Pin));
    }
    assert_eq!(payer.state().pin.tries_left, 0);
}

/// A payer with 5000, and a request for each amount.
fn world(amounts: &[u64]) -> (Bank, Device, Vec<Signed<RequestPayment>>) {
    let bank = Bank::new(1);
    let payer = Device::funded(1, &bank, 5_000);
    let mut payee = Device::certified(2, &bank);
    let requests = amounts.iter().map(|sum| payee.request(*sum)).collect();

    (bank, payer, requests)
}
