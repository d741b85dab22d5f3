//! The `INFO` characteristic: what a payee can talk, read before the first flight.
//!
//! The bytes are the same for every session of a device and name nobody:
//! format (1) ‖ number of versions ‖ versions, rising ‖ largest message (2 bytes, big endian).
//! Both sides put the bytes *as read* into the handshake's prologue, so whoever changes them on the
//! way ends the handshake instead of lowering the version.

use crate::limits::{INFO_SIZE_MAX, INFO_VERSIONS_MAX, MESSAGE_SIZE_MAX};

/// The version of the BLE protocol that this crate talks.
pub const PROTOCOL_VERSION: u8 = 1;

/// The value of this device's `INFO` characteristic.
pub const INFO_BYTES: [u8; 5] = [INFO_FORMAT, 1, PROTOCOL_VERSION, 0x10, 0x00];

const INFO_FORMAT: u8 = 1;

const _: () = {
    assert!(INFO_BYTES.len() <= INFO_SIZE_MAX);
    assert!(MESSAGE_SIZE_MAX == 0x1000);
};

/// A payee's `INFO` value that was read and understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    bytes: Vec<u8>,
    version: u8,
}

impl Info {
    /// Returns this device's own.
    #[must_use]
    pub fn own() -> Self {
        Self {
            bytes: INFO_BYTES.to_vec(),
            version: PROTOCOL_VERSION,
        }
    }

    /// Parses what was read from the characteristic and picks the highest common version.
    ///
    /// # Errors
    ///
    /// [`InfoError`] if the bytes are not of format 1, or no version or message size is common.
    pub fn parse(bytes: &[u8]) -> Result<Self, InfoError> {
        if bytes.len() > INFO_SIZE_MAX {
            return Err(InfoError::Malformed);
        }
        let (&format, rest) = bytes.split_first().ok_or(InfoError::Malformed)?;
        if format != INFO_FORMAT {
            return Err(InfoError::UnknownFormat(format));
        }
        let (&count, rest) = rest.split_first().ok_or(InfoError::Malformed)?;
        let count = usize::from(count);
        if count == 0 || count > INFO_VERSIONS_MAX {
            return Err(InfoError::Malformed);
        }
        let (versions, rest) = rest.split_at_checked(count).ok_or(InfoError::Malformed)?;
        if !versions.is_sorted_by(|a, b| a < b) {
            return Err(InfoError::Malformed);
        }
        let size = <[u8; 2]>::try_from(rest).map_err(|_| InfoError::Malformed)?;
        if usize::from(u16::from_be_bytes(size)) < MESSAGE_SIZE_MAX {
            return Err(InfoError::MessagesTooSmall);
        }
        if !versions.contains(&PROTOCOL_VERSION) {
            return Err(InfoError::NoCommonVersion);
        }

        Ok(Self {
            bytes: bytes.to_vec(),
            version: PROTOCOL_VERSION,
        })
    }

    /// Returns the bytes as read.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the version that both sides talk.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version
    }
}

/// Why an `INFO` value cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// The bytes do not follow the format.
    #[error("INFO is malformed")]
    Malformed,
    /// The format's number is not one that we know.
    #[error("INFO has the unknown format {0}")]
    UnknownFormat(u8),
    /// The other side talks none of our versions.
    #[error("no protocol version in common")]
    NoCommonVersion,
    /// The other side cannot take a message of the largest size.
    #[error("the other side takes smaller messages than the protocol needs")]
    MessagesTooSmall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_info_is_understood_and_frozen() {
        assert_eq!(INFO_BYTES, [0x01, 0x01, 0x01, 0x10, 0x00]);
        assert_eq!(Info::parse(&INFO_BYTES), Ok(Info::own()));
    }

    #[test]
    fn a_later_device_with_more_versions_is_understood() {
        let info = Info::parse(&[1, 3, 1, 2, 9, 0x20, 0x00]).expect("well formed");

        assert_eq!(info.version(), 1);
    }

    #[test]
    fn every_prefix_and_every_oddity_is_refused_by_name() {
        for end in 0..INFO_BYTES.len() {
            assert_eq!(
                Info::parse(&INFO_BYTES[..end]),
                Err(InfoError::Malformed),
                "prefix of {end}"
            );
        }
        assert_eq!(
            Info::parse(&[2, 1, 1, 16, 0]),
            Err(InfoError::UnknownFormat(2))
        );
        assert_eq!(Info::parse(&[1, 0, 16, 0]), Err(InfoError::Malformed));
        assert_eq!(Info::parse(&[1, 2, 2, 1, 16, 0]), Err(InfoError::Malformed));
        assert_eq!(Info::parse(&[1, 2, 1, 1, 16, 0]), Err(InfoError::Malformed));
        assert_eq!(
            Info::parse(&[1, 1, 2, 16, 0]),
            Err(InfoError::NoCommonVersion)
        );
        assert_eq!(
            Info::parse(&[1, 1, 1, 15, 255]),
            Err(InfoError::MessagesTooSmall)
        );
        assert_eq!(Info::parse(&[1, 1, 1, 16, 0, 0]), Err(InfoError::Malformed));
        assert_eq!(Info::parse(&[0; 33]), Err(InfoError::Malformed));
    }
}
