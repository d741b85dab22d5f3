//! No peer input panics, whatever the bytes; `cargo test` runs these with random seeds and prints them.

use ble_proto::frame::{SessionTag, Splitter};
use ble_proto::message::Message;
use ble_proto::payment::payee::{LinkId, Payee};
use ble_proto::payment::payer::{Expected, Payer, Purpose};
use ble_proto::uri::PaymentUri;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::kit::puppet::{PayeePuppet, PayerPuppet, START, chunk, effects, seed, visit};
use crate::kit::{World, tag};

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_frames_never_panic_a_payee(frames in vec(frame(), 0..40)) {
        let world = World::new();
        let mut payee = Payee::new(world.root.public_key());
        payee.open_request(world.announced(1), START).expect("it opens");
        payee.handle_link_up(LinkId(1), chunk(), seed(1, 1), START);
        for bytes in frames {
            payee.handle_frame(LinkId(1), &bytes, START);
            effects(&mut payee);
        }
    }

    #[test]
    fn random_frames_never_panic_a_payer(frames in vec(frame(), 0..40)) {
        let world = World::new();
        let purpose = Purpose::Pay { tag: tag(1), expected: Expected::default() };
        let mut payer = Payer::new(visit(&world, purpose), START).expect("a good visit");
        for bytes in frames {
            payer.handle_frame(&bytes, START);
            while payer.poll_effect().is_some() {}
        }
    }

    #[test]
    fn random_first_flights_never_panic_and_never_get_an_answer(
        mode in 0_u8..4, noise in vec(any::<u8>(), 0..200)
    ) {
        let world = World::new();
        let mut payee = Payee::new(world.root.public_key());
        payee.open_request(world.announced(1), START).expect("it opens");
        let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
        let mut flight = vec![1, mode];
        flight.extend(tag(1).0);
        flight.extend(noise);
        puppet.send_raw(&mut payee, &flight, START);
        effects(&mut payee);
    }

    #[test]
    fn sealed_garbage_never_panics_a_payee(plain in vec(any::<u8>(), 0..600)) {
        let world = World::new();
        let mut payee = Payee::new(world.root.public_key());
        payee.open_request(world.announced(1), START).expect("it opens");
        let mut puppet = PayerPuppet::connect(&mut payee, 1, START);
        puppet.commit(&mut payee, tag(1), START);
        puppet.hear(&effects(&mut payee), START);
        let sealed = puppet.channel.as_mut().expect("a session").seal(&plain).expect("fits");
        puppet.send_raw(&mut payee, &sealed, START);
        effects(&mut payee);
    }

    #[test]
    fn sealed_garbage_never_panics_a_payer(plain in vec(any::<u8>(), 0..600)) {
        let world = World::new();
        let purpose = Purpose::Pay { tag: tag(1), expected: Expected::default() };
        let mut puppet = PayeePuppet::visited(&world, purpose);
        puppet.offer(&world);
        let sealed = puppet.channel.as_mut().expect("a session").seal(&plain).expect("fits");
        puppet.notify(&sealed);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn random_text_never_panics_the_uri(text in ".{0,200}", tail in "[A-Za-z2-7]{0,130}") {
        let parsed = text.parse::<PaymentUri>();
        prop_assert!(parsed.is_err());
        let typed = ["blepay:", &tail].concat();
        if let Ok(uri) = typed.parse::<PaymentUri>() {
            prop_assert!(uri.to_text().eq_ignore_ascii_case(&typed));
        }
    }

    #[test]
    fn a_changed_byte_anywhere_never_pays(at in 0_usize..2000, bit in 0_u8..8, which in 0_usize..8) {
        let mut pair = crate::kit::Pair::announced();
        pair.flip = Some((which, at, bit));
        pair.pay();
        prop_assert!(pair.debits.len() <= 1 && pair.credits.len() <= 1);
        pair.flip = None;
        if !pair.debits.is_empty() {
            pair.resume();
            prop_assert!(pair.unsettled().is_empty());
            prop_assert_eq!(pair.credits.len(), 1);
        }
    }
}

/// Frames that are near the format: a good header more often than not.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let near = (0_u8..4, 0_u8..4, 0_usize..600).prop_map(|(counter, kind, size)| {
        let mut splitter = Splitter::new(SessionTag([1; 4]), chunk());
        let mut frame = splitter
            .split(&vec![kind; size + 1])
            .expect("fits")
            .remove(0);
        frame[1] = counter;
        frame[0] = 0x10 | (kind & 1);
        frame
    });
    prop_oneof![near, vec(any::<u8>(), 0..600)]
}
