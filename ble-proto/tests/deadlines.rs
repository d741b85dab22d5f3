//! Time: nobody waits for ever, and the TA is not asked for what would come too late.

use ble_proto::error::{Failure, Waiting};
use ble_proto::limits::{BROWSER_MS_MAX, CHOICE_MS_MAX, HELLO_MS_MAX, LEAVE_MS_MAX};
use ble_proto::payment::payee::{LinkId, Payee, PayeeEffect};
use ble_proto::payment::payer::{Outcome, Purpose};

use crate::kit::puppet::{PayerPuppet, START, effects};
use crate::kit::till::{announced, choose, failure_of, has_unlocked};
use crate::kit::world::changed;
use crate::kit::{Pair, Person, World, tag};

/// What a stranger does, and how long the payee bears it.
type Case = (fn(&mut Payee), u64, Waiting);

#[test]
fn nobody_waits_for_ever() {
    let world = World::new();
    let silent = |payee: &mut Payee| drop(PayerPuppet::connect(payee, 1, START));
    let browser = |payee: &mut Payee| {
        PayerPuppet::connect(payee, 1, START).browse(payee, tag(1), START);
    };
    let undecided = |payee: &mut Payee| {
        PayerPuppet::connect(payee, 1, START).commit(payee, tag(1), START);
    };
    let cases: [Case; 3] = [
        (silent, HELLO_MS_MAX, Waiting::Hello),
        (browser, BROWSER_MS_MAX, Waiting::Choice),
        (undecided, CHOICE_MS_MAX, Waiting::Choice),
    ];
    for (act, wait_ms, waiting) in cases {
        let mut payee = announced(&world);
        act(&mut payee);
        effects(&mut payee);

        assert_eq!(payee.poll_timeout(), Some(START.after_ms(wait_ms)));
        payee.handle_timeout(START.after_ms(wait_ms));
        let failure = failure_of(&effects(&mut payee), LinkId(1));
        assert_eq!(failure, Some(Failure::TimedOut(waiting)));
    }
}

#[test]
fn a_payer_who_was_answered_and_does_not_leave_is_left() {
    let world = World::new();
    let mut payee = announced(&world);
    choose(&mut payee, &world, 1, START);
    choose(&mut payee, &world, 2, START.after_ms(1000));

    payee.handle_timeout(START.after_ms(1000 + LEAVE_MS_MAX));

    let ended = effects(&mut payee);
    assert_eq!(ended, [PayeeEffect::Disconnect { link: LinkId(2) }]);
}

#[test]
fn the_ta_is_not_asked_once_the_lock_is_about_to_end() {
    let mut pair = Pair::announced();
    pair.person = Person::ApprovesAfter(56_000);

    let outcome = pair.pay();

    assert_eq!(
        outcome,
        Outcome::Failed(Failure::TimedOut(Waiting::Approval))
    );
    assert!(pair.debits.is_empty());
}

#[test]
fn the_ta_is_not_asked_when_the_lock_ends_while_the_intent_is_written() {
    let mut pair = Pair::announced();
    pair.person = Person::ApprovesAfter(54_000);
    pair.air.disk_ms = 2_000;

    let outcome = pair.pay();

    assert_eq!(
        outcome,
        Outcome::Failed(Failure::TimedOut(Waiting::Approval))
    );
    assert!(pair.debits.is_empty());
}

#[test]
fn the_ta_is_not_asked_once_the_requests_validity_is_over() {
    let mut pair = Pair::new(1);
    let short = changed(&pair.world.request(1), &pair.world.payee_ta, |body| {
        body.validity = 5_000.try_into().expect("in range");
    });
    let open = pair
        .world
        .open(short, ble_proto::payment::payee::WayIn::Announced);
    pair.payee.open_request(open, pair.now).expect("it opens");
    pair.person = Person::ApprovesAfter(6_000);

    let outcome = pair.pay();

    assert_eq!(
        outcome,
        Outcome::Failed(Failure::TimedOut(Waiting::Approval))
    );
    assert!(pair.debits.is_empty());
}

#[test]
fn the_ta_is_not_asked_when_the_link_goes_while_the_intent_is_written() {
    let mut pair = Pair::announced();
    pair.air.disk_ms = 1_000;
    pair.visit(Purpose::Pay {
        tag: tag(1),
        expected: Default::default(),
    });
    pair.run_for(500);

    pair.cut();
    pair.run();

    assert_eq!(pair.outcomes, [Outcome::Failed(Failure::LinkLost)]);
    assert!(pair.debits.is_empty());
}

#[test]
fn a_ta_that_refuses_debits_nothing_and_frees_the_request() {
    let mut pair = Pair::announced();
    pair.ta_refuses = true;

    let outcome = pair.pay();

    assert_eq!(outcome, Outcome::Failed(Failure::TaRefused));
    assert!(has_unlocked(&pair.payee_log));
}

#[test]
fn a_person_who_declines_or_misreads_debits_nothing_and_frees_the_request() {
    for person in [
        Person::Declines,
        Person::Misreads(crate::kit::amount(1249)),
        Person::Ponders,
    ] {
        let mut pair = Pair::announced();
        pair.person = person;

        pair.pay();

        assert!(pair.debits.is_empty());
        assert!(has_unlocked(&pair.payee_log), "{person:?}");
    }
}
