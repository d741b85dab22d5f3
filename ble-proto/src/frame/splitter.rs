//! Cuts messages into frames.

use super::{ChunkSize, FrameError, FrameKind, SessionTag, first_byte};
use crate::limits::{FRAME_HEADER_FIRST_SIZE, FRAME_HEADER_SIZE, MESSAGE_SIZE_MAX};

/// The sending half of one side of a session.
#[derive(Debug)]
pub struct Splitter {
    tag: SessionTag,
    chunk: ChunkSize,
    counter: u8,
}

impl Splitter {
    /// Creates one for a new session; its first frame has counter 0.
    #[must_use]
    pub const fn new(tag: SessionTag, chunk: ChunkSize) -> Self {
        Self {
            tag,
            chunk,
            counter: 0,
        }
    }

    /// Cuts a message into the frames to send, in order.
    ///
    /// # Errors
    ///
    /// [`FrameError::EmptyMessage`] and [`FrameError::MessageTooLarge`]; the counter then stays.
    pub fn split(&mut self, message: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
        let size = message.len();
        if size == 0 {
            return Err(FrameError::EmptyMessage);
        }
        let announced = u16::try_from(size)
            .ok()
            .filter(|_| size <= MESSAGE_SIZE_MAX)
            .ok_or(FrameError::MessageTooLarge(size))?;

        let room = self.chunk.get().saturating_sub(FRAME_HEADER_FIRST_SIZE);
        let (body, rest) = message.split_at(room.min(size));
        let mut frames = vec![self.frame(FrameKind::First, &announced.to_be_bytes(), body)];

        let room = self.chunk.get().saturating_sub(FRAME_HEADER_SIZE);
        for body in rest.chunks(room.max(1)) {
            frames.push(self.frame(FrameKind::Later, &[], body));
        }

        Ok(frames)
    }

    /// Returns how many frames a message of `size` bytes takes.
    #[must_use]
    pub fn frames_for(&self, size: usize) -> usize {
        let first = self.chunk.get().saturating_sub(FRAME_HEADER_FIRST_SIZE);
        let later = self.chunk.get().saturating_sub(FRAME_HEADER_SIZE).max(1);

        size.saturating_sub(first).div_ceil(later).saturating_add(1)
    }

    /// Returns the tag of the session.
    #[must_use]
    pub const fn tag(&self) -> SessionTag {
        self.tag
    }

    fn frame(&mut self, kind: FrameKind, announced: &[u8], body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(self.chunk.get());
        frame.push(first_byte(kind));
        frame.push(self.counter);
        frame.extend_from_slice(&self.tag.0);
        frame.extend_from_slice(announced);
        frame.extend_from_slice(body);
        self.counter = self.counter.wrapping_add(1);

        frame
    }
}
