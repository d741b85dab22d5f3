//! Every illegal message in every state is refused by name, on both sides; nothing is debited or kept.

use ble_proto::code::OpenedNonce;
use ble_proto::error::{Failure, Misbehaviour, Waiting};
use ble_proto::message::{AbortCode, Locked, Message, Offer, RefuseReason, Resume, Reveal};
use ble_proto::payment::payee::{Effect, Payee};
use ble_proto::payment::payer::{
    self, Approval, ApprovalRefused, Approver, Expected, KnownPayee, Outcome, Purpose, Reveals,
};
use ops_proto::message::NoiseKey;
use ops_proto::pay_verify::PayVerifyRefused;
use ops_proto::{RequestId, SecretKey, Signed};

use crate::kit::puppet::{PayeePuppet, PayerPuppet, START, chain, effects};
use crate::kit::world::changed;
use crate::kit::{MEMO, World, amount, tag, world};

/// One message of every kind, each well formed.
fn every_kind(world: &World) -> Vec<Message> {
    let offer = PayeePuppet::honest_offer(world);
    let sender = chain(world.sender(), &offer);
    let pair = world.pair(1);
    vec![
        Message::Offer(Box::new(offer)),
        Message::Reveal(Box::new(Reveal {
            nonce: OpenedNonce([1; 32]),
            sender: sender.clone(),
        })),
        Message::Join(Box::new(sender)),
        honest_lock(),
        Message::Busy,
        Message::Refuse(RefuseReason::Closed),
        Message::Payment(Box::new(pair.payment.clone())),
        Message::Resume(Box::new(Resume {
            pair: pair.clone(),
            provider: None,
        })),
        Message::Received(Box::new(world.receipt(pair.hash()))),
        Message::Held,
        Message::Abort(AbortCode::Declined),
    ]
}

fn honest_lock() -> Message {
    Message::Locked(Locked {
        memo: MEMO.parse().expect("a memo"),
        salt: world::SALT,
    })
}

// --- the payee

/// Brings a fresh payee and a puppet into a state of the payee's link.
fn payee_in(world: &World, waiting: Waiting) -> (Payee, PayerPuppet) {
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
    if waiting == Waiting::Collection {
        let payment = Message::Payment(Box::new(world.pair(1).payment));
        puppet.send(&mut payee, &payment, START);
        effects(&mut payee);
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
                    .any(|effect| matches!(effect, Effect::Append { .. })),
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
            |effect| matches!(effect, Effect::PaymentRefused { reason, .. } if *reason == refused)
        ));
        assert!(
            effects
                .iter()
                .any(|effect| matches!(effect, Effect::Unlocked { .. }))
        );
        assert!(
            !effects
                .iter()
                .any(|effect| matches!(effect, Effect::Append { .. }))
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
        Effect::PaymentRefused {
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
            .any(|effect| matches!(effect, Effect::Append { .. }))
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
        assert!(
            !effects
                .iter()
                .any(|effect| matches!(effect, Effect::Locked { .. } | Effect::ShowCode { .. }))
        );
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
    payee.handle_synced(ble_proto::durable::Seq(1), START);
    let credit = effects(&mut payee).iter().find_map(|effect| match effect {
        Effect::Credit { credit, .. } => Some(*credit),
        _ => None,
    });

    let other = world.receipt(world.pair(2).hash());
    payee.handle_credited(credit.expect("asked"), Ok(other), START);

    let effects = effects(&mut payee);
    assert_eq!(puppet.hear(&effects, START), [Message::Held]);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Append { .. }))
    );
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

    payee.handle_synced(ble_proto::durable::Seq(1), START);
    let credits: Vec<_> = effects(&mut payee)
        .iter()
        .filter_map(|effect| match effect {
            Effect::Credit { credit, .. } => Some(*credit),
            _ => None,
        })
        .collect();
    assert_eq!(credits.len(), 1);
    let receipt = world.receipt(world.pair(1).hash());
    payee.handle_credited(credits[0], Ok(receipt.clone()), START);
    payee.handle_synced(ble_proto::durable::Seq(2), START);

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
            .any(|effect| matches!(effect, Effect::Append { .. }))
    );
}

fn failure(effects: &[Effect]) -> Option<Failure> {
    effects.iter().find_map(|effect| match effect {
        Effect::LinkFailed { failure, .. } => Some(*failure),
        _ => None,
    })
}

// --- the payer

