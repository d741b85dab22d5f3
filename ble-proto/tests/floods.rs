//! Floods: no stranger keeps a till shut, and what is held for strangers is bounded.

use ble_proto::error::Failure;
use ble_proto::limits::{
    COMMITTED_HANDSHAKES_MAX, HANDSHAKES_BURST, HELLO_MS_MAX, LINKS_MAX, MESSAGE_SIZE_MAX,
    REVEALS_MAX,
};
use ble_proto::message::Message;
use ble_proto::payment::payee::{LinkId, OpenRefused, Payee, PayeeEffect};
use ble_proto::payment::payer::Outcome;

use crate::kit::puppet::{PayerPuppet, START, chunk, effects, seed};
use crate::kit::till::{announced, assert_resume_is_taken, choose, failure_of, reveal};
use crate::kit::world::changed;
use crate::kit::{Pair, Person, World, tag};

#[test]
fn a_commitment_is_opened_three_times_per_request_and_never_again() {
    let mut pair = Pair::announced();
    pair.person = Person::Declines;
    for _ in 0..REVEALS_MAX {
        assert_eq!(pair.pay(), Outcome::Declined);
        pair.run_for(1_000);
    }

    assert_eq!(pair.pay(), Outcome::RevealsExhausted);
    assert_eq!(pair.payer_codes.len(), usize::from(REVEALS_MAX));
}

#[test]
fn twenty_committed_handshakes_one_per_second_then_the_till_moves_to_a_uri() {
    let world = World::new();
    let mut payee = announced(&world);
    let mut now = START;
    let mut answered = 0;
    let mut told = 0;
    for link in 0..30 {
        let mut puppet = PayerPuppet::connect(&mut payee, link, now);
        puppet.commit(&mut payee, tag(1), now);
        let effects = effects(&mut payee);
        let offers = puppet.hear(&effects, now).len();
        answered += offers;
        let is_told = effects.contains(&PayeeEffect::FloodedUseUri { tag: tag(1) });
        told += u32::from(is_told);
        if link == u64::from(COMMITTED_HANDSHAKES_MAX) {
            assert!(is_told);
            let failure = failure_of(&effects, puppet.link);
            assert_eq!(failure, Some(Failure::Flooded));
        }
        payee.handle_link_down(puppet.link, now);
        now = now.after_ms(1_000);
    }

    assert_eq!(answered, usize::from(COMMITTED_HANDSHAKES_MAX));
    assert_eq!(told, 1, "the caller hears of the flood once");
    assert_resume_is_taken(&mut payee, &world, tag(1), now);
}

#[test]
fn who_waits_for_its_turn_does_not_get_the_twenty_first_handshake() {
    let world = World::new();
    let mut payee = announced(&world);
    let mut now = START;
    for link in 0..u64::from(COMMITTED_HANDSHAKES_MAX) - 1 {
        PayerPuppet::connect(&mut payee, link, now).commit(&mut payee, tag(1), now);
        payee.handle_link_down(LinkId(link), now);
        now = now.after_ms(1_000);
    }
    effects(&mut payee);
    now = START.after_ms(now.ms_since(START) - 999);
    for link in [100, 101] {
        PayerPuppet::connect(&mut payee, link, now).commit(&mut payee, tag(1), now);
    }

    now = now.after_ms(999);
    payee.handle_timeout(now);
    payee.handle_timeout(now.after_ms(1_000));

    let failed = effects(&mut payee);
    assert_eq!(failure_of(&failed, LinkId(100)), None);
    assert_eq!(failure_of(&failed, LinkId(101)), Some(Failure::Flooded));
}

#[test]
fn half_a_flight_1_does_not_keep_a_link_longer_than_its_2_s() {
    let world = World::new();
    let mut payee = announced(&world);
    payee.handle_link_up(LinkId(1), chunk(), seed(1, 1), START);
    payee.handle_frame(
        LinkId(1),
        &[0x11, 0, 1, 2, 3, 4, 0, 90, 0],
        START.after_ms(1_900),
    );

    assert_eq!(payee.poll_timeout(), Some(START.after_ms(HELLO_MS_MAX)));
}

#[test]
fn half_a_payment_is_waited_for_10_s() {
    let world = World::new();
    let mut payee = announced(&world);
    let (mut puppet, _) = choose(&mut payee, &world, 1, START);
    let half = puppet.half_frame();

    payee.handle_frame(LinkId(1), &half, START);

    let due = START.after_ms(10_000);
    assert_eq!(payee.poll_timeout(), Some(due));
    payee.handle_timeout(due);
    let failure = failure_of(&effects(&mut payee), LinkId(1));
    assert_eq!(
        failure,
        Some(Failure::Frame(ble_proto::frame::FrameError::TimedOut))
    );
}

#[test]
fn a_second_committed_handshake_waits_for_its_second() {
    let world = World::new();
    let mut payee = announced(&world);
    for link in 1..=2 {
        let mut puppet = PayerPuppet::connect(&mut payee, link, START);
        puppet.commit(&mut payee, tag(1), START);
        let heard = puppet.hear(&effects(&mut payee), START).len();
        assert_eq!(heard, usize::from(link == 1));
    }

    let due = START.after_ms(1_000);
    assert_eq!(payee.poll_timeout(), Some(due));
    payee.handle_timeout(due);
    let answered = effects(&mut payee)
        .iter()
        .any(|effect| matches!(effect, PayeeEffect::Transmit { link, .. } if *link == LinkId(2)));
    assert!(answered);
}

