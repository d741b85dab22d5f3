//! The sealed channel after the handshake.

use std::fmt;

use snow::TransportState;

use super::SessionError;
use crate::limits::{MESSAGE_SIZE_MAX, NOISE_TAG_SIZE};

/// Both directions of an established session; its keys are wiped when it is dropped.
pub struct Channel {
    noise: TransportState,
}

impl Channel {
    pub(super) const fn new(noise: TransportState) -> Self {
        Self { noise }
    }

    /// Seals the next message to the other side.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooLarge`] if the sealed bytes would exceed the largest message.
    pub fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, SessionError> {
        let size = plain.len().saturating_add(NOISE_TAG_SIZE);
        if size > MESSAGE_SIZE_MAX {
            return Err(SessionError::TooLarge);
        }
        let mut sealed = vec![0; size];
        let written = self
            .noise
            .write_message(plain, &mut sealed)
            .map_err(|_| SessionError::TooLarge)?;
        sealed.truncate(written);

        Ok(sealed)
    }

    /// Opens the next message from the other side.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotAuthentic`] for anything but exactly the next message; the session is over.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, SessionError> {
        if sealed.len() < NOISE_TAG_SIZE || sealed.len() > MESSAGE_SIZE_MAX {
            return Err(SessionError::NotAuthentic);
        }
        let mut plain = vec![0; sealed.len()];
        let read = self
            .noise
            .read_message(sealed, &mut plain)
            .map_err(|_| SessionError::NotAuthentic)?;
        plain.truncate(read);

        Ok(plain)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel([redacted])")
    }
}
