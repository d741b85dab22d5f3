//! What a payer does when something breaks off: a disk that is slow, a link that goes, a payee or a person who stops.

use ble_proto::error::{Failure, Waiting};
use ble_proto::message::{AbortCode, Message};
use ble_proto::payment::payer::{Outcome, PayerEffect, PayerRecord, Reveals};

use crate::kit::World;
use crate::kit::puppet::{PayeePuppet, START};
use crate::payer_refuses::{approval, pay, payer_in};

#[test]
fn a_payer_waits_until_its_own_record_is_on_disk_not_an_earlier_one() {
    let world = World::new();
    let earlier = |number| ble_proto::durable::RecordNumber(number);
    let asked = |puppet: &PayeePuppet| {
        puppet
            .effects
            .iter()
            .any(|effect| matches!(effect, PayerEffect::InvokePay { .. }))
    };

    let mut puppet = payer_in(&world, Waiting::Approval);
    puppet.payer.handle_approved(&approval(&world), START);
    puppet.payer.handle_synced(earlier(0), START);
    puppet.listen();
    assert!(!asked(&puppet), "the intent is record 1");
    puppet.payer.handle_synced(earlier(1), START);
    puppet.listen();
    assert!(asked(&puppet));

    puppet.payer.handle_paid(Ok(world.pair(1).payment));
    puppet.payer.handle_synced(earlier(1), START);
    puppet.listen();
    let is_payment = |said: Option<&Message>| matches!(said, Some(Message::Payment(_)));
    assert!(!is_payment(puppet.said.last()), "the payment is record 2");
    puppet.payer.handle_synced(earlier(2), START);
    puppet.listen();
    assert!(is_payment(puppet.said.last()));

    let receipt = world.receipt(world.pair(1).hash());
    puppet.send(&Message::Received(Box::new(receipt)));
    puppet.payer.handle_synced(earlier(2), START);
    assert_eq!(puppet.outcome(), None, "the receipt is record 3");
    puppet.payer.handle_synced(earlier(3), START);
    assert!(matches!(puppet.outcome(), Some(Outcome::Paid { .. })));
}

#[test]
fn a_receipt_that_came_counts_even_if_the_link_goes_while_it_is_written() {
    let world = World::new();
    let mut puppet = payer_in(&world, Waiting::Receipt);
    let receipt = world.receipt(world.pair(1).hash());
    puppet.send(&Message::Received(Box::new(receipt)));

    puppet.payer.handle_link_down();
    puppet
        .payer
        .handle_synced(ble_proto::durable::RecordNumber(3), START);

    assert!(matches!(puppet.outcome(), Some(Outcome::Paid { .. })));
}

#[test]
fn a_payee_who_aborts_while_the_payment_is_written_does_not_get_it_then() {
    let world = World::new();
    let mut puppet = payer_in(&world, Waiting::Signature);
    puppet.payer.handle_paid(Ok(world.pair(1).payment));
    puppet.send(&Message::Abort(AbortCode::TimedOut));
    assert_eq!(puppet.outcome(), None, "the payment is still being written");

    puppet
        .payer
        .handle_synced(ble_proto::durable::RecordNumber(2), START);

    let unanswered = Outcome::Unanswered {
        payment: world.pair(1).hash(),
        failure: Failure::PeerAborted(AbortCode::TimedOut),
    };
    assert_eq!(puppet.outcome(), Some(unanswered));
}

#[test]
fn a_payer_says_its_providers_certificate_only_if_the_payee_did_not() {
    let world = World::new();
    for (sender, is_said) in [(world.sender(), false), (world.sender_elsewhere(), true)] {
        let mut visit = crate::kit::puppet::visit(&world, pay());
        visit.sender = sender;
        let mut puppet = PayeePuppet::visited_by(visit);
        puppet.offer(&world);
        puppet.payer.handle_chosen(&mut Reveals::default(), START);
        puppet.listen();

        let Some(Message::Reveal(reveal)) = puppet.said.last() else {
            unreachable!("flight 3 was said");
        };
        assert_eq!(reveal.sender.provider.is_some(), is_said);
    }
}

#[test]
fn half_an_answer_is_waited_for_10_s() {
    let world = World::new();
    let mut puppet = payer_in(&world, Waiting::Receipt);
    let half = puppet.half_frame();

    puppet.payer.handle_frame(&half, START);

    assert_eq!(puppet.payer.poll_timeout(), Some(START.after_ms(10_000)));
    puppet.payer.handle_timeout(START.after_ms(10_000));
    let outcome = puppet.outcome();
    assert!(
        matches!(
            outcome,
            Some(Outcome::Unanswered {
                failure: Failure::Frame(ble_proto::frame::FrameError::TimedOut),
                ..
            })
        ),
        "{outcome:?}"
    );
}

#[test]
fn a_declined_offer_debits_nothing_and_tells_the_payee() {
    let world = World::new();
    for waiting in [Waiting::OwnChoice, Waiting::Locked, Waiting::Approval] {
        let mut puppet = payer_in(&world, waiting);
        puppet.payer.handle_declined();

        assert_eq!(puppet.outcome(), Some(Outcome::Declined));
        assert_eq!(
            puppet.said.last(),
            Some(&Message::Abort(AbortCode::Declined))
        );
    }
}

#[test]
fn to_decline_after_the_ta_was_asked_changes_nothing() {
    let world = World::new();
    let mut puppet = payer_in(&world, Waiting::Signature);

    puppet.payer.handle_declined();
    puppet.payer.handle_paid(Ok(world.pair(1).payment));

    assert_eq!(puppet.outcome(), None);
    assert!(puppet.effects.iter().any(|effect| matches!(
        effect,
        PayerEffect::Append {
            record: PayerRecord::PaymentSigned { .. },
            ..
        }
    )));
}
