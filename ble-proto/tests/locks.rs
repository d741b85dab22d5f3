//! Locks and turns: a request is one payer's at a time, and nobody else's for long.

use ble_proto::error::{Failure, Waiting};
use ble_proto::limits::{LOCK_MS_MAX, PAID_LINGER_MS};
use ble_proto::message::{Message, RefuseReason, Standing};
use ble_proto::payment::payee::{LinkId, NotCredited, OpenRefused, Payee, PayeeEffect};
use ble_proto::payment::payer::{Outcome, Purpose};

use crate::kit::puppet::{PayerPuppet, START, effects};
use crate::kit::till::{
    announced, assert_resume_is_taken, choose, failure_of, has_unlocked, reveal,
};
use crate::kit::world::changed;
use crate::kit::{Pair, World, tag};

#[test]
fn one_session_holds_a_request_and_the_others_hear_busy() {
    let world = World::new();
    let mut payee = announced(&world);
    let (_, first) = choose(&mut payee, &world, 1, START);
    assert!(
        first
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Locked { .. }))
    );

    let (mut second, heard) = choose(&mut payee, &world, 2, START.after_ms(1000));

    assert_eq!(second.hear(&heard, START), [Message::Busy]);
    assert!(
        !heard
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::ShowCode { .. }))
    );
}

#[test]
fn a_lock_ends_with_its_session_and_the_next_payer_gets_it() {
    let world = World::new();
    let mut payee = announced(&world);
    choose(&mut payee, &world, 1, START);

    payee.handle_link_down(LinkId(1), START);

    assert!(has_unlocked(&effects(&mut payee)));
    let (_, heard) = choose(&mut payee, &world, 2, START.after_ms(1000));
    assert!(
        heard
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Locked { .. }))
    );
}

#[test]
fn a_lock_ends_after_60_s_without_payment_but_the_payment_is_still_taken() {
    let world = World::new();
    let mut payee = announced(&world);
    choose(&mut payee, &world, 1, START);

    payee.handle_timeout(START.after_ms(LOCK_MS_MAX - 1));
    assert!(effects(&mut payee).is_empty());
    let late = START.after_ms(LOCK_MS_MAX);
    payee.handle_timeout(late);

    let ended = effects(&mut payee);
    assert!(has_unlocked(&ended));
    let failure = failure_of(&ended, LinkId(1));
    assert_eq!(failure, Some(Failure::TimedOut(Waiting::Payment)));
    assert_resume_is_taken(&mut payee, &world, tag(1), late);
}

#[test]
fn a_payment_for_a_closed_request_comes_in_by_any_other_and_is_taken() {
    let world = World::new();
    let mut payee = announced(&world);
    payee.close_request(tag(1));
    payee
        .open_request(world.announced(2), START)
        .expect("it opens");

    assert_resume_is_taken(&mut payee, &world, tag(2), START);
}

#[test]
fn who_locked_a_request_may_pay_it_after_it_was_closed() {
    let world = World::new();
    let mut payee = announced(&world);
    let (mut puppet, _) = choose(&mut payee, &world, 1, START);

    payee.close_request(tag(1));
    let payment = Message::Payment(Box::new(world.pair(1).payment));
    puppet.send(&mut payee, &payment, START);

    let effects = effects(&mut payee);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Append { .. }))
    );
}

#[test]
fn a_request_is_awaited_from_its_lock_to_its_answer_also_when_it_was_closed() {
    let world = World::new();
    let mut payee = announced(&world);
    let request = world.request(1).hash();
    let (mut puppet, _) = choose(&mut payee, &world, 1, START);
    assert_eq!(payee.awaited(), [request]);

    payee.close_request(tag(1));
    assert_eq!(payee.awaited(), [request]);
    let payment = Message::Payment(Box::new(world.pair(1).payment));
    puppet.send(&mut payee, &payment, START);
    payee.handle_synced(ble_proto::durable::RecordNumber(1), START);
    assert_eq!(payee.awaited(), [request]);

    let credit = effects(&mut payee).iter().find_map(|effect| match effect {
        PayeeEffect::Credit { credit, .. } => Some(*credit),
        _ => None,
    });
    payee.handle_credited(credit.expect("it is on disk"), Err(NotCredited), START);
    assert_eq!(payee.awaited(), []);

    let mut payee = announced(&world);
    choose(&mut payee, &world, 1, START);
    payee.handle_link_down(LinkId(1), START);
    assert_eq!(payee.awaited(), [], "the lock ends with its session");
}

