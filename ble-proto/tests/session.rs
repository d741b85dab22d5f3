//! Nobody in between: codes differ, modes never mix, versions cannot be lowered, frames are the link's.

use ble_proto::code::{Code, OpenedNonce, PayerNonce};
use ble_proto::error::Failure;
use ble_proto::frame::{
    Assembled, Assembler, ChunkSize, FrameError, SessionTag, Splitter, frames_needed,
};
use ble_proto::info::{INFO_BYTES, Info};
use ble_proto::limits::{FRAMES_PER_MESSAGE_MAX, MESSAGE_SIZE_MAX};
use ble_proto::message::{Message, Reveal};
use ble_proto::payment::payee::{Payee, PayeeEffect};
use ble_proto::payment::payer::{Expected, Payer, Purpose};
use ble_proto::session::{
    Hello, Initiator, LinkEntropy, NoiseSecret, Responder, SessionError, UriSecret,
};
use ble_proto::time::Instant;

use crate::kit::puppet::{PayerPuppet, START, chain, effects, seed, visit};
use crate::kit::{Pair, World, tag, world};

#[test]
fn somebody_in_between_shows_other_codes_on_the_two_screens() {
    // the one in between is a payee to the payer and a payer to the payee, with a key of its own
    for attempt in 0..50 {
        let (payer_code, payee_code) = in_between(attempt);

        assert_ne!(payer_code, payee_code, "attempt {attempt}");
    }
}

fn in_between(attempt: u64) -> (Code, Code) {
    let entropy = |n| LinkEntropy::new(seed(attempt, n));
    let (tag, info) = (tag(1), Info::own());
    let payee_secret = world::noise_secret(1);
    let own_secret = NoiseSecret::generate(&mut entropy(1));

    // payer to the one in between
    let nonce = PayerNonce::generate(&mut entropy(2));
    let promise = Some(nonce.commitment());
    let (payer, first) = Initiator::heard(&info, tag, promise, &mut entropy(3)).expect("begins");
    let hello = Hello::parse(&first).expect("well formed");
    let to_payer = Responder::heard(&hello, &own_secret, &mut entropy(4)).expect("reads");

    // the one in between to the payee: it can pass on the payer's commitment, but not its ephemeral key
    let (from_between, first) =
        Initiator::heard(&info, tag, promise, &mut entropy(5)).expect("begins");
    let hello = Hello::parse(&first).expect("well formed");
    let payee = Responder::heard(&hello, &payee_secret, &mut entropy(6)).expect("reads");
    let payee_nonce = ble_proto::code::PayeeNonce(entropy(7).take());
    let at_payee = payee.answer(&payee_nonce.0).expect("fits");
    let between = from_between
        .handle_answer(&at_payee.flight)
        .expect("authentic");

    // and passes on the payee's nonce
    let at_between = to_payer.answer(&between.payload).expect("fits");
    let at_payer = payer.handle_answer(&at_between.flight).expect("authentic");
    let nonce = nonce.open();

    assert_ne!(at_payer.payee_noise_key, payee_secret.public());
    (
        Code::new(&at_payer.hash, &nonce, &payee_nonce),
        Code::new(&at_payee.hash, &nonce, &payee_nonce),
    )
}

#[test]
fn the_code_does_not_depend_on_anything_chosen_after_flight_2() {
    let codes: Vec<_> = [false, true]
        .into_iter()
        .map(|elsewhere| {
            let mut pair = Pair::announced();
            if elsewhere {
                pair.sender = pair.world.sender_elsewhere();
            }
            pair.pay();
            (pair.payer_codes, pair.payee_codes)
        })
        .collect();

    assert_eq!(
        codes[0], codes[1],
        "another sender chain in flight 3, the same code"
    );
}

#[test]
fn a_nonce_that_was_not_committed_to_shows_no_code_and_locks_nothing() {
    let world = World::new();
    let mut payee = Payee::new(world.root.public_key());
    payee
        .open_request(world.announced(1), START)
        .expect("it opens");
    let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
    puppet.commit(&mut payee, tag(1), START);
    puppet.hear(&effects(&mut payee), START);
    let sender = chain(world.sender(), puppet.offer.as_ref().expect("offered"));
    let nonce = OpenedNonce([1; 32]);

    let reveal = Message::Reveal(Box::new(Reveal { nonce, sender }));
    puppet.send(&mut payee, &reveal, START);

    assert!(!effects(&mut payee).iter().any(|effect| matches!(
        effect,
        PayeeEffect::ShowCode { .. } | PayeeEffect::Locked { .. }
    )));
}

