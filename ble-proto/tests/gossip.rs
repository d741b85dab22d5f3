//! Deny-lists: they go both ways after the receipt, cost the payment nothing, and refuse whom they
//! name before a lock, and nobody after the debit.

use ble_proto::error::Waiting;
use ble_proto::gossip::{Denied, DeniedSubject, Gathering, GossipItem, HeldList, Holding, Revoked};
use ble_proto::limits::{
    CHUNK_SIZE_MIN, GOSSIP_FRAMES_MAX, GOSSIP_ITEMS_MAX, GOSSIP_MS_MAX, GOSSIP_PIECES_MAX,
    LEAVE_MS_MAX,
};
use ble_proto::message::{Message, RefuseReason};
use ble_proto::payment::payee::{LinkId, Payee, PayeeEffect};
use ble_proto::payment::payer::Outcome;
use ops_proto::message::{ListVersion, ListsHeld, ProviderList};

use crate::kit::messages::every_kind;
use crate::kit::puppet::{PayerPuppet, START, effects};
use crate::kit::{Air, Direction, Pair, World};
use crate::payee_refuses::payee_in;
use crate::payer_refuses::payer_in;

#[test]
fn after_the_receipt_each_side_passes_on_what_the_other_lacks() {
    let mut pair = gossiping();

    let outcome = pair.pay();

    assert!(matches!(outcome, Outcome::Paid { .. }), "{outcome:?}");
    assert_eq!(pair.payer_heard, pair.payee_passes_on);
    assert_eq!(pair.payee_heard, pair.payer_passes_on);
    assert_eq!(pair.payee_asked, [pair.payer_holding.clone().expect("set")]);
    let (_, frames) = pair.receipt_at.expect("paid");
    let payment = &pair.frames[..frames];
    assert_eq!(
        payment
            .iter()
            .filter(|(to, _)| *to == Direction::ToPayee)
            .count(),
        3,
        "not one frame of it before the receipt is on disk"
    );
}

#[test]
fn it_passes_at_the_smallest_mtu_a_piece_at_a_time_at_least() {
    let mut pair = gossiping();
    pair.air.chunk = CHUNK_SIZE_MIN;

    let outcome = pair.pay();

    assert!(matches!(outcome, Outcome::Paid { .. }), "{outcome:?}");
    assert_eq!((pair.payer_heard.len(), pair.payee_heard.len()), (2, 1));
    assert!(pair.payee_passes_on.starts_with(&pair.payer_heard));
    assert!(pair.frames.len() < 3 * GOSSIP_FRAMES_MAX);
}

#[test]
fn one_visit_carries_no_more_than_the_limits_name() {
    let mut pair = gossiping();
    let world = World::new();
    pair.payee_passes_on = (0..40)
        .map(|piece| GossipItem::Piece(Box::new(world.piece(3, piece, 40))))
        .collect();

    pair.pay();

    assert_eq!(pair.payer_heard.len(), GOSSIP_PIECES_MAX);
    assert!(pair.payee_passes_on.starts_with(&pair.payer_heard));
}

#[test]
fn a_link_cut_at_any_frame_of_it_leaves_the_payment_paid() {
    let frames = {
        let mut pair = gossiping();
        pair.pay();
        (pair.receipt_at.expect("paid").1, pair.frames.len())
    };
    for cut in frames.0..frames.1 {
        let mut pair = gossiping();
        pair.air.cut_after = Some(cut);

        let outcome = pair.pay();

        assert!(
            matches!(outcome, Outcome::Paid { .. }),
            "cut at {cut}: {outcome:?}"
        );
        assert!(pair.payee_passes_on.starts_with(&pair.payer_heard));
        assert!(pair.payer_passes_on.starts_with(&pair.payee_heard));
    }
}

#[test]
fn on_a_bad_link_what_arrives_is_a_beginning_of_what_was_sent_and_the_payment_is_paid() {
    for seed in crate::kit::seeds(60) {
        let mut pair = Pair::new(seed);
        let open = pair.world.announced(1);
        pair.payee.open_request(open, pair.now).expect("it opens");
        stock(&mut pair);
        pair.air_after_receipt = Some(Air {
            loss_permille: 40,
            repeat_permille: 40,
            ..Air::default()
        });
        pair.pay();

        assert!(
            matches!(pair.outcomes.as_slice(), [Outcome::Paid { .. }]),
            "repeat with SEED={seed}: {:?}",
            pair.outcomes
        );
        assert!(pair.payee_passes_on.starts_with(&pair.payer_heard));
        assert!(pair.payer_passes_on.starts_with(&pair.payee_heard));
    }
}

#[test]
fn who_says_nothing_after_the_receipt_is_waited_for_no_longer_than_the_limits_name() {
    let mut pair = gossiping();
    pair.air_after_receipt = Some(Air {
        loss_permille: 1000,
        ..Air::default()
    });
    pair.pay();

    let (paid, _) = pair.receipt_at.expect("paid");
    let ended = pair.ended_at.expect("ended");
    assert!(matches!(pair.outcomes.as_slice(), [Outcome::Paid { .. }]));
    assert!(ended.ms_since(paid) <= GOSSIP_MS_MAX);
    pair.run_for(LEAVE_MS_MAX + GOSSIP_MS_MAX);
    assert!(
        pair.payee_log
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Disconnect { .. }))
    );
}

