//! Every illegal message in every state of the payee is refused by name; nothing of it is kept.

use ble_proto::error::{Failure, Misbehaviour, Waiting};
use ble_proto::limits::LOCK_MS_MAX;
use ble_proto::message::{Message, RefuseReason, Resume, Reveal};
use ble_proto::payment::payee::{Payee, PayeeEffect};
use ops_proto::pay_verify::PayVerifyRefused;
use ops_proto::{RequestId, SecretKey, Signed};

use crate::kit::messages::{every_kind, honest_lock};
use crate::kit::puppet::{PayerPuppet, START, chain, effects};
use crate::kit::world::changed;
use crate::kit::{World, amount, tag, world};

/// Brings a fresh payee and a puppet into a state of the payee's link.
pub(crate) fn payee_in(world: &World, waiting: Waiting) -> (Payee, PayerPuppet) {
    let mut payee = Payee::new(world.root.public_key());
    payee
        .open_request(world.announced(1), START)
        .expect("it opens");
    let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
    puppet.commit(&mut payee, tag(1), START);
    puppet.hear(&effects(&mut payee), START);
    if waiting == Waiting::Choice {
        return (payee, puppet);
    }
    let reveal = Reveal {
        nonce: puppet.nonce.take().expect("committed").open(),
        sender: chain(world.sender(), puppet.offer.as_ref().expect("offered")),
    };
    if waiting == Waiting::Leave {
        // somebody else holds the lock
        let mut other = PayerPuppet::connect(&mut payee, 2, START);
        other.commit(&mut payee, tag(1), START.after_ms(1000));
        payee.handle_timeout(START.after_ms(1000));
        other.hear(&effects(&mut payee), START);
        let reveal = Reveal {
            nonce: other.nonce.take().expect("committed").open(),
            sender: chain(world.sender(), other.offer.as_ref().expect("offered")),
        };
        other.send(&mut payee, &Message::Reveal(Box::new(reveal)), START);
        effects(&mut payee);
    }
    puppet.send(&mut payee, &Message::Reveal(Box::new(reveal)), START);
    let said = puppet.hear(&effects(&mut payee), START);
    match waiting {
        Waiting::Leave => assert_eq!(said, [Message::Busy]),
        _ => assert_eq!(said, [honest_lock()]),
    }
    if let Waiting::Collection | Waiting::Gossip = waiting {
        let payment = Message::Payment(Box::new(world.pair(1).payment));
        puppet.send(&mut payee, &payment, START);
        effects(&mut payee);
    }
    if waiting == Waiting::Gossip {
        payee.handle_synced(ble_proto::durable::RecordNumber(1), START);
        let credit = effects(&mut payee).iter().find_map(|effect| match effect {
            PayeeEffect::Credit { credit, .. } => Some(*credit),
            _ => None,
        });
        let receipt = world.receipt(world.pair(1).hash());
        payee.handle_credited(credit.expect("asked"), Ok(receipt), START);
        payee.handle_synced(ble_proto::durable::RecordNumber(2), START);
        puppet.hear(&effects(&mut payee), START);
    }
    (payee, puppet)
}

#[test]
fn a_payee_refuses_every_illegal_message_in_every_state_by_name() {
    let world = World::new();
    let legal = |waiting, message: &Message| match waiting {
        Waiting::Choice => matches!(message, Message::Resume(_)),
        Waiting::Payment => matches!(message, Message::Payment(_)),
        _ => false,
    };
    for waiting in [
        Waiting::Choice,
        Waiting::Payment,
        Waiting::Collection,
        Waiting::Leave,
    ] {
        for message in every_kind(&world) {
            if legal(waiting, &message) {
                continue;
            }
            let (mut payee, mut puppet) = payee_in(&world, waiting);
            puppet.send(&mut payee, &message, START);

            let expected = match (waiting, &message) {
                (_, Message::Abort(code)) => Failure::PeerAborted(*code),
                (Waiting::Choice, Message::Reveal(_)) => Misbehaviour::CommitmentNotOpened.into(),
                (Waiting::Choice, Message::Join(_)) => Misbehaviour::OtherMode.into(),
                _ => Failure::PeerMisbehaved(Misbehaviour::Unexpected {
                    message: message.kind(),
                    waiting,
                }),
            };
            let effects = effects(&mut payee);
            assert_eq!(failure(&effects), Some(expected), "{waiting:?} {message:?}");
            assert!(
                !effects
                    .iter()
                    .any(|effect| matches!(effect, PayeeEffect::Append { .. })),
                "nothing is kept"
            );
            if let Some(code) = expected.abort_code() {
                let said = puppet.hear(&effects, START);
                assert_eq!(
                    said,
                    [Message::Abort(code)],
                    "the peer learns the class only"
                );
            }
        }
    }
}

