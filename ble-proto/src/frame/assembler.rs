//! Puts messages together again.

use super::{Frame, FrameError, FrameKind, SessionTag};
use crate::limits::{ASSEMBLY_MS_MAX, MESSAGE_SIZE_MAX};
use crate::time::Instant;

/// The receiving half of one side of a session: one message at a time, at most 4 KiB, at most 10 s.
///
/// After an error the session is over; the assembler is not used again.
#[derive(Debug)]
pub struct Assembler {
    tag: Tag,
    counter: u8,
    assembly: Option<Assembly>,
}

/// What a frame led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assembled {
    /// More frames are due.
    Incomplete,
    /// The frame was for another central, and changed nothing.
    Foreign,
    /// The message is complete.
    Complete(Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
enum Tag {
    /// We are the peripheral and take the tag of the first frame that comes.
    Adopt,
    /// We are the peripheral; another tag is an error of the central.
    Adopted(SessionTag),
    /// We are the central; another tag is somebody else's notification.
    Chosen(SessionTag),
}

#[derive(Debug)]
struct Assembly {
    bytes: Vec<u8>,
    announced: usize,
    deadline: Instant,
}

impl Assembler {
    /// Creates the payee's: it takes the session tag from the first frame.
    #[must_use]
    pub const fn peripheral() -> Self {
        Self::new(Tag::Adopt)
    }

    /// Creates the payer's, which knows the tag that it chose.
    #[must_use]
    pub const fn central(tag: SessionTag) -> Self {
        Self::new(Tag::Chosen(tag))
    }

    /// Takes the next frame of the link.
    ///
    /// # Errors
    ///
    /// Every [`FrameError`] but [`FrameError::EmptyMessage`] of an own message; the session is over.
    pub fn handle_frame(&mut self, bytes: &[u8], now: Instant) -> Result<Assembled, FrameError> {
        let frame = Frame::parse(bytes)?;
        match self.tag {
            Tag::Chosen(tag) if tag != frame.tag => return Ok(Assembled::Foreign),
            Tag::Adopted(tag) if tag != frame.tag => return Err(FrameError::WrongTag),
            Tag::Chosen(_) | Tag::Adopted(_) | Tag::Adopt => {}
        }
        let kind = frame.kind()?;
        if frame.counter != self.counter {
            return Err(FrameError::Gap {
                expected: self.counter,
                found: frame.counter,
            });
        }

        let assembly = match (kind, self.assembly.take()) {
            (FrameKind::First, None) => Assembly::begin(frame.rest, now)?,
            (FrameKind::Later, Some(assembly)) => assembly.extend(frame.rest, now)?,
            (FrameKind::First, Some(_)) => return Err(FrameError::UnexpectedFirst),
            (FrameKind::Later, None) => return Err(FrameError::MissingFirst),
        };
        self.counter = self.counter.wrapping_add(1);
        if let Tag::Adopt = self.tag {
            self.tag = Tag::Adopted(frame.tag);
        }

        Ok(self.progress(assembly))
    }

    /// Ends the session if a message is overdue.
    ///
    /// # Errors
    ///
    /// [`FrameError::TimedOut`].
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), FrameError> {
        match self.poll_timeout() {
            Some(deadline) if deadline <= now => Err(FrameError::TimedOut),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns when the message under way is overdue.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.assembly.as_ref().map(|assembly| assembly.deadline)
    }

    /// Returns the session's tag, once it is known.
    #[must_use]
    pub const fn tag(&self) -> Option<SessionTag> {
        match self.tag {
            Tag::Adopt => None,
            Tag::Adopted(tag) | Tag::Chosen(tag) => Some(tag),
        }
    }

    /// Returns the bytes that the link makes us hold, which never exceed the largest message.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.assembly
            .as_ref()
            .map_or(0, |assembly| assembly.bytes.capacity())
    }

    const fn new(tag: Tag) -> Self {
        Self {
            tag,
            counter: 0,
            assembly: None,
        }
    }

    fn progress(&mut self, assembly: Assembly) -> Assembled {
        if assembly.bytes.len() == assembly.announced {
            return Assembled::Complete(assembly.bytes);
        }
        self.assembly = Some(assembly);

        Assembled::Incomplete
    }
}

impl Assembly {
    fn begin(rest: &[u8], now: Instant) -> Result<Self, FrameError> {
        let (announced, body) = rest.split_first_chunk::<2>().ok_or(FrameError::CutShort)?;
        let announced = usize::from(u16::from_be_bytes(*announced));
        if announced == 0 {
            return Err(FrameError::EmptyMessage);
        }
        if announced > MESSAGE_SIZE_MAX {
            return Err(FrameError::MessageTooLarge(announced));
        }

        let empty = Self {
            bytes: Vec::with_capacity(announced),
            announced,
            deadline: now.after_ms(ASSEMBLY_MS_MAX),
        };
        empty.extend(body, now)
    }

    fn extend(mut self, body: &[u8], now: Instant) -> Result<Self, FrameError> {
        if self.deadline <= now {
            return Err(FrameError::TimedOut);
        }
        if body.is_empty() {
            return Err(FrameError::Empty);
        }
        let missing = self.announced.saturating_sub(self.bytes.len());
        if body.len() > missing {
            return Err(FrameError::Overrun);
        }
        self.bytes.extend_from_slice(body);

        Ok(self)
    }
}