#[test]
fn who_sends_a_second_thing_that_is_refused_is_hung_up_on() {
    let mut pair = gossiping();
    pair.refuses_gossip = true;

    let outcome = pair.pay();

    assert!(matches!(outcome, Outcome::Paid { .. }), "{outcome:?}");
    assert_eq!(pair.payer_heard.len(), 2);
    assert_eq!(
        pair.payee_heard.len(),
        0,
        "the link is gone before its turn"
    );
}

#[test]
fn whoever_passes_on_more_than_one_visit_carries_is_hung_up_on() {
    let world = World::new();
    let piece = |at| Message::Piece(Box::new(world.piece(3, at, 40)));
    let most = u16::from(GOSSIP_ITEMS_MAX);

    let mut payee = payer_in(&world, Waiting::Gossip);
    for at in 0..most {
        payee.send(&piece(at));
    }
    assert_eq!(payee.outcome(), None);
    payee.send(&piece(most));
    assert!(matches!(payee.outcome(), Some(Outcome::Paid { .. })));

    let (mut payee, mut payer) = payee_that_answered(&world);
    for at in 0..most {
        payer.send(&mut payee, &piece(at), START);
    }
    assert!(!has_hung_up(&effects(&mut payee)));
    payer.send(&mut payee, &piece(most), START);
    assert!(has_hung_up(&effects(&mut payee)));
}

#[test]
fn a_payer_who_passes_on_a_second_thing_that_is_refused_is_hung_up_on() {
    let world = World::new();
    let (mut payee, _) = payee_that_answered(&world);

    payee.handle_gossip_refused(LinkId(1));
    assert!(!has_hung_up(&effects(&mut payee)));
    payee.handle_gossip_refused(LinkId(1));
    assert!(has_hung_up(&effects(&mut payee)));
}

/// A payee that waits for ⑨.
fn payee_that_answered(world: &World) -> (Payee, PayerPuppet) {
    let (mut payee, mut payer) = payee_in(world, Waiting::Gossip);
    payer.send(&mut payee, &Message::Holding(Box::default()), START);
    payee.handle_gossip_answer(LinkId(1), Vec::new(), Holding::default(), START);
    effects(&mut payee);

    (payee, payer)
}

#[test]
fn both_say_nothing_when_the_request_says_that_both_hold_the_same() {
    let mut pair = Pair::announced();
    pair.payer_holding = Some(Holding::default());

    pair.pay();

    assert_eq!(pair.receipt_at.expect("paid").1, pair.frames.len());
    assert!(pair.payee_asked.is_empty());
}

#[test]
fn holding_the_same_is_told_from_what_the_request_states() {
    let world = World::new();
    let provider = world.ferry_certificate.body().provider;
    let version = version(1);
    let stated = ListsHeld {
        root: version,
        providers: vec![ProviderList { provider, version }]
            .try_into()
            .expect("few"),
    };
    let held = HeldList {
        provider,
        version,
        gathering: None,
    };
    let gathering = HeldList {
        gathering: Some(Gathering { version, next: 1 }),
        ..held
    };
    let holding = |list| Holding {
        directory: version,
        lists: vec![list].try_into().expect("few"),
    };

    assert!(holding(held).is_same_as(&stated));
    assert!(!holding(gathering).is_same_as(&stated));
    assert!(!Holding::default().is_same_as(&stated));
    assert!(!holding(held).is_same_as(&ListsHeld::default()));
}

#[test]
fn a_sender_that_the_lists_name_gets_no_lock() {
    for provider_too in [false, true] {
        let mut pair = Pair::announced();
        pair.payee
            .set_denied(denied(&pair.world, version(1), provider_too));

        let outcome = pair.pay();

        assert_eq!(outcome, Outcome::Refused(RefuseReason::Revoked));
        assert!(pair.debits.is_empty());
        assert!(
            !pair
                .payee_log
                .iter()
                .any(|effect| matches!(effect, PayeeEffect::Locked { .. }))
        );
    }
}

#[test]
fn another_providers_list_says_nothing_of_a_sender() {
    let mut pair = Pair::announced();
    let sender = pair.world.payer_ta.public_key();
    let elsewhere = pair.world.campus_certificate.body().provider;
    let subject = DeniedSubject {
        provider: elsewhere,
        key: sender,
        since: version(1),
    };
    pair.payee
        .set_denied(Denied::new(vec![subject], Vec::new()));

    let outcome = pair.pay();

    assert!(matches!(outcome, Outcome::Paid { .. }), "{outcome:?}");
}

#[test]
fn a_payment_is_taken_though_its_sender_was_revoked_after_the_request() {
    let mut pair = Pair::announced();
    pair.air.cut_after = Some(5);
    pair.pay();
    pair.air.cut_after = None;
    pair.payee.set_denied(denied(&pair.world, version(1), true));

    let outcome = pair.resume();

    assert_eq!(outcome, Outcome::Resumed { answered: 1 });
    assert_eq!(pair.credits.len(), 1);
}

