//! What a seed implementation of this protocol got wrong, where the fault lies in what is signed.

use ops_proto::message::Payment;
use ops_proto::{Amount, Signed};

use crate::kit::{World, changed};

#[test]
fn a_replayed_payment_equals_the_first_though_it_was_decoded_anew() {
    // The seed compared payments by object identity, so a replay never equalled the first.
    let wire = World::new().pair().payment.to_wire();

    let first = Signed::<Payment>::decode(&wire).expect("it decodes");
    let second = Signed::<Payment>::decode(&wire).expect("it decodes");

    assert_eq!(first, second);
    assert_eq!(first.hash(), second.hash());
}

#[test]
fn a_certificate_covers_every_byte_of_the_key() {
    // The seed signed the first 32 bytes of a key's text, the same for every key.
    let world = World::new();
    let wire = world.payer_certificate.to_wire();
    let key = world.payer_ta.public_key().0;
    let start = wire
        .windows(32)
        .position(|window| window == key)
        .expect("the key is in it");

    for at in start..start + 32 {
        let mut other = wire.clone();
        other[at] ^= 1;
        let other =
            Signed::<ops_proto::certificate::Certificate>::decode(&other).expect("it decodes");
        assert!(
            other.verify(&world.certify.public_key()).is_err(),
            "byte {at} is not signed"
        );
    }
}

#[test]
fn a_negative_amount_cannot_be_said() {
    // The seed took a negative amount and minted money.
    assert!(Amount::parse("-12.50", 2).is_err());
    assert!(Amount::try_from(u64::MAX).is_err());
    let twos_complement = postcard::to_allocvec(&u64::from_le_bytes((-1250_i64).to_le_bytes()));
    let twos_complement = twos_complement.expect("a number encodes");
    assert!(postcard::from_bytes::<Amount>(&twos_complement).is_err());
}

#[test]
fn two_payments_of_one_ta_name_one_key() {
    // The seed made a new TA key for every payment.
    let world = World::new();
    let first = world.pair();
    let second = changed(&first.payment, &world.payer_ta, |p| p.position.j = 2);

    assert_eq!(first.sender_key(), second.body().sender.body().subject);
}