fn pay() -> Purpose {
    Purpose::Pay {
        tag: tag(1),
        expected: Expected::default(),
    }
}

/// Brings a fresh payer, opposite a puppet, into a state.
fn payer_in(world: &World, waiting: Waiting) -> PayeePuppet {
    let mut puppet = PayeePuppet::visited(world, pay());
    if waiting == Waiting::Offer {
        return puppet;
    }
    puppet.offer(world);
    if waiting == Waiting::OwnChoice {
        return puppet;
    }
    puppet.payer.handle_chosen(&mut Reveals::default(), START);
    puppet.listen();
    if waiting == Waiting::Locked {
        return puppet;
    }
    puppet.send(&honest_lock());
    if waiting == Waiting::Approval {
        return puppet;
    }
    puppet.payer.handle_approved(&approval(world), START);
    puppet
        .payer
        .handle_synced(ble_proto::durable::Seq(1), START);
    if waiting == Waiting::Signature {
        puppet.listen();
        return puppet;
    }
    puppet.payer.handle_paid(Ok(world.pair(1).payment));
    puppet
        .payer
        .handle_synced(ble_proto::durable::Seq(2), START);
    puppet.listen();
    puppet
}

fn approval(world: &World) -> Approval {
    Approval {
        payee: world.payee_ta.public_key(),
        request: RequestId(1),
        amount: amount(1250),
        by: Approver::Person,
    }
}

#[test]
fn a_payer_refuses_every_illegal_message_in_every_state_by_name() {
    let world = World::new();
    let legal = |waiting, message: &Message| match waiting {
        Waiting::Offer => matches!(message, Message::Offer(_)),
        Waiting::Locked => {
            matches!(
                message,
                Message::Locked(_) | Message::Busy | Message::Refuse(_)
            )
        }
        Waiting::Receipt => {
            matches!(
                message,
                Message::Received(_) | Message::Held | Message::Refuse(_)
            )
        }
        _ => false,
    };
    for waiting in [
        Waiting::Offer,
        Waiting::OwnChoice,
        Waiting::Locked,
        Waiting::Approval,
        Waiting::Signature,
        Waiting::Receipt,
    ] {
        for message in every_kind(&world) {
            if legal(waiting, &message) {
                continue;
            }
            let mut puppet = payer_in(&world, waiting);
            match waiting {
                Waiting::Offer => puppet.offer_this(&message),
                _ => puppet.send(&message),
            }
            let expected = match (waiting, &message) {
                (Waiting::Offer, _) => unexpected(&message, waiting),
                (_, Message::Abort(code)) => Failure::PeerAborted(*code),
                _ => unexpected(&message, waiting),
            };
            assert_failed(&mut puppet, &world, waiting, expected, &message);
        }
    }
}

fn unexpected(message: &Message, waiting: Waiting) -> Failure {
    Failure::PeerMisbehaved(Misbehaviour::Unexpected {
        message: message.kind(),
        waiting,
    })
}

fn assert_failed(
    puppet: &mut PayeePuppet,
    world: &World,
    waiting: Waiting,
    failure: Failure,
    message: &Message,
) {
    if waiting == Waiting::Signature {
        // the TA may have debited itself: the payment is still taken, and written
        assert_eq!(puppet.outcome(), None);
        puppet.payer.handle_paid(Ok(world.pair(1).payment));
        puppet
            .payer
            .handle_synced(ble_proto::durable::Seq(2), START);
    }
    let payment = world.pair(1).hash();
    let expected = match waiting {
        Waiting::Signature | Waiting::Receipt => Outcome::Unanswered { payment, failure },
        _ => Outcome::Failed(failure),
    };
    assert_eq!(puppet.outcome(), Some(expected), "{waiting:?} {message:?}");
    if !matches!(waiting, Waiting::Signature | Waiting::Receipt) {
        assert!(
            !puppet
                .effects
                .iter()
                .any(|effect| matches!(effect, payer::Effect::InvokePay { .. })),
            "nothing is debited"
        );
    }
}