#[test]
fn a_payment_is_refused_only_if_the_lists_that_its_request_states_named_its_sender() {
    // the request states version 2; its payment comes when the payee holds a later one
    for (since, provider_too, is_refused) in [
        (version(2), false, true),
        (version(3), false, false),
        (version(1), true, true),
        (version(3), true, false),
    ] {
        let pair = pair_stating_version_2(denied(&World::new(), since, provider_too));

        assert_eq!(pair.not_settled.len(), usize::from(is_refused), "{since:?}");
        assert_eq!(pair.credits.len(), usize::from(!is_refused), "{since:?}");
    }
}

/// A payment for a request that states version 2, which comes again once the payee denies these.
fn pair_stating_version_2(denied: Denied) -> Pair {
    let mut pair = Pair::new(1);
    let stated = ListsHeld {
        root: version(1),
        providers: vec![ProviderList {
            provider: pair.world.ferry_certificate.body().provider,
            version: version(2),
        }]
        .try_into()
        .expect("few"),
    };
    let mut body = pair.world.request_body(1);
    body.lists_held = stated;
    let request = ops_proto::Signed::sign(body, &pair.world.payee_ta);
    let open = pair
        .world
        .open(request, ble_proto::payment::payee::WayIn::Announced);
    pair.payee.open_request(open, pair.now).expect("it opens");
    pair.air.cut_after = Some(5);
    pair.pay();
    pair.air.cut_after = None;
    pair.payee.set_denied(denied);

    pair.resume();
    pair
}

#[test]
fn after_the_receipt_what_is_not_awaited_or_not_known_ends_the_link_without_a_word() {
    let world = World::new();
    let unknown = vec![0x7f_u8];
    assert!(Message::decode(&unknown).is_err());
    let said = every_kind(&world).into_iter().map(|kind| kind.encode());
    for plain in said.chain([unknown]) {
        let kind = plain[0];
        let (mut payee, mut payer) = payee_in(&world, Waiting::Gossip);
        let sealed = payer.channel.as_mut().expect("a session").seal(&plain);
        payer.send_raw(&mut payee, &sealed.expect("it fits"), START);
        let effects = effects(&mut payee);
        let is_due = kind == Message::Holding(Box::default()).encode()[0];
        assert_eq!(has_hung_up(&effects), !is_due, "kind {kind}");
        assert!(payer.hear(&effects, START).is_empty(), "kind {kind}");

        let mut payee = payer_in(&world, Waiting::Gossip);
        payee.said.clear();
        let sealed = payee.channel.as_mut().expect("a session").seal(&plain);
        payee.notify(&sealed.expect("it fits"));
        let is_due = (0x0b..=0x0d).contains(&kind);
        let outcome = payee.outcome();
        assert_eq!(outcome.is_some(), !is_due, "kind {kind}");
        assert!(!outcome.is_some_and(|outcome| !matches!(outcome, Outcome::Paid { .. })));
        assert!(payee.said.is_empty(), "kind {kind}");
    }
}

fn has_hung_up(effects: &[PayeeEffect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, PayeeEffect::Disconnect { .. }))
}

#[test]
fn revoked_names_the_reason() {
    let world = World::new();
    let sender = world.sender();
    let certificate = sender.leaf.body();

    let by_list = denied(&world, version(1), false).revoked(certificate);
    let by_root = denied(&world, version(1), true).revoked(certificate);

    assert_eq!(by_list, Some(Revoked::Subject));
    assert_eq!(by_root, Some(Revoked::Provider));
    assert_eq!(Denied::default().revoked(certificate), None);
}

fn gossiping() -> Pair {
    let mut pair = Pair::announced();
    stock(&mut pair);
    pair
}

/// The payee has a newer directory and a newer list, the payer the newest list.
fn stock(pair: &mut Pair) {
    let world = World::new();
    let piece = |number, piece| GossipItem::Piece(Box::new(world.piece(number, piece, 4)));
    pair.payer_holding = Some(Holding {
        directory: version(1),
        lists: vec![HeldList {
            provider: world.ferry_certificate.body().provider,
            version: version(3),
            gathering: None,
        }]
        .try_into()
        .expect("few"),
    });
    pair.payee_passes_on = vec![
        GossipItem::Directory(Box::new(world.directory(2))),
        piece(2, 0),
        piece(2, 1),
    ];
    pair.payer_passes_on = (0..4).map(|at| piece(3, at)).collect();
}

fn denied(world: &World, since: ListVersion, provider_too: bool) -> Denied {
    let provider = world.ferry_certificate.body().provider;
    let subject = DeniedSubject {
        provider,
        key: world.payer_ta.public_key(),
        since,
    };
    let revoked = ProviderList {
        provider,
        version: since,
    };

    Denied::new(
        vec![subject],
        provider_too.then_some(revoked).into_iter().collect(),
    )
}

const fn version(number: u32) -> ListVersion {
    ListVersion { epoch: 1, number }
}
