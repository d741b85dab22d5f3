//! Decoding: canonical or refused; no bytes of a stranger do more than that.

use ops_proto::message::{ListsHeld, Payment, ReceivedPayment, RequestPayment};
use ops_proto::signed::{Malformed, decode_canonical, encode};
use ops_proto::statement::Statement;
use ops_proto::{PaymentPair, Signed};
use proptest::prelude::*;

use crate::kit::World;

#[test]
fn every_shorter_prefix_is_refused() {
    let world = World::new();
    let wire = world.pair().payment.to_wire();

    for length in 0..wire.len() {
        assert!(
            Signed::<Payment>::decode(&wire[..length]).is_err(),
            "{length} bytes decoded"
        );
    }
}

#[test]
fn bytes_after_the_message_are_refused() {
    let wire = World::new().receipt().to_wire();
    let (body, signature) = wire.split_at(wire.len() - 64);

    let longer = [body, &[0], signature].concat();

    assert_eq!(
        Signed::<ReceivedPayment>::decode(&longer).err(),
        Some(Malformed::NotCanonical)
    );
}

#[test]
fn an_overlong_varint_is_refused_though_postcard_takes_it() {
    let lists = encode(&ListsHeld::default());
    assert_eq!(lists, [0, 0, 0]);

    let overlong = [0x80, 0x00, 0, 0];

    assert!(postcard::from_bytes::<ListsHeld>(&overlong).is_ok());
    assert_eq!(
        decode_canonical::<ListsHeld>(&overlong).err(),
        Some(Malformed::NotCanonical)
    );
}

#[test]
fn an_overlong_varint_inside_a_nested_message_is_refused() {
    let world = World::new();
    let mut longer = world.pair().payment.to_wire();
    // The sender's certificate begins after version and two length bytes; its number 1 follows its version.
    assert_eq!(longer[4], 1, "the certificate's number");
    longer[4] = 0x81;
    longer.insert(5, 0x00);
    longer[1] += 1;

    assert_eq!(
        Signed::<Payment>::decode(&longer).err(),
        Some(Malformed::Encoding)
    );
}

#[test]
fn another_version_is_refused_by_name() {
    let mut wire = World::new().receipt().to_wire();
    wire[0] = 2;

    assert_eq!(
        Signed::<ReceivedPayment>::decode(&wire).err(),
        Some(Malformed::Version(2))
    );
}

#[test]
fn more_bytes_than_the_largest_message_are_refused_before_they_are_decoded() {
    let wire = vec![1; 1025];

    assert_eq!(
        Signed::<RequestPayment>::decode(&wire).err(),
        Some(Malformed::TooLong)
    );
}

#[test]
fn every_flipped_bit_breaks_decoding_or_the_signature() {
    let world = World::new();
    let payment = world.pair().payment;
    let wire = payment.to_wire();

    for bit in 0..wire.len() * 8 {
        let mut flipped = wire.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(decoded) = Signed::<Payment>::decode(&flipped) {
            assert!(
                decoded.verify(&world.payer_ta.public_key()).is_err(),
                "bit {bit}"
            );
        }
    }
}

#[test]
fn a_signature_in_one_domain_counts_in_no_other() {
    let world = World::new();
    let receipt = world.receipt();
    let endorsement = Signed::<ops_proto::message::Endorsement>::decode(&receipt.to_wire());

    let endorsement = endorsement.expect("the bodies have the same shape");

    assert!(endorsement.verify(&world.payee_ta.public_key()).is_err());
    assert_ne!(endorsement.hash(), receipt.hash());
}

#[test]
fn sizes_stay_where_one_frame_holds_a_payment() {
    let world = World::new();

    assert!(world.payer_certificate.to_wire().len() <= 212);
    assert!(world.provider.to_wire().len() <= 276);
    assert!(world.request().to_wire().len() <= 390);
    assert!(world.pair().payment.to_wire().len() <= 480);
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic_or_decode_twice_differently(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(statement) = decode_canonical::<Statement>(&bytes) {
            prop_assert_eq!(encode(&statement), bytes.clone());
        }
        if let Ok(pair) = decode_canonical::<PaymentPair>(&bytes) {
            prop_assert_eq!(encode(&pair), bytes.clone());
        }
        if let Ok(request) = Signed::<RequestPayment>::decode(&bytes) {
            prop_assert_eq!(request.to_wire(), bytes);
        }
    }

    #[test]
    fn a_mutated_payment_never_verifies(at in 0_usize..480, value in any::<u8>()) {
        let world = World::new();
        let mut wire = world.pair().payment.to_wire();
        let at = at % wire.len();
        prop_assume!(wire[at] != value);
        wire[at] = value;

        if let Ok(payment) = Signed::<Payment>::decode(&wire) {
            prop_assert!(payment.verify(&world.payer_ta.public_key()).is_err());
        }
    }
}