#[test]
fn a_browser_cannot_choose() {
    let world = World::new();
    let mut payee = Payee::new(world.root.public_key());
    payee
        .open_request(world.announced(1), START)
        .expect("it opens");
    let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
    puppet.browse(&mut payee, tag(1), START);
    puppet.hear(&effects(&mut payee), START);

    puppet.send(&mut payee, &every_kind(&world)[1], START);

    let failed = failure(&effects(&mut payee));
    assert_eq!(failed, Some(Misbehaviour::BrowserChose.into()));
}

#[test]
fn a_payee_keeps_only_payments_that_verify_and_are_for_this_device() {
    let world = World::new();
    let stranger = SecretKey::from_seed(&[99; 32]);
    let sender = world.sender().leaf;
    let request = world.request(1);
    let good = world.payment_body(&request, &sender, 1);
    let verify = |refused| Misbehaviour::Payment(refused);

    let mut other_amount = good.clone();
    other_amount.amount = amount(1249);
    let mut other_receiver = good.clone();
    other_receiver.receiver.key = stranger.public_key();
    let mut other_request = good.clone();
    other_request.request_id = RequestId(2);
    for (body, key, refused) in [
        (
            other_amount,
            &world.payer_ta,
            verify(PayVerifyRefused::OtherAmount),
        ),
        (
            other_receiver,
            &world.payer_ta,
            verify(PayVerifyRefused::OtherReceiver),
        ),
        (
            other_request,
            &world.payer_ta,
            verify(PayVerifyRefused::OtherRequest),
        ),
        (good, &stranger, verify(PayVerifyRefused::PaymentSignature)),
    ] {
        let (mut payee, mut puppet) = payee_in(&world, Waiting::Payment);
        let payment = Signed::sign(body, key);
        puppet.send(&mut payee, &Message::Payment(Box::new(payment)), START);

        let effects = effects(&mut payee);
        assert!(effects.iter().any(
            |effect| matches!(effect, PayeeEffect::PaymentRefused { reason, .. } if *reason == refused)
        ));
        assert!(
            effects
                .iter()
                .any(|effect| matches!(effect, PayeeEffect::Unlocked { .. }))
        );
        assert!(
            !effects
                .iter()
                .any(|effect| matches!(effect, PayeeEffect::Append { .. }))
        );
        let said = puppet.hear(&effects, START);
        assert_eq!(said, [Message::Refuse(RefuseReason::Payment)]);
    }
}

#[test]
fn a_resumed_payment_for_another_device_is_refused_by_name_and_blocks_nothing() {
    let world = World::new();
    let stranger = SecretKey::from_seed(&[99; 32]);
    let certificate = world::leaf(
        &world.ferry_certificate,
        &world.ferry,
        &stranger,
        "Elsewhere",
    );
    let request = changed(&world.request(1), &stranger, |body| {
        body.payee = certificate
    });
    let pair = ops_proto::PaymentPair {
        payment: world.pay(&request, &world.sender().leaf, 1),
        request,
    };
    let (mut payee, mut puppet) = payee_in(&world, Waiting::Choice);

    let resume = |pair| {
        Message::Resume(Box::new(Resume {
            pair,
            provider: None,
        }))
    };
    puppet.send(&mut payee, &resume(pair), START);

    let refused = effects(&mut payee);
    assert!(refused.iter().any(|effect| matches!(
        effect,
        PayeeEffect::PaymentRefused {
            reason: Misbehaviour::NotForThisDevice,
            ..
        }
    )));
    assert_eq!(
        puppet.hear(&refused, START),
        [Message::Refuse(RefuseReason::Payment)]
    );

    puppet.send(&mut payee, &resume(world.pair(1)), START);
    assert!(
        effects(&mut payee)
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Append { .. }))
    );
}