#[test]
fn who_chooses_a_closed_or_paid_request_is_refused() {
    let world = World::new();
    for reason in [RefuseReason::Closed, RefuseReason::Paid] {
        let mut payee = announced(&world);
        let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
        puppet.commit(&mut payee, tag(1), START);
        puppet.hear(&effects(&mut payee), START);
        if reason == RefuseReason::Closed {
            payee.close_request(tag(1));
        } else {
            assert_resume_is_taken(&mut payee, &world, tag(1), START);
        }

        reveal(&mut payee, &world, &mut puppet, START);

        let heard = effects(&mut payee);
        assert_eq!(puppet.hear(&heard, START), [Message::Refuse(reason)]);
    }
}

#[test]
fn a_paid_request_lingers_for_its_payer_and_is_then_not_advertised() {
    let mut pair = Pair::announced();
    pair.pay();
    let paid_at = pair.now;
    pair.payee_log.clear();

    let outcome = pair.visit_to_end(Purpose::Browse { tag: tag(1) });
    assert_eq!(outcome, Outcome::Browsed);
    assert_eq!(
        pair.offers.last().expect("offered").standing,
        Standing::Paid
    );

    pair.run_for(PAID_LINGER_MS);
    assert!(pair.now > paid_at);
    assert!(pair.payee_log.contains(&PayeeEffect::Advertise(Vec::new())));
}

#[test]
fn who_was_offered_one_request_cannot_choose_another_that_took_its_tag() {
    let world = World::new();
    let mut payee = announced(&world);
    let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
    puppet.commit(&mut payee, tag(1), START);
    puppet.hear(&effects(&mut payee), START);
    payee.close_request(tag(1));
    let mut other = world.announced(2);
    other.tag = tag(1);
    payee.open_request(other, START).expect("the tag is free");

    reveal(&mut payee, &world, &mut puppet, START);

    let heard = effects(&mut payee);
    assert_eq!(
        puppet.hear(&heard, START),
        [Message::Refuse(RefuseReason::Closed)]
    );
}

#[test]
fn a_new_request_finds_room_for_its_key_among_old_ones() {
    let world = World::new();
    let mut payee = Payee::new(world.root.public_key());
    let old = |number: u64| ble_proto::payment::payee::OwnKey {
        key: world.payee_ta.public_key(),
        provider: changed(&world.ferry_certificate, &world.root, |body| {
            body.number = number
        }),
    };
    let keys = u64::try_from(ble_proto::limits::OWN_KEYS_MAX).expect("few");
    for number in 0..keys {
        payee.add_own_key(old(number + 10)).expect("there is room");
    }
    assert_eq!(payee.add_own_key(old(9)), Err(OpenRefused::TooManyKeys));

    assert_eq!(payee.open_request(world.announced(1), START), Ok(()));
}

#[test]
fn a_request_that_was_paid_before_a_restart_is_shown_but_cannot_be_chosen() {
    let world = World::new();
    let mut payee = Payee::new(world.root.public_key());
    payee
        .open_paid(world.announced(1), START)
        .expect("it opens");

    let (mut puppet, heard) = choose(&mut payee, &world, 1, START);

    let standing = puppet.offer.as_ref().expect("offered").standing;
    assert_eq!(standing, Standing::Paid);
    assert_eq!(
        puppet.hear(&heard, START),
        [Message::Refuse(RefuseReason::Paid)]
    );
    payee.handle_timeout(START.after_ms(PAID_LINGER_MS));
    assert!(effects(&mut payee).contains(&PayeeEffect::Advertise(Vec::new())));
}

#[test]
fn the_senders_provider_is_known_while_its_payment_is_under_way() {
    let world = World::new();
    let mut payee = announced(&world);
    let payment = world.pair(1).hash();
    assert!(payee.sender_provider(&payment).is_none());

    assert_resume_is_taken(&mut payee, &world, tag(1), START);

    assert_eq!(
        payee.sender_provider(&payment),
        Some(&world.ferry_certificate)
    );
}
