//! Messages over an established session: encode, seal, cut; and back.

use crate::error::Failure;
use crate::frame::Splitter;
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

    /// Returns the message that the bytes of some frames sealed.
    pub(super) fn hear(&mut self, sealed: &[u8]) -> Result<Message, Failure> {
        let plain = self.channel.open(sealed)?;

        Ok(Message::decode(&plain)?)
    }
}
