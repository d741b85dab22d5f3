//! A payee with one request open, what a puppet does with it, and what is heard of it.

use ble_proto::error::Failure;
use ble_proto::message::{Message, Resume, Reveal};
use ble_proto::payment::payee::{LinkId, Payee, PayeeEffect};
use ble_proto::time::Instant;

use crate::kit::puppet::{PayerPuppet, START, chain, effects};
use crate::kit::{World, tag};

pub(crate) fn announced(world: &World) -> Payee {
    let mut payee = Payee::new(world.root.public_key());
    payee
        .open_request(world.announced(1), START)
        .expect("it opens");
    effects(&mut payee);
    payee
}

/// Commits, hears the offer, and sends flight ③.
pub(crate) fn choose(
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

pub(crate) fn reveal(payee: &mut Payee, world: &World, puppet: &mut PayerPuppet, now: Instant) {
    let reveal = Reveal {
        nonce: puppet.nonce.take().expect("committed").open(),
        sender: chain(world.sender(), puppet.offer.as_ref().expect("offered")),
    };
    puppet.send(payee, &Message::Reveal(Box::new(reveal)), now);
}

pub(crate) fn failure_of(effects: &[PayeeEffect], id: LinkId) -> Option<Failure> {
    effects.iter().find_map(|effect| match effect {
        PayeeEffect::LinkFailed { link, failure } if *link == id => Some(*failure),
        _ => None,
    })
}

pub(crate) fn has_unlocked(effects: &[PayeeEffect]) -> bool {
    effects.contains(&PayeeEffect::Unlocked { tag: tag(1) })
}

pub(crate) fn assert_resume_is_taken(
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