#[test]
fn a_sender_who_cannot_pay_is_refused_before_the_lock() {
    let world = World::new();
    let stranger = SecretKey::from_seed(&[99; 32]);
    let mut elsewhere = world.sender_elsewhere();
    elsewhere.provider = changed(&elsewhere.provider, &stranger, |_| {});
    let mut client = world.sender();
    client.leaf = changed(&client.leaf, &world.ferry, |body| {
        body.role = ops_proto::certificate::Role::Client;
    });
    for sender in [elsewhere, client] {
        let (mut payee, mut puppet) = payee_in(&world, Waiting::Choice);
        let reveal = Reveal {
            nonce: puppet.nonce.take().expect("committed").open(),
            sender: chain(sender, puppet.offer.as_ref().expect("offered")),
        };
        puppet.send(&mut payee, &Message::Reveal(Box::new(reveal)), START);

        let effects = effects(&mut payee);
        assert!(!effects.iter().any(|effect| matches!(
            effect,
            PayeeEffect::Locked { .. } | PayeeEffect::ShowCode { .. }
        )));
        assert_eq!(
            puppet.hear(&effects, START),
            [Message::Refuse(RefuseReason::Sender)]
        );
    }
}

#[test]
fn a_session_resumes_eight_payments_and_no_more() {
    let world = World::new();
    let (mut payee, mut puppet) = payee_in(&world, Waiting::Choice);
    let mut refused = world.pair(1);
    refused.payment = changed(&refused.payment, &world.payee_ta, |_| {});
    let resume = Message::Resume(Box::new(Resume {
        pair: refused,
        provider: None,
    }));
    for _ in 0..ble_proto::limits::RESUMES_PER_SESSION_MAX {
        puppet.send(&mut payee, &resume, START);
        assert_eq!(failure(&effects(&mut payee)), None);
    }

    puppet.send(&mut payee, &resume, START);

    let failed = failure(&effects(&mut payee));
    assert_eq!(failed, Some(Misbehaviour::TooManyResumes.into()));
}

#[test]
fn a_receipt_that_a_third_party_would_refuse_is_not_sent() {
    let world = World::new();
    let (mut payee, mut puppet) = payee_in(&world, Waiting::Collection);
    payee.handle_synced(ble_proto::durable::RecordNumber(1), START);
    let credit = effects(&mut payee).iter().find_map(|effect| match effect {
        PayeeEffect::Credit { credit, .. } => Some(*credit),
        _ => None,
    });

    let other = world.receipt(world.pair(2).hash());
    payee.handle_credited(credit.expect("asked"), Ok(other), START);

    let effects = effects(&mut payee);
    assert_eq!(puppet.hear(&effects, START), [Message::Held]);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Append { .. }))
    );
}

#[test]
fn a_payee_waits_until_its_own_record_is_on_disk_not_an_earlier_one() {
    let world = World::new();
    let (mut payee, mut puppet) = payee_in(&world, Waiting::Collection);
    let number = ble_proto::durable::RecordNumber;
    payee.handle_synced(number(0), START);
    assert!(effects(&mut payee).is_empty(), "the payment is record 1");
    payee.handle_synced(number(1), START);
    let credit = effects(&mut payee).iter().find_map(|effect| match effect {
        PayeeEffect::Credit { credit, .. } => Some(*credit),
        _ => None,
    });

    let receipt = world.receipt(world.pair(1).hash());
    payee.handle_credited(credit.expect("asked"), Ok(receipt.clone()), START);
    effects(&mut payee);
    payee.handle_synced(number(1), START);
    assert!(effects(&mut payee).is_empty(), "the receipt is record 2");
    payee.handle_synced(number(2), START);
    let said = puppet.hear(&effects(&mut payee), START);
    assert_eq!(said, [Message::Received(Box::new(receipt))]);
}

#[test]
fn a_payment_that_comes_on_two_links_is_credited_once_and_answered_on_both() {
    let world = World::new();
    let (mut payee, mut first) = payee_in(&world, Waiting::Collection);
    let mut second = PayerPuppet::connect(&mut payee, 5, START);
    second.browse(&mut payee, tag(1), START);
    second.hear(&effects(&mut payee), START);
    let resume = Resume {
        pair: world.pair(1),
        provider: None,
    };
    second.send(&mut payee, &Message::Resume(Box::new(resume)), START);
    assert!(effects(&mut payee).is_empty(), "it is under way already");

    payee.handle_synced(ble_proto::durable::RecordNumber(1), START);
    let credits: Vec<_> = effects(&mut payee)
        .iter()
        .filter_map(|effect| match effect {
            PayeeEffect::Credit { credit, .. } => Some(*credit),
            _ => None,
        })
        .collect();
    assert_eq!(credits.len(), 1);
    let receipt = world.receipt(world.pair(1).hash());
    payee.handle_credited(credits[0], Ok(receipt.clone()), START);
    payee.handle_synced(ble_proto::durable::RecordNumber(2), START);

    let heard = effects(&mut payee);
    let answer = [Message::Received(Box::new(receipt))];
    assert_eq!(first.hear(&heard, START), answer);
    assert_eq!(second.hear(&heard, START), answer);
}