#[test]
fn a_request_opened_by_uri_does_not_answer_nx_and_an_announced_one_no_uri() {
    let world = World::new();
    for by_uri in [true, false] {
        let mut payee = Payee::new(world.root.public_key());
        let open = if by_uri {
            world.by_uri(1)
        } else {
            world.announced(1)
        };
        payee.open_request(open, START).expect("it opens");
        let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
        if by_uri {
            puppet.browse(&mut payee, tag(1), START);
        } else {
            puppet.scan(&mut payee, &world.uri(1), START);
        }

        let effects = effects(&mut payee);
        assert!(
            !effects
                .iter()
                .any(|effect| matches!(effect, PayeeEffect::Transmit { .. }))
        );
        assert!(effects.iter().any(|effect| matches!(
            effect,
            PayeeEffect::LinkFailed {
                failure: Failure::UnknownRequest,
                ..
            }
        )));
    }
}

#[test]
fn only_who_has_the_secret_of_the_uri_gets_an_answer() {
    let world = World::new();
    let mut payee = Payee::new(world.root.public_key());
    payee
        .open_request(world.by_uri(1), START)
        .expect("it opens");
    let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
    let mut uri = world.uri(1);
    uri.secret = UriSecret::from_bytes([1; 16]);

    puppet.scan(&mut payee, &uri, START);

    let effects = effects(&mut payee);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, PayeeEffect::Transmit { .. }))
    );
    assert!(effects.iter().any(|effect| matches!(
        effect,
        PayeeEffect::LinkFailed {
            failure: Failure::Session(SessionError::HandshakeFailed),
            ..
        }
    )));
}

#[test]
fn whoever_changes_info_on_the_way_ends_the_handshake() {
    let secret = world::noise_secret(1);
    // a later payee that also talks version 2, whose INFO was cut down to version 1 on the way
    let cut_down = Info::parse(&INFO_BYTES).expect("well formed");
    let as_sent = Info::parse(&[1, 2, 1, 2, 0x10, 0]).expect("well formed");

    let other_size = Info::parse(&[1, 1, 1, 0x10, 1]).expect("well formed");

    for (info, holds) in [(cut_down, true), (as_sent, false), (other_size, false)] {
        let mut entropy = LinkEntropy::new(seed(1, 1));
        let (payer, first) = Initiator::heard(&info, tag(1), None, &mut entropy).expect("begins");
        let hello = Hello::parse(&first).expect("well formed");
        let payee = Responder::heard(&hello, &secret, &mut entropy).expect("reads");
        let answer = payee.answer(b"payload").expect("fits");

        assert_eq!(payer.handle_answer(&answer.flight).is_ok(), holds);
    }
}

#[test]
fn a_key_of_low_order_gets_no_session() {
    let secret = world::noise_secret(1);
    let mut entropy = LinkEntropy::new(seed(1, 1));
    let (payer, mut first) =
        Initiator::heard(&Info::own(), tag(1), None, &mut entropy).expect("begins");
    first[8..40].fill(0);
    let hello = Hello::parse(&first).expect("well formed");
    let payee = Responder::heard(&hello, &secret, &mut entropy).expect("reads");
    let refused = payee.answer(b"payload").map(|_| ());
    assert_eq!(refused, Err(SessionError::HandshakeFailed));

    let mut answer = [0; 200];
    answer[0] = 1;
    let refused = payer.handle_answer(&answer).map(|_| ());
    assert_eq!(refused, Err(SessionError::HandshakeFailed));

    let zeros = ops_proto::message::NoiseKey([0; 32]);
    let uri_secret = world::uri_secret(1);
    let refused = Initiator::scanned(&Info::own(), tag(1), &zeros, &uri_secret, &mut entropy);
    assert_eq!(refused.map(|_| ()), Err(SessionError::HandshakeFailed));
}

