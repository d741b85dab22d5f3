//! The session: who holds the request's key, and that nobody in between reads or changes a byte.
//!
//! ```text
//! mode Heard    Noise_NX_25519_ChaChaPoly_SHA256         request found by its advertisement
//! mode Scanned  Noise_NKpsk0_25519_ChaChaPoly_SHA256     request found by its `blepay:` URI
//! prologue      domain ‖ length of INFO (1) ‖ INFO as read ‖ version ‖ mode ‖ request tag
//! flight ①      version ‖ mode ‖ request tag ‖ Noise message 1
//!               its payload: Heard: opening (1 byte), commitment (32 bytes) unless only browsing
//!                            Scanned: empty
//! flight ②      Noise message 2; from then on each message is one Noise transport message
//! ```

mod channel;
mod entropy;
mod handshake;
mod keys;
mod resolver;

pub use channel::Channel;
pub use entropy::{ENTROPY_SIZE, LinkEntropy};
pub use handshake::{Accepted, Dialled, HandshakeHash, Hello, Initiator, Opening, Responder};
pub use keys::{NoiseSecret, UriSecret};

/// How the payer came to know of the request; fixed before the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mode {
    /// By its advertisement: Noise `NX`, commitment, six-digit code.
    Heard = 1,
    /// By its `blepay:` URI: Noise `NKpsk0`, no commitment and no code.
    Scanned = 2,
}

impl Mode {
    /// Returns the byte that stands for it on the air.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Heard => 1,
            Self::Scanned => 2,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Heard),
            2 => Some(Self::Scanned),
            _ => None,
        }
    }
}

/// Why a handshake or a sealed message failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Flight ① or ② does not have its form.
    #[error("the handshake message is malformed")]
    Malformed,
    /// The other side names a protocol version that we do not talk.
    #[error("the other side talks version {0}")]
    WrongVersion(u8),
    /// Flight ① names a mode that does not exist.
    #[error("the handshake names the unknown mode {0}")]
    UnknownMode(u8),
    /// The handshake did not authenticate: another prologue, another secret, or changed bytes.
    #[error("the handshake does not authenticate")]
    HandshakeFailed,
    /// A sealed message did not authenticate.
    #[error("the message does not authenticate")]
    NotAuthentic,
    /// The message is too large to be sealed.
    #[error("the message is too large to be sealed")]
    TooLarge,
}