#[test]
fn a_payer_refuses_every_false_offer_by_name() {
    let world = World::new();
    let stranger = SecretKey::from_seed(&[99; 32]);
    let honest = PayeePuppet::honest_offer(&world);
    let offer = |request| Offer {
        request,
        ..honest.clone()
    };
    let other_key = changed(&honest.request, &world.payee_ta, |body| {
        body.noise_key = NoiseKey([1; 32]);
    });
    let forged = changed(&honest.request, &stranger, |_| {});
    let other_root = Offer {
        provider: changed(&honest.provider, &stranger, |_| {}),
        ..honest.clone()
    };
    let refused = Misbehaviour::Request;
    for (offer, misbehaviour) in [
        (offer(other_key), Misbehaviour::OtherNoiseKey),
        (offer(forged), refused(PayVerifyRefused::RequestSignature)),
        (
            other_root,
            refused(PayVerifyRefused::PayeeChain(
                ops_proto::certificate::ChainRefused::ProviderSignature,
            )),
        ),
    ] {
        let mut puppet = PayeePuppet::visited(&world, pay());
        puppet.offer_this(&Message::Offer(Box::new(offer)));

        let outcome = puppet.outcome();
        assert_eq!(outcome, Some(Outcome::Failed(misbehaviour.into())));
        assert_eq!(puppet.said, [Message::Abort(AbortCode::ProtocolViolation)]);
    }
}

#[test]
fn a_payer_pays_only_what_was_chosen_and_seen() {
    let world = World::new();
    let payee = world.payee_ta.public_key();
    let known = |payee, request, amount| Expected {
        payee,
        request,
        amount,
    };
    let stranger = SecretKey::from_seed(&[99; 32]).public_key();
    for (expected, fits) in [
        (
            known(
                Some(KnownPayee::SeenWhileBrowsing(payee)),
                Some(RequestId(1)),
                Some(amount(1250)),
            ),
            true,
        ),
        (
            known(Some(KnownPayee::NamedByOwner(stranger)), None, None),
            false,
        ),
        (known(None, Some(RequestId(2)), None), false),
        (known(None, None, Some(amount(1249))), false),
    ] {
        let purpose = Purpose::Pay {
            tag: tag(1),
            expected,
        };
        let mut puppet = PayeePuppet::visited(&world, purpose);
        puppet.offer(&world);

        let refused = Outcome::Failed(Misbehaviour::NotWhatWasChosen.into());
        assert_eq!(puppet.outcome(), (!fits).then_some(refused));
    }
}

#[test]
fn a_scanned_amount_or_currency_that_differs_from_the_offer_is_refused() {
    let world = World::new();
    for (minor_units, currency, fits) in [
        (1250, "EUR", true),
        (1249, "EUR", false),
        (1250, "CHF", false),
    ] {
        let mut uri = world.uri(1);
        uri.hint = Some(ble_proto::uri::AmountHint {
            amount: amount(minor_units),
            currency: currency.parse().expect("a code"),
        });
        let mut puppet = PayeePuppet::visited(&world, Purpose::PayScanned { uri });
        puppet.offer(&world);

        let refused = Outcome::Failed(Misbehaviour::NotWhatWasChosen.into());
        assert_eq!(puppet.outcome(), (!fits).then_some(refused));
    }
}

#[test]
fn an_offer_in_another_currency_than_the_payers_is_refused() {
    let world = World::new();
    let mut visit = crate::kit::puppet::visit(&world, pay());
    visit.sender.leaf = changed(&visit.sender.leaf, &world.ferry, |body| {
        body.currency = "CHF".parse().expect("a code");
    });
    let mut puppet = PayeePuppet::visited_by(visit);
    puppet.offer(&world);

    let refused = Outcome::Failed(Misbehaviour::OtherCurrency.into());
    assert_eq!(puppet.outcome(), Some(refused));
}

