//! Messages over an established session: encode, seal, cut; and back.

use crate::error::Failure;
use crate::frame::Splitter;
use crate::gossip::GossipItem;
use crate::limits::{GOSSIP_FRAMES_MAX, GOSSIP_PIECES_MAX, NOISE_TAG_SIZE};
use crate::message::Message;
use crate::session::Channel;

/// The established session of one link.
#[derive(Debug)]
pub(super) struct Talk {
    channel: Channel,
    splitter: Splitter,
}

impl Talk {
    pub(super) const fn new(channel: Channel, splitter: Splitter) -> Self {
        Self { channel, splitter }
    }

    /// Returns the frames that carry the message.
    pub(super) fn say(&mut self, message: &Message) -> Result<Vec<Vec<u8>>, Failure> {
        let sealed = self.channel.seal(&message.encode())?;

        Ok(self.splitter.split(&sealed)?)
    }

    /// Returns the frames that carry as many of these things as one visit allows, in order.
    pub(super) fn say_items(&mut self, items: Vec<GossipItem>) -> Result<Vec<Vec<u8>>, Failure> {
        let mut frames = Vec::new();
        let mut pieces = 0_usize;
        for item in items {
            match &item {
                GossipItem::Directory(_) => {}
                GossipItem::Piece(_) => pieces = pieces.saturating_add(1),
            }
            let message = Message::from(item).encode();
            let size = message.len().saturating_add(NOISE_TAG_SIZE);
            let spent = frames.len().saturating_add(self.splitter.frames_for(size));
            if pieces > GOSSIP_PIECES_MAX || (spent > GOSSIP_FRAMES_MAX && !frames.is_empty()) {
                break;
            }
            let sealed = self.channel.seal(&message)?;
            frames.extend(self.splitter.split(&sealed)?);
        }

        Ok(frames)
    }

    /// Returns the message that the bytes of some frames sealed.
    pub(super) fn hear(&mut self, sealed: &[u8]) -> Result<Message, Failure> {
        let plain = self.channel.open(sealed)?;

        Ok(Message::decode(&plain)?)
    }
}
