//! How bytes are signed, hashed and decoded.
//!
//! On the wire a signed message is `version ‖ postcard(body) ‖ signature`. What is signed, and what
//! "the hash of a message" means, is `domain tag ‖ version ‖ postcard(body)`. A signature is checked
//! over the bytes as received, and a body whose encoding is not the canonical one is refused (postcard
//! alone takes overlong varints and trailing bytes).

use core::fmt;
use std::sync::Arc;

use postcard::ser_flavors::Flavor;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::Digest;
use crate::key::{PreparedKey, PublicKey, SecretKey, Signature, SignatureInvalid};

/// The version of everything that is signed.
pub const VERSION: u8 = 1;

/// Bytes of a signature.
pub const SIGNATURE_SIZE: usize = 64;

/// The body of a signed message.
pub trait Body: Serialize + DeserializeOwned {
    /// The domain tag, ending in a zero byte, so that none is the beginning of another.
    const DOMAIN: &'static [u8];

    /// Largest size on the wire, version and signature included, in bytes.
    const SIZE_MAX: usize = crate::limits::MESSAGE_SIZE_MAX;
}

/// A body with its signature and the bytes that were signed.
///
/// Holding one says that it is well formed, **not** that the signature fits: call
/// [`Signed::verify`] with the key that must have signed.
///
/// Cloning is cheap: the message itself is shared.
pub struct Signed<T>(Arc<SignedMessage<T>>);

struct SignedMessage<T> {
    body: T,
    /// The whole message as it travels, as received.
    wire: Vec<u8>,
    signature: Signature,
}

impl<T> SignedMessage<T> {
    /// Returns `version ‖ postcard(body)`.
    fn bytes(&self) -> &[u8] {
        self.wire
            .split_last_chunk::<SIGNATURE_SIZE>()
            .map_or(&[], |(bytes, _)| bytes)
    }
}

impl<T: Body> Signed<T> {
    /// Signs a body.
    ///
    /// # Panics
    ///
    /// Never for bodies of this crate: their encoding cannot fail.
    #[must_use]
    pub fn sign(body: T, key: &SecretKey) -> Self {
        let mut wire = encode_body(&body);
        let signature = key.sign(&with_domain::<T>(&wire));
        wire.extend_from_slice(&signature.0);

        Self::new(body, wire, signature)
    }

    /// Decodes a message from the wire.
    ///
    /// # Errors
    ///
    /// [`Malformed`] says what is wrong with the bytes.
    pub fn decode(wire: &[u8]) -> Result<Self, Malformed> {
        Self::decode_owned(wire.to_vec())
    }

    fn decode_owned(wire: Vec<u8>) -> Result<Self, Malformed> {
        if wire.len() > T::SIZE_MAX {
            return Err(Malformed::TooLong);
        }
        let (bytes, signature) = wire
            .split_last_chunk::<SIGNATURE_SIZE>()
            .ok_or(Malformed::CutShort)?;
        let (version, encoded) = bytes.split_first().ok_or(Malformed::CutShort)?;
        if *version != VERSION {
            return Err(Malformed::Version(*version));
        }
        let body: T = decode_canonical(encoded)?;
        let signature = Signature(*signature);

        Ok(Self::new(body, wire, signature))
    }

    /// Checks the signature over the bytes as received and returns the body.
    ///
    /// # Errors
    ///
    /// [`SignatureInvalid`] when `key` did not sign these bytes.
    pub fn verify(&self, key: &PublicKey) -> Result<&T, SignatureInvalid> {
        key.verify(&with_domain::<T>(self.0.bytes()), &self.0.signature)?;

        Ok(&self.0.body)
    }

    /// Checks the signature as [`Signed::verify`] does, with a key that was prepared.
    ///
    /// # Errors
    ///
    /// [`SignatureInvalid`] when `key` did not sign these bytes.
    pub fn verify_prepared(&self, key: &PreparedKey) -> Result<&T, SignatureInvalid> {
        key.verify(&with_domain::<T>(self.0.bytes()), &self.0.signature)?;

        Ok(&self.0.body)
    }

    /// Returns the hash of the message: SHA-256 over exactly the signed bytes.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&[T::DOMAIN, self.0.bytes()])
    }
}

impl<T> Signed<T> {
    fn new(body: T, wire: Vec<u8>, signature: Signature) -> Self {
        Self(Arc::new(SignedMessage {
            body,
            wire,
            signature,
        }))
    }

    /// Returns the body, whose signature may not have been checked yet.
    #[must_use]
    pub fn body(&self) -> &T {
        &self.0.body
    }

    /// Returns the message as it travels: `version ‖ postcard(body) ‖ signature`.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        self.0.wire.clone()
    }

    /// Returns the bytes of the message as it travels.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0.wire
    }

    /// Returns the signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.0.signature
    }
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Two messages are equal when their bytes and signatures are.
impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.wire == other.0.wire
    }
}

impl<T> Eq for Signed<T> {}

impl<T: fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signed").field(&self.0.body).finish()
    }
}

impl<T> Serialize for Signed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.wire)
    }
}

impl<'de, T: Body> Deserialize<'de> for Signed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = deserializer.deserialize_byte_buf(WireVisitor)?;

        Self::decode_owned(wire).map_err(D::Error::custom)
    }
}

struct WireVisitor;

impl serde::de::Visitor<'_> for WireVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a signed message")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

/// Encodes a value whose encoding cannot fail: everything that this workspace puts on a wire.
///
/// # Panics
///
/// When a value of a foreign type refuses to be serialised.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("encoding plain values to memory cannot fail")
}

/// Decodes a value and refuses every encoding of it but the canonical one.
///
/// # Errors
///
/// [`Malformed::Encoding`] when postcard refuses, [`Malformed::NotCanonical`] when encoding the value
/// again does not give the input.
pub fn decode_canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    let value: T = postcard::from_bytes(bytes).map_err(|_| Malformed::Encoding)?;
    postcard::serialize_with_flavor(&value, Same { rest: bytes })
        .map_err(|_| Malformed::NotCanonical)?;

    Ok(value)
}

/// Takes an encoding only as long as it is the same as the expected one, and keeps nothing of it.
struct Same<'a> {
    rest: &'a [u8],
}

impl Flavor for Same<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.rest = self
            .rest
            .strip_prefix(bytes)
            .ok_or(postcard::Error::SerializeBufferFull)?;

        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(self) -> postcard::Result<()> {
        if !self.rest.is_empty() {
            return Err(postcard::Error::SerializeBufferFull);
        }

        Ok(())
    }
}

fn encode_body<T: Body>(body: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(encode(body));

    bytes
}

fn with_domain<T: Body>(bytes: &[u8]) -> Vec<u8> {
    [T::DOMAIN, bytes].concat()
}

/// Bytes are no message of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end before the message does.
    #[error("the message is cut short")]
    CutShort,
    /// The bytes are more than the largest message of this kind.
    #[error("the message is too long")]
    TooLong,
    /// A version that this code does not speak.
    #[error("version {0} is not known, only version {VERSION} is")]
    Version(u8),
    /// A field is missing or out of range.
    #[error("the message does not decode")]
    Encoding,
    /// Not the one canonical encoding, or bytes after it.
    #[error("the message is not in its canonical encoding")]
    NotCanonical,
}
