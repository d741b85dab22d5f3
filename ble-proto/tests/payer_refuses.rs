//! Every illegal message in every state of the payer is refused by name; nothing is debited, and a payment
//! that the TA has signed is kept.

use ble_proto::error::{ApprovalRefused, Failure, Misbehaviour, Waiting};
use ble_proto::message::{AbortCode, Locked, Message, Offer};
use ble_proto::payment::payer::{
    self, Approval, Approver, Expected, KnownPayee, Outcome, PayerEffect, Purpose, Reveals,
};
use ops_proto::message::NoiseKey;
use ops_proto::pay_verify::PayVerifyRefused;
use ops_proto::{RequestId, SecretKey};

use crate::kit::messages::{every_kind, honest_lock};
use crate::kit::puppet::{PayeePuppet, START};
use crate::kit::world::changed;
use crate::kit::{World, amount, tag, world};

pub(crate) fn pay() -> Purpose {
    Purpose::Pay {
        tag: tag(1),
        expected: Expected::default(),
    }
}

/// Brings a fresh payer, opposite a puppet, into a state.
pub(crate) fn payer_in(world: &World, waiting: Waiting) -> PayeePuppet {
    let mut visit = crate::kit::puppet::visit(world, pay());
    visit.holding = (waiting == Waiting::Gossip).then(world::newer_directory);
    let mut puppet = PayeePuppet::visited_by(visit);
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
        .handle_synced(ble_proto::durable::RecordNumber(1), START);
    if waiting == Waiting::Signature {
        puppet.listen();
        return puppet;
    }
    puppet.payer.handle_paid(Ok(world.pair(1).payment));
    puppet
        .payer
        .handle_synced(ble_proto::durable::RecordNumber(2), START);
    puppet.listen();
    if waiting == Waiting::Gossip {
        let receipt = world.receipt(world.pair(1).hash());
        puppet.send(&Message::Received(Box::new(receipt)));
        puppet
            .payer
            .handle_synced(ble_proto::durable::RecordNumber(3), START);
        puppet.listen();
    }
    puppet
}

pub(crate) fn approval(world: &World) -> Approval {
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
            .handle_synced(ble_proto::durable::RecordNumber(2), START);
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
                .any(|effect| matches!(effect, PayerEffect::InvokePay { .. })),
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
    let other_payee = Approval {
        payee: SecretKey::from_seed(&[99; 32]).public_key(),
        ..good
    };
    let by = |by| Approval { by, ..good };
    for (approval, refused) in [
        (other_payee, ApprovalRefused::OtherOffer),
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
                PayerEffect::Append { .. } | PayerEffect::InvokePay { .. }
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
fn a_false_receipt_for_a_payment_sent_again_is_refused_and_nothing_is_written() {
    let world = World::new();
    let stranger = SecretKey::from_seed(&[99; 32]);
    let payment = world.pair(1).hash();
    let forged = changed(&world.receipt(payment), &stranger, |_| {});
    for receipt in [forged, world.receipt(world.pair(2).hash())] {
        let mut visit = crate::kit::puppet::visit(&world, Purpose::Resume { tag: tag(1) });
        visit.unsettled = vec![payer::Unsettled {
            pair: world.pair(1),
            provider: world.ferry_certificate.clone(),
        }];
        let mut puppet = PayeePuppet::visited_by(visit);
        puppet.offer(&world);
        puppet.send(&Message::Received(Box::new(receipt)));

        let outcome = puppet.outcome();
        assert!(
            matches!(
                outcome,
                Some(Outcome::Failed(Failure::PeerMisbehaved(
                    Misbehaviour::Receipt(_)
                )))
            ),
            "{outcome:?}"
        );
        assert!(!has_appended(&puppet.effects));
    }
}

fn has_appended(effects: &[PayerEffect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, PayerEffect::Append { .. }))
}