#[test]
fn a_sealed_message_opens_once_in_order_and_unchanged() {
    let mut entropy = LinkEntropy::new(seed(1, 1));
    let (payer, first) =
        Initiator::heard(&Info::own(), tag(1), None, &mut entropy).expect("begins");
    let hello = Hello::parse(&first).expect("well formed");
    let payee = Responder::heard(&hello, &world::noise_secret(1), &mut entropy).expect("reads");
    let mut at_payee = payee.answer(b"payload").expect("fits");
    let mut at_payer = payer.handle_answer(&at_payee.flight).expect("authentic");
    let one = at_payer.channel.seal(b"one").expect("fits");
    let two = at_payer.channel.seal(b"two").expect("fits");
    let mut changed = one.clone();
    changed[0] ^= 1;

    let refused = Err(SessionError::NotAuthentic);
    assert_eq!(at_payee.channel.open(&two), refused, "out of order");
    assert_eq!(at_payee.channel.open(&changed), refused, "changed");
    assert_eq!(at_payee.channel.open(&one[..15]), refused, "cut short");
    assert_eq!(at_payee.channel.open(&one), Ok(b"one".to_vec()));
    assert_eq!(at_payee.channel.open(&one), refused, "repeated");
    assert_eq!(at_payee.channel.open(&two), Ok(b"two".to_vec()));
    let too_large = at_payer.channel.seal(&[0; MESSAGE_SIZE_MAX - 15]);
    assert_eq!(too_large, Err(SessionError::TooLarge));
}

#[test]
fn a_payer_ignores_what_an_old_bluez_sends_to_all_subscribers() {
    let world = World::new();
    let mut payer = Payer::new(visit(&world, pay()), START).expect("a good visit");
    while payer.poll_effect().is_some() {}
    let mut foreign = Splitter::new(SessionTag([1, 2, 3, 4]), chunk(64));

    for frame in foreign.split(&[7; 300]).expect("fits") {
        payer.handle_frame(&frame, START);
    }

    assert_eq!(payer.poll_effect(), None);
    assert!(!payer.is_ended());
}

#[test]
fn every_size_passes_every_chunk_in_the_frames_that_were_counted() {
    for size in [
        1, 11, 12, 13, 14, 26, 27, 500, 504, 505, 1010, 1011, 4095, 4096,
    ] {
        for chunk_size in [20, 21, 100, 511, 512] {
            let message: Vec<u8> = (0..=255).cycle().take(size).collect();
            let tag = SessionTag([9; 4]);
            let frames = Splitter::new(tag, chunk(chunk_size))
                .split(&message)
                .expect("fits");
            assert_eq!(frames.len(), frames_needed(size, chunk(chunk_size)));
            assert!(frames.len() <= FRAMES_PER_MESSAGE_MAX);

            let mut assembler = Assembler::peripheral();
            let (last, rest) = frames.split_last().expect("at least one");
            for frame in rest {
                let progress = assembler.handle_frame(frame, START);
                assert_eq!(progress, Ok(Assembled::Incomplete));
            }
            assert_eq!(
                assembler.handle_frame(last, START),
                Ok(Assembled::Complete(message))
            );
            assert_eq!(assembler.tag(), Some(tag));
        }
    }
    assert_eq!(
        Splitter::new(SessionTag([0; 4]), chunk(20)).split(&[0; MESSAGE_SIZE_MAX + 1]),
        Err(FrameError::MessageTooLarge(MESSAGE_SIZE_MAX + 1))
    );
}