#[test]
fn a_payment_for_a_request_under_a_providers_earlier_certificate_is_taken() {
    let world = World::new();
    let newer = changed(&world.ferry_certificate, &world.root, |body| {
        body.number = 2;
        body.not_before = world::NOW.saturating_add_ms(1);
    });
    let mut payee = Payee::new(world.root.public_key());
    for provider in [newer, world.ferry_certificate.clone()] {
        let own = ble_proto::payment::payee::OwnKey {
            key: world.payee_ta.public_key(),
            provider,
        };
        payee.add_own_key(own).expect("there is room");
    }
    payee
        .open_request(world.announced(2), START)
        .expect("it opens");
    let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
    puppet.browse(&mut payee, tag(2), START);
    puppet.hear(&effects(&mut payee), START);

    let resume = Resume {
        pair: world.pair(1),
        provider: None,
    };
    puppet.send(&mut payee, &Message::Resume(Box::new(resume)), START);

    let effects = effects(&mut payee);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Append { .. }))
    );
}

#[test]
fn nobody_locks_with_the_payees_own_certificate_as_everyone_saw_it() {
    let world = World::new();
    let (mut payee, mut puppet) = payee_in(&world, Waiting::Choice);
    let offer = puppet.offer.clone().expect("offered");
    let stolen = ops_proto::message::CertificateChain {
        leaf: offer.request.body().payee.clone(),
        provider: offer.provider.clone(),
    };

    let said = reveal(&mut payee, &mut puppet, stolen, START);

    assert_eq!(said, [Message::Refuse(RefuseReason::Sender)]);
    assert_eq!(
        payee.poll_effect(),
        None,
        "nothing is shown, nothing is locked"
    );
}

#[test]
fn a_sender_locks_a_request_three_times_without_paying_and_others_still_may() {
    let world = World::new();
    let mut payee = Payee::new(world.root.public_key());
    payee
        .open_request(world.announced(1), START)
        .expect("it opens");
    let mut now = START;
    let mut said = Vec::new();
    for link in 1..=4 {
        let mut puppet = PayerPuppet::connect(&mut payee, link, now);
        puppet.commit(&mut payee, tag(1), now);
        puppet.hear(&effects(&mut payee), now);
        said.extend(reveal(&mut payee, &mut puppet, world.sender(), now));
        now = now.after_ms(LOCK_MS_MAX);
        payee.handle_timeout(now);
        effects(&mut payee);
    }
    let refused = Message::Refuse(RefuseReason::Sender);
    assert_eq!(said, [honest_lock(), honest_lock(), honest_lock(), refused]);

    let mut other = PayerPuppet::connect(&mut payee, 5, now);
    other.commit(&mut payee, tag(1), now);
    other.hear(&effects(&mut payee), now);
    let key = SecretKey::from_seed(&[98; 32]);
    let sender = ops_proto::message::CertificateChain {
        leaf: world::leaf(&world.ferry_certificate, &world.ferry, &key, "Other"),
        provider: world.ferry_certificate.clone(),
    };
    let said = reveal(&mut payee, &mut other, sender, now);
    assert_eq!(said, [honest_lock()]);
}

fn reveal(
    payee: &mut Payee,
    puppet: &mut PayerPuppet,
    sender: ops_proto::message::CertificateChain,
    now: ble_proto::time::Instant,
) -> Vec<Message> {
    let reveal = Reveal {
        nonce: puppet.nonce.take().expect("committed").open(),
        sender: chain(sender, puppet.offer.as_ref().expect("offered")),
    };
    puppet.send(payee, &Message::Reveal(Box::new(reveal)), now);

    puppet.hear(&effects(payee), now)
}

fn failure(effects: &[PayeeEffect]) -> Option<Failure> {
    effects.iter().find_map(|effect| match effect {
        PayeeEffect::LinkFailed { failure, .. } => Some(*failure),
        _ => None,
    })
}
