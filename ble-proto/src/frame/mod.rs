//! Frames: how a message crosses a link that carries 20 to 512 bytes at a time.
//!
//! ```text
//! byte 0      version (high four bits, 1) and flags (low four; bit 0: first frame of a message)
//! byte 1      counter, per direction, from 0, wraps after 255
//! bytes 2–5   session tag, chosen by the central
//! bytes 6–7   first frame only: length of the whole message, big endian
//! rest        the next bytes of the message, at least one
//! ```
//!
//! There is no repair. A gap, a wrong tag from the central or a timeout ends the session; the two
//! sides connect again and resume. A central ignores notifications with another session's tag, since
//! a `BlueZ` before 5.76 sends what is for one subscriber to all of them.

mod assembler;
mod splitter;

pub use assembler::{Assembled, Assembler};
pub use splitter::Splitter;

use crate::limits::{
    CHUNK_SIZE_MAX, CHUNK_SIZE_MIN, FRAME_HEADER_FIRST_SIZE, FRAME_HEADER_SIZE, MESSAGE_SIZE_MAX,
};

/// The version that every frame names.
pub const FRAME_VERSION: u8 = 1;

const FLAG_FIRST: u8 = 0b0001;

/// The tag that the central chooses for its session, at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionTag(pub [u8; 4]);

/// The largest frame that a link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkSize(usize);

impl ChunkSize {
    /// Creates a chunk size from what the radio says it can carry in one write or notification.
    ///
    /// Larger than 512 is cut to 512.
    ///
    /// # Errors
    ///
    /// [`ChunkTooSmall`] below 20, which no link with an ATT MTU of 23 reports.
    pub fn new(radio_max: usize) -> Result<Self, ChunkTooSmall> {
        if radio_max < CHUNK_SIZE_MIN {
            return Err(ChunkTooSmall);
        }

        Ok(Self(radio_max.min(CHUNK_SIZE_MAX)))
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

/// The link carries less than the smallest chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link carries fewer than {CHUNK_SIZE_MIN} bytes at a time")]
pub struct ChunkTooSmall;

/// Why a frame ended its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than its header.
    #[error("the frame is cut short")]
    CutShort,
    /// Longer than any chunk.
    #[error("the frame is longer than {CHUNK_SIZE_MAX} bytes")]
    TooLong,
    /// Another frame version, or flags that version 1 does not have.
    #[error("the frame's first byte {0:#04x} is not one of version 1")]
    UnknownKind(u8),
    /// A frame without any of the message's bytes.
    #[error("the frame carries nothing")]
    Empty,
    /// The counter is not the next one: a frame was lost, repeated or reordered.
    #[error("frame {found} where {expected} was due")]
    Gap {
        /// The counter that was due.
        expected: u8,
        /// The counter that came.
        found: u8,
    },
    /// The central changed its session's tag.
    #[error("the frame has another session's tag")]
    WrongTag,
    /// A first frame in the middle of a message.
    #[error("a new message began before the last one ended")]
    UnexpectedFirst,
    /// A later frame without a first.
    #[error("the message has no first frame")]
    MissingFirst,
    /// The message is empty.
    #[error("the message is empty")]
    EmptyMessage,
    /// The message is larger than allowed.
    #[error("the message of {0} bytes is larger than {MESSAGE_SIZE_MAX}")]
    MessageTooLarge(usize),
    /// More bytes came than the first frame announced.
    #[error("the message is longer than it said")]
    Overrun,
    /// The last frame did not come in time.
    #[error("the message was not complete in time")]
    TimedOut,
}

/// One frame, taken apart.
struct Frame<'a> {
    kind: u8,
    counter: u8,
    tag: SessionTag,
    rest: &'a [u8],
}

impl<'a> Frame<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() > CHUNK_SIZE_MAX {
            return Err(FrameError::TooLong);
        }
        let (header, rest) = bytes
            .split_first_chunk::<FRAME_HEADER_SIZE>()
            .ok_or(FrameError::CutShort)?;
        let [kind, counter, t0, t1, t2, t3] = *header;

        Ok(Self {
            kind,
            counter,
            tag: SessionTag([t0, t1, t2, t3]),
            rest,
        })
    }

    fn kind(&self) -> Result<FrameKind, FrameError> {
        match self.kind {
            kind if kind == first_byte(FrameKind::First) => Ok(FrameKind::First),
            kind if kind == first_byte(FrameKind::Later) => Ok(FrameKind::Later),
            kind => Err(FrameError::UnknownKind(kind)),
        }
    }
}

#[derive(Clone, Copy)]
enum FrameKind {
    First,
    Later,
}

const fn first_byte(kind: FrameKind) -> u8 {
    match kind {
        FrameKind::First => (FRAME_VERSION << 4) | FLAG_FIRST,
        FrameKind::Later => FRAME_VERSION << 4,
    }
}

/// Returns the session tag and the counter of a frame; `None` for what is no frame.
///
/// For a radio whose link may deliver frames out of order, to put them back.
#[must_use]
pub fn order_of(bytes: &[u8]) -> Option<(SessionTag, u8)> {
    let frame = Frame::parse(bytes).ok()?;
    frame.kind().ok()?;

    Some((frame.tag, frame.counter))
}

/// Returns the frames that a message of `size` bytes takes on a link.
#[must_use]
pub fn frames_needed(size: usize, chunk: ChunkSize) -> usize {
    let first = chunk.get().saturating_sub(FRAME_HEADER_FIRST_SIZE);
    let later = chunk.get().saturating_sub(FRAME_HEADER_SIZE);

    size.saturating_sub(first)
        .div_ceil(later.max(1))
        .saturating_add(1)
}
