//! One well-formed message of every kind.

use ble_proto::code::OpenedNonce;
use ble_proto::message::{AbortCode, Locked, Message, RefuseReason, Resume, Reveal};

use super::puppet::{PayeePuppet, chain};
use super::{MEMO, World, world};

/// One message of every kind, each well formed.
pub(crate) fn every_kind(world: &World) -> Vec<Message> {
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
        Message::Holding(Box::default()),
        Message::Directory(Box::new(world.directory(1))),
        Message::Piece(Box::new(world.piece(1, 0, 1))),
        Message::Enough,
    ]
}

pub(crate) fn honest_lock() -> Message {
    Message::Locked(Locked {
        memo: MEMO.parse().expect("a memo"),
        salt: world::SALT,
    })
}