#[test]
fn a_uri_goes_before_nx_when_handshakes_are_short() {
    let world = World::new();
    let mut payee = announced(&world);
    payee
        .open_request(world.by_uri(2), START)
        .expect("it opens");
    effects(&mut payee);
    for link in 100..100 + u64::from(HANDSHAKES_BURST) {
        PayerPuppet::connect(&mut payee, link, START).browse(&mut payee, tag(1), START);
        payee.handle_link_down(LinkId(link), START);
    }
    effects(&mut payee);
    PayerPuppet::connect(&mut payee, 1, START).browse(&mut payee, tag(1), START);
    PayerPuppet::connect(&mut payee, 2, START.after_ms(1)).scan(&mut payee, &world.uri(2), START);
    assert!(effects(&mut payee).is_empty(), "both wait");

    let due = payee.poll_timeout().expect("somebody waits");
    payee.handle_timeout(due);

    let answered: Vec<_> = effects(&mut payee)
        .iter()
        .filter_map(|effect| match effect {
            PayeeEffect::Transmit { link, .. } => Some(*link),
            _ => None,
        })
        .collect();
    assert!(!answered.is_empty() && answered.iter().all(|link| *link == LinkId(2)));
}

#[test]
fn strangers_on_all_links_do_not_shut_the_till() {
    let world = World::new();
    let mut payee = announced(&world);
    let (mut payer, _) = choose(&mut payee, &world, 1, START);
    for link in 2..100 {
        payee.handle_link_up(LinkId(link), chunk(), seed(link, 1), START.after_ms(link));
    }
    let heard = effects(&mut payee);
    assert_eq!(failure_of(&heard, LinkId(2)), Some(Failure::Evicted));
    assert_eq!(
        failure_of(&heard, LinkId(1)),
        None,
        "who is about to pay stays"
    );

    let payment = Message::Payment(Box::new(world.pair(1).payment));
    payer.send(&mut payee, &payment, START.after_ms(200));

    let taken = effects(&mut payee);
    assert!(
        taken
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Append { .. }))
    );
}

#[test]
fn a_link_that_has_not_spoken_makes_room_before_one_that_has() {
    let world = World::new();
    let mut payee = announced(&world);
    let _spoken = choose(&mut payee, &world, 1, START);
    let mut browser = PayerPuppet::connect(&mut payee, 2, START);
    browser.browse(&mut payee, tag(1), START);
    for link in 3..=9 {
        payee.handle_link_up(LinkId(link), chunk(), seed(link, 1), START.after_ms(link));
    }

    let heard = effects(&mut payee);

    assert_eq!(failure_of(&heard, LinkId(3)), Some(Failure::Evicted));
    for link in [1, 2] {
        assert_eq!(failure_of(&heard, LinkId(link)), None, "{link} has spoken");
    }
}

#[test]
fn a_ninth_link_waits_when_all_eight_are_about_to_pay() {
    let world = World::new();
    let mut payee = Payee::new(world.root.public_key());
    for id in 1..=8 {
        payee
            .open_request(world.announced(id), START)
            .expect("it opens");
        let mut puppet = PayerPuppet::connect(&mut payee, id, START);
        puppet.commit(&mut payee, tag(id), START);
        puppet.hear(&effects(&mut payee), START);
        reveal(&mut payee, &world, &mut puppet, START);
        assert!(
            effects(&mut payee)
                .iter()
                .any(|effect| matches!(effect, PayeeEffect::Locked { .. }))
        );
    }

    payee.handle_link_up(LinkId(9), chunk(), seed(9, 1), START);

    assert_eq!(
        effects(&mut payee),
        [PayeeEffect::Disconnect { link: LinkId(9) }]
    );
}

#[test]
fn memory_per_link_is_bounded_whatever_is_announced() {
    let world = World::new();
    let mut payee = announced(&world);
    let mut first = [0; 512];
    first[..8].copy_from_slice(&[0x11, 0, 1, 2, 3, 4, 0x10, 0]);
    for link in 0..50 {
        payee.handle_link_up(LinkId(link), chunk(), seed(link, 1), START);
        payee.handle_frame(LinkId(link), &first, START);
        assert!(payee.held_bytes() <= LINKS_MAX * MESSAGE_SIZE_MAX);
    }
    assert!(payee.held_bytes() > 0);
}

#[test]
fn frames_of_unknown_links_do_nothing() {
    let world = World::new();
    let mut payee = announced(&world);

    payee.handle_frame(LinkId(7), &[0x11; 100], START);
    payee.handle_link_down(LinkId(7), START);

    assert!(effects(&mut payee).is_empty());
    assert_eq!(payee.poll_timeout(), None);
}

#[test]
fn a_request_whose_parts_do_not_belong_together_is_not_opened() {
    let world = World::new();
    let mut payee = announced(&world);
    let stranger = ops_proto::SecretKey::from_seed(&[99; 32]);

    let mut other_noise = world.announced(2);
    other_noise.noise_secret = crate::kit::world::noise_secret(3);
    let mut other_memo = world.announced(2);
    other_memo.memo = "tea".parse().expect("a memo");
    let mut forged = world.announced(2);
    forged.request = changed(&forged.request, &stranger, |_| {});
    for (open, is_expected) in [
        (world.announced(1), OpenRefused::TagInUse),
        (other_noise, OpenRefused::OtherNoiseKey),
        (other_memo, OpenRefused::OtherMemo),
        (
            forged,
            OpenRefused::Request(ops_proto::pay_verify::PayVerifyRefused::RequestSignature),
        ),
    ] {
        assert_eq!(payee.open_request(open, START), Err(is_expected));
    }
    for id in 2..=16 {
        payee
            .open_request(world.announced(id), START)
            .expect("it opens");
    }
    let refused = payee.open_request(world.announced(17), START);
    assert_eq!(refused, Err(OpenRefused::TooMany));
}
