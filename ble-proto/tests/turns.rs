//! Locks, turns, floods and time: no stranger keeps a till shut, and nobody waits for ever.

use ble_proto::error::{Failure, Waiting};
use ble_proto::frame::ChunkSize;
use ble_proto::limits::{
    BROWSER_MS_MAX, CHOICE_MS_MAX, COMMITTED_HANDSHAKES_MAX, HANDSHAKES_BURST, HELLO_MS_MAX,
    LEAVE_MS_MAX, LINKS_MAX, LOCK_MS_MAX, MESSAGE_SIZE_MAX, PAID_LINGER_MS, REVEALS_MAX,
};
use ble_proto::message::{Message, RefuseReason, Resume, Reveal, Standing};
use ble_proto::payment::payee::{LinkId, NotCredited, OpenRefused, Payee, PayeeEffect};
use ble_proto::payment::payer::{Outcome, Purpose};
use ble_proto::time::Instant;

use crate::kit::puppet::{PayerPuppet, START, chain, effects, seed};
use crate::kit::world::changed;
use crate::kit::{Pair, Person, World, tag};

fn announced(world: &World) -> Payee {
    let mut payee = Payee::new(world.root.public_key());
    payee
        .open_request(world.announced(1), START)
        .expect("it opens");
    effects(&mut payee);
    payee
}

/// Commits, hears the offer, and sends flight ③.
fn choose(
    payee: &mut Payee,
    world: &World,
    link: u64,
    now: Instant,
) -> (PayerPuppet, Vec<PayeeEffect>) {
    let mut puppet = PayerPuppet::connect(payee, link, now);
    puppet.commit(payee, tag(1), now);
    puppet.hear(&effects(payee), now);
    reveal(payee, world, &mut puppet, now);
    (puppet, effects(payee))
}

fn reveal(payee: &mut Payee, world: &World, puppet: &mut PayerPuppet, now: Instant) {
    let reveal = Reveal {
        nonce: puppet.nonce.take().expect("committed").open(),
        sender: chain(world.sender(), puppet.offer.as_ref().expect("offered")),
    };
    puppet.send(payee, &Message::Reveal(Box::new(reveal)), now);
}

fn failure_of(effects: &[PayeeEffect], id: LinkId) -> Option<Failure> {
    effects.iter().find_map(|effect| match effect {
        PayeeEffect::LinkFailed { link, failure } if *link == id => Some(*failure),
        _ => None,
    })
}

fn has_unlocked(effects: &[PayeeEffect]) -> bool {
    effects.contains(&PayeeEffect::Unlocked { tag: tag(1) })
}

// --- locks

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

fn assert_resume_is_taken(
    payee: &mut Payee,
    world: &World,
    tag: ble_proto::gatt::RequestTag,
    now: Instant,
) {
    let mut puppet = PayerPuppet::connect(payee, 77, now);
    puppet.browse(payee, tag, now);
    puppet.hear(&effects(payee), now);
    let resume = Resume {
        pair: world.pair(1),
        provider: None,
    };
    puppet.send(payee, &Message::Resume(Box::new(resume)), now);

    let effects = effects(payee);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Append { .. }))
    );
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

// --- time

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

// --- floods

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

fn chunk() -> ChunkSize {
    crate::kit::puppet::chunk()
}