#[test]
fn a_frame_that_is_not_the_one_due_ends_the_session_by_name() {
    let frames = |count: usize| {
        Splitter::new(SessionTag([9; 4]), chunk(20))
            .split(&vec![7; 12 + 14 * (count - 1)])
            .expect("fits")
    };
    let three = frames(3);
    let edit = |index: usize, at: usize, byte: u8| {
        let mut frames = three.clone();
        frames[index][at] = byte;
        frames
    };
    let skip = vec![three[0].clone(), three[2].clone()];
    let twice = vec![three[0].clone(), three[0].clone()];
    let headless = vec![{
        let mut later = three[1].clone();
        later[1] = 0;
        later
    }];
    let mut first_again = three.clone();
    first_again[1][0] = 0x11;
    let mut long = three.clone();
    long[2].extend([0; 9]);
    let mut empty = three.clone();
    empty[1].truncate(6);
    let large = {
        let mut frame = three[0].clone();
        frame[6..8].copy_from_slice(&4097_u16.to_be_bytes());
        vec![frame]
    };
    for (frames, error) in [
        (
            skip,
            FrameError::Gap {
                expected: 1,
                found: 2,
            },
        ),
        (
            twice,
            FrameError::Gap {
                expected: 1,
                found: 0,
            },
        ),
        (edit(1, 2, 8), FrameError::WrongTag),
        (edit(0, 0, 0x21), FrameError::UnknownKind(0x21)),
        (edit(1, 0, 0x12), FrameError::UnknownKind(0x12)),
        (headless, FrameError::MissingFirst),
        (first_again, FrameError::UnexpectedFirst),
        (long, FrameError::Overrun),
        (empty, FrameError::Empty),
        (large, FrameError::MessageTooLarge(4097)),
        (edit(0, 7, 0), FrameError::EmptyMessage),
        (vec![three[0][..5].to_vec()], FrameError::CutShort),
        (vec![three[0][..7].to_vec()], FrameError::CutShort),
        (vec![vec![0x11; 513]], FrameError::TooLong),
    ] {
        let mut assembler = Assembler::peripheral();
        let refused = frames
            .iter()
            .find_map(|frame| assembler.handle_frame(frame, START).err());
        assert_eq!(refused, Some(error));
    }
}

#[test]
fn a_radio_can_tell_the_order_of_frames_and_what_is_none() {
    let tag = SessionTag([9; 4]);
    let frames = Splitter::new(tag, chunk(20)).split(&[7; 40]).expect("fits");

    for (counter, frame) in (0..).zip(&frames) {
        assert_eq!(ble_proto::frame::order_of(frame), Some((tag, counter)));
    }
    assert_eq!(ble_proto::frame::order_of(&frames[0][..5]), None);
    assert_eq!(ble_proto::frame::order_of(&[0xff; 20]), None);
}

#[test]
fn a_message_that_is_not_complete_after_10_s_ends_the_session() {
    let three = Splitter::new(SessionTag([9; 4]), chunk(20))
        .split(&[7; 40])
        .expect("fits");
    let mut slow = Assembler::peripheral();
    slow.handle_frame(&three[0], START).expect("due");
    let late = Instant::from_ms(START.as_ms() + 10_000);
    assert_eq!(slow.poll_timeout(), Some(late));
    assert_eq!(slow.handle_timeout(late), Err(FrameError::TimedOut));
    assert_eq!(
        slow.handle_frame(&three[1], late),
        Err(FrameError::TimedOut)
    );
}

#[test]
fn machines_and_messages_print_no_secret() {
    let world = World::new();
    let mut payee = Payee::new(world.root.public_key());
    payee
        .open_request(world.by_uri(1), START)
        .expect("it opens");
    let payer = Payer::new(
        visit(&world, Purpose::PayScanned { uri: world.uri(1) }),
        START,
    )
    .expect("a good visit");
    let memo: ble_proto::message::Memo = crate::kit::MEMO.parse().expect("a memo");

    let printed = format!("{payee:?} {payer:?} {memo:?}");

    let noise_secret = format!("{:?}", *world::noise_secret(1).to_bytes());
    let uri_secret = format!("{:?}", *world::uri_secret(1).to_bytes());
    assert!(!printed.contains(&noise_secret[1..40]));
    assert!(!printed.contains(&uri_secret[1..40]));
    assert!(!printed.contains(crate::kit::MEMO));
    assert!(printed.contains("NoiseSecret([redacted])"));
    assert!(printed.contains("UriSecret([redacted])"));
    assert!(printed.contains("Memo([redacted])"));
}

fn pay() -> Purpose {
    Purpose::Pay {
        tag: tag(1),
        expected: Expected::default(),
    }
}

fn chunk(size: usize) -> ChunkSize {
    ChunkSize::new(size).expect("large enough")
}