#[test]
fn a_payer_sends_a_payment_again_only_to_its_receiver_and_at_most_eight() {
    let world = World::new();
    let stranger = SecretKey::from_seed(&[99; 32]);
    let unsettled = |id, receiver: &SecretKey| {
        let mut pair = world.pair(id);
        pair.payment = changed(&pair.payment, &world.payer_ta, |body| {
            body.receiver.key = receiver.public_key();
        });
        payer::Unsettled {
            pair,
            provider: world.ferry_certificate.clone(),
        }
    };
    let mut visit = crate::kit::puppet::visit(&world, Purpose::Resume { tag: tag(1) });
    visit.unsettled = vec![unsettled(2, &stranger)];
    visit
        .unsettled
        .extend((3..20).map(|id| unsettled(id, &world.payee_ta)));
    let mut puppet = PayeePuppet::visited_by(visit);
    puppet.offer(&world);
    for _ in 0..8 {
        puppet.send(&Message::Held);
    }

    assert_eq!(puppet.outcome(), Some(Outcome::Resumed { answered: 8 }));
    let resumed: Vec<_> = puppet
        .said
        .iter()
        .filter_map(|message| match message {
            Message::Resume(resume) => Some(resume.pair.request.body().request_id.0),
            _ => None,
        })
        .collect();
    assert_eq!(resumed, [3, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn too_many_unsettled_payments_are_a_misuse_and_nothing_is_sent() {
    let world = World::new();
    let mut visit = crate::kit::puppet::visit(&world, pay());
    let unsettled = payer::Unsettled {
        pair: world.pair(1),
        provider: world.ferry_certificate,
    };
    visit.unsettled = vec![unsettled; ble_proto::limits::UNSETTLED_MAX + 1];

    let refused = payer::Payer::new(visit, START).map(|_| ());

    assert!(matches!(refused, Err(Failure::ApiMisuse(_))));
}

#[test]
fn an_approval_for_anything_else_than_the_offer_is_refused_by_name() {
    let world = World::new();
    let good = approval(&world);
    let other_amount = Approval {
        amount: amount(1249),
        ..good
    };
    let other_request = Approval {
        request: RequestId(2),
        ..good
    };
    let by = |by| Approval { by, ..good };
    for (approval, refused) in [
        (other_amount, ApprovalRefused::OtherOffer),
        (other_request, ApprovalRefused::OtherOffer),
        (by(Approver::PolicyNamedPayee), ApprovalRefused::MerelyHeard),
        (by(Approver::PolicyScannedUri), ApprovalRefused::MerelyHeard),
    ] {
        for waiting in [Waiting::Locked, Waiting::Approval] {
            let mut puppet = payer_in(&world, waiting);
            puppet.payer.handle_approved(&approval, START);

            let outcome = puppet.outcome();
            assert_eq!(outcome, Some(Outcome::Failed(Failure::Approval(refused))));
            assert!(!puppet.effects.iter().any(|effect| matches!(
                effect,
                payer::Effect::Append { .. } | payer::Effect::InvokePay { .. }
            )));
        }
    }
}

#[test]
fn a_policy_may_approve_a_payee_that_the_owner_named_but_not_one_seen_while_browsing() {
    let world = World::new();
    let key = world.payee_ta.public_key();
    for (known, may) in [
        (KnownPayee::NamedByOwner(key), true),
        (KnownPayee::SeenWhileBrowsing(key), false),
    ] {
        let purpose = Purpose::Pay {
            tag: tag(1),
            expected: Expected {
                payee: Some(known),
                ..Expected::default()
            },
        };
        let mut puppet = PayeePuppet::visited(&world, purpose);
        puppet.offer(&world);
        puppet.payer.handle_chosen(&mut Reveals::default(), START);
        let policy = Approval {
            by: Approver::PolicyNamedPayee,
            ..approval(&world)
        };
        puppet.payer.handle_approved(&policy, START);

        let refused = Outcome::Failed(Failure::Approval(ApprovalRefused::MerelyHeard));
        assert_eq!(puppet.outcome(), (!may).then_some(refused));
    }
}

#[test]
fn a_memo_that_the_request_does_not_name_is_refused() {
    let world = World::new();
    let mut puppet = payer_in(&world, Waiting::Locked);

    puppet.send(&Message::Locked(Locked {
        memo: "three coffees".parse().expect("a memo"),
        salt: world::SALT,
    }));

    let refused = Outcome::Failed(Misbehaviour::OtherMemo.into());
    assert_eq!(puppet.outcome(), Some(refused));
}

#[test]
fn a_receipt_of_another_key_or_for_another_payment_is_refused_and_the_payment_stays_unsettled() {
    let world = World::new();
    let payment = world.pair(1).hash();
    let stranger = SecretKey::from_seed(&[99; 32]);
    let forged = changed(&world.receipt(payment), &stranger, |_| {});
    for receipt in [forged, world.receipt(world.pair(2).hash())] {
        let mut puppet = payer_in(&world, Waiting::Receipt);
        puppet.send(&Message::Received(Box::new(receipt)));

        let outcome = puppet.outcome();
        assert!(
            matches!(
                outcome,
                Some(Outcome::Unanswered {
                    failure: Failure::PeerMisbehaved(Misbehaviour::Receipt(_)),
                    ..
                })
            ),
            "{outcome:?}"
        );
    }
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
        payer::Effect::Append {
            record: payer::Record::PaymentSigned { .. },
            ..
        }
    )));
}
