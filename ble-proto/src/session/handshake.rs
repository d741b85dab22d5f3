//! Flights ① and ②.

use std::fmt;

use ops_proto::message::NoiseKey;
use snow::{Builder, HandshakeState};

use super::resolver::Resolver;
use super::{Channel, LinkEntropy, Mode, NoiseSecret, SessionError, UriSecret};
use crate::code::NonceCommitment;
use crate::gatt::RequestTag;
use crate::info::{Info, PROTOCOL_VERSION};
use crate::limits::{MESSAGE_SIZE_MAX, NOISE_KEY_SIZE, NOISE_TAG_SIZE};

const PROLOGUE_DOMAIN: &[u8] = b"blepay/ble/prologue/v1";
const PATTERN_HEARD: &str = "Noise_NX_25519_ChaChaPoly_SHA256";
const PATTERN_SCANNED: &str = "Noise_NKpsk0_25519_ChaChaPoly_SHA256";
const OPENING_BROWSING: u8 = 0;
const OPENING_COMMITTED: u8 = 1;

/// What the payer says in flight ①.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Looks at the request and may send a payment again, but cannot choose.
    Browsing,
    /// Has fixed its nonce and may choose.
    Committed(NonceCommitment),
    /// Has scanned the URI and may choose; there is no code.
    Scanned,
}

/// The hash of the handshake after flight ②: what both sides saw, if they saw the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeHash(pub [u8; 32]);

/// The payer's side between flights ① and ②.
pub struct Initiator {
    noise: HandshakeState,
}

/// What the payer has after flight ②.
#[derive(Debug)]
pub struct Dialled {
    /// The channel to the payee.
    pub channel: Channel,
    /// The handshake's hash, from which the code comes.
    pub hash: HandshakeHash,
    /// The static Noise key that the payee proved to hold.
    pub payee_noise_key: NoiseKey,
    /// The payload of flight ②.
    pub payload: Vec<u8>,
}

/// Flight ①, taken apart, not yet answered: enough to know which request and mode it wants.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    mode: Mode,
    tag: RequestTag,
    noise: Vec<u8>,
}

/// The payee's side between flights ① and ②.
pub struct Responder {
    noise: HandshakeState,
    opening: Opening,
}

/// What the payee has after flight ②.
#[derive(Debug)]
pub struct Accepted {
    /// The channel to the payer.
    pub channel: Channel,
    /// The handshake's hash, from which the code comes.
    pub hash: HandshakeHash,
    /// Flight ②, to be sent.
    pub flight: Vec<u8>,
}

impl Initiator {
    /// Begins a handshake for a request that was heard; returns flight ①.
    ///
    /// # Errors
    ///
    /// [`SessionError::HandshakeFailed`], which no input of ours causes.
    pub fn heard(
        info: &Info,
        tag: RequestTag,
        commitment: Option<NonceCommitment>,
        entropy: &mut LinkEntropy,
    ) -> Result<(Self, Vec<u8>), SessionError> {
        let prologue = prologue(info, Mode::Heard, tag);
        let noise = builder(PATTERN_HEARD, entropy)?
            .prologue(&prologue)
            .and_then(Builder::build_initiator)
            .map_err(|_| SessionError::HandshakeFailed)?;

        let payload = match commitment {
            None => vec![OPENING_BROWSING],
            Some(NonceCommitment(hash)) => {
                let mut payload = vec![OPENING_COMMITTED];
                payload.extend_from_slice(&hash);
                payload
            }
        };
        Self { noise }.begin(info, Mode::Heard, tag, &payload)
    }

    /// Begins a handshake for a request whose URI was scanned; returns flight ①.
    ///
    /// # Errors
    ///
    /// [`SessionError::HandshakeFailed`] if the URI's key is of low order.
    pub fn scanned(
        info: &Info,
        tag: RequestTag,
        payee: &NoiseKey,
        secret: &UriSecret,
        entropy: &mut LinkEntropy,
    ) -> Result<(Self, Vec<u8>), SessionError> {
        let prologue = prologue(info, Mode::Scanned, tag);
        let psk = secret.psk();
        let noise = builder(PATTERN_SCANNED, entropy)?
            .prologue(&prologue)
            .and_then(|builder| builder.remote_public_key(&payee.0))
            .and_then(|builder| builder.psk(0, &psk))
            .and_then(Builder::build_initiator)
            .map_err(|_| SessionError::HandshakeFailed)?;

        Self { noise }.begin(info, Mode::Scanned, tag, &[])
    }

    /// Takes flight ②.
    ///
    /// # Errors
    ///
    /// [`SessionError::HandshakeFailed`] if it does not answer our flight ① with our prologue.
    pub fn handle_answer(mut self, flight: &[u8]) -> Result<Dialled, SessionError> {
        if flight.len() > MESSAGE_SIZE_MAX {
            return Err(SessionError::Malformed);
        }
        let mut payload = vec![0; flight.len()];
        let read = self
            .noise
            .read_message(flight, &mut payload)
            .map_err(|_| SessionError::HandshakeFailed)?;
        payload.truncate(read);

        let payee_noise_key = self
            .noise
            .get_remote_static()
            .and_then(|key| key.try_into().ok().map(NoiseKey))
            .ok_or(SessionError::HandshakeFailed)?;
        let (channel, hash) = establish(self.noise)?;

        Ok(Dialled {
            channel,
            hash,
            payee_noise_key,
            payload,
        })
    }

    fn begin(
        mut self,
        info: &Info,
        mode: Mode,
        tag: RequestTag,
        payload: &[u8],
    ) -> Result<(Self, Vec<u8>), SessionError> {
        let mut flight = vec![info.version(), mode.to_byte()];
        flight.extend_from_slice(&tag.0);
        flight.extend(write(&mut self.noise, payload)?);

        Ok((self, flight))
    }
}

impl Hello {
    /// Parses flight ①, as far as it is in the clear.
    ///
    /// # Errors
    ///
    /// [`SessionError::Malformed`], [`SessionError::WrongVersion`] or [`SessionError::UnknownMode`].
    pub fn parse(flight: &[u8]) -> Result<Self, SessionError> {
        let (&version, rest) = flight.split_first().ok_or(SessionError::Malformed)?;
        if version != PROTOCOL_VERSION {
            return Err(SessionError::WrongVersion(version));
        }
        let (&mode, rest) = rest.split_first().ok_or(SessionError::Malformed)?;
        let mode = Mode::from_byte(mode).ok_or(SessionError::UnknownMode(mode))?;
        let (&tag, noise) = rest.split_first_chunk().ok_or(SessionError::Malformed)?;
        if noise.len() < NOISE_KEY_SIZE || noise.len() > HELLO_NOISE_SIZE_MAX {
            return Err(SessionError::Malformed);
        }

        Ok(Self {
            mode,
            tag: RequestTag(tag),
            noise: noise.to_vec(),
        })
    }

    /// Returns how the payer came to know of the request.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns which request the payer means.
    #[must_use]
    pub const fn tag(&self) -> RequestTag {
        self.tag
    }
}

impl Responder {
    /// Reads flight ① for a request that is advertised.
    ///
    /// # Errors
    ///
    /// [`SessionError::Malformed`] or [`SessionError::HandshakeFailed`].
    pub fn heard(
        hello: &Hello,
        secret: &NoiseSecret,
        entropy: &mut LinkEntropy,
    ) -> Result<Self, SessionError> {
        let prologue = prologue(&Info::own(), Mode::Heard, hello.tag);
        let mut noise = builder(PATTERN_HEARD, entropy)?
            .prologue(&prologue)
            .and_then(|builder| builder.local_private_key(secret.expose()))
            .and_then(Builder::build_responder)
            .map_err(|_| SessionError::HandshakeFailed)?;
        let payload = read(&mut noise, &hello.noise)?;
        let opening = match payload.split_first() {
            Some((&OPENING_BROWSING, [])) => Opening::Browsing,
            Some((&OPENING_COMMITTED, hash)) => Opening::Committed(NonceCommitment(
                hash.try_into().map_err(|_| SessionError::Malformed)?,
            )),
            Some(_) | None => return Err(SessionError::Malformed),
        };

        Ok(Self { noise, opening })
    }

    /// Reads flight ① for a request that was opened by URI; only who has its secret passes.
    ///
    /// # Errors
    ///
    /// [`SessionError::Malformed`] or [`SessionError::HandshakeFailed`].
    pub fn scanned(
        hello: &Hello,
        secret: &NoiseSecret,
        uri_secret: &UriSecret,
        entropy: &mut LinkEntropy,
    ) -> Result<Self, SessionError> {
        let prologue = prologue(&Info::own(), Mode::Scanned, hello.tag);
        let psk = uri_secret.psk();
        let mut noise = builder(PATTERN_SCANNED, entropy)?
            .prologue(&prologue)
            .and_then(|builder| builder.local_private_key(secret.expose()))
            .and_then(|builder| builder.psk(0, &psk))
            .and_then(Builder::build_responder)
            .map_err(|_| SessionError::HandshakeFailed)?;
        let payload = read(&mut noise, &hello.noise)?;
        if !payload.is_empty() {
            return Err(SessionError::Malformed);
        }

        Ok(Self {
            noise,
            opening: Opening::Scanned,
        })
    }

    /// Returns what the payer said in flight ①.
    #[must_use]
    pub const fn opening(&self) -> Opening {
        self.opening
    }

    /// Makes flight ② with this payload.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooLarge`] if the flight would exceed the largest message;
    /// [`SessionError::HandshakeFailed`] if the payer's key is of low order.
    pub fn answer(mut self, payload: &[u8]) -> Result<Accepted, SessionError> {
        let flight = write(&mut self.noise, payload)?;
        let (channel, hash) = establish(self.noise)?;

        Ok(Accepted {
            channel,
            hash,
            flight,
        })
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator([redacted])")
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder([redacted])")
    }
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("mode", &self.mode)
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

fn builder(pattern: &str, entropy: &mut LinkEntropy) -> Result<Builder<'static>, SessionError> {
    let params = pattern.parse().map_err(|_| SessionError::HandshakeFailed)?;

    Ok(Builder::with_resolver(
        params,
        Box::new(Resolver::new(entropy)),
    ))
}

fn prologue(info: &Info, mode: Mode, tag: RequestTag) -> Vec<u8> {
    let info_size = u8::try_from(info.as_bytes().len()).expect("INFO has at most 32 bytes");
    let mut prologue = PROLOGUE_DOMAIN.to_vec();
    prologue.push(info_size);
    prologue.extend_from_slice(info.as_bytes());
    prologue.push(info.version());
    prologue.push(mode.to_byte());
    prologue.extend_from_slice(&tag.0);

    prologue
}

fn write(noise: &mut HandshakeState, payload: &[u8]) -> Result<Vec<u8>, SessionError> {
    let mut flight = vec![0; payload.len().saturating_add(HANDSHAKE_OVERHEAD_MAX)];
    let written = noise
        .write_message(payload, &mut flight)
        .map_err(|_| SessionError::HandshakeFailed)?;
    if written > MESSAGE_SIZE_MAX {
        return Err(SessionError::TooLarge);
    }
    flight.truncate(written);

    Ok(flight)
}

fn read(noise: &mut HandshakeState, flight: &[u8]) -> Result<Vec<u8>, SessionError> {
    let mut payload = vec![0; flight.len()];
    let read = noise
        .read_message(flight, &mut payload)
        .map_err(|_| SessionError::HandshakeFailed)?;
    payload.truncate(read);

    Ok(payload)
}

fn establish(noise: HandshakeState) -> Result<(Channel, HandshakeHash), SessionError> {
    let hash = noise
        .get_handshake_hash()
        .try_into()
        .map_err(|_| SessionError::HandshakeFailed)?;
    let transport = noise
        .into_transport_mode()
        .map_err(|_| SessionError::HandshakeFailed)?;

    Ok((Channel::new(transport), HandshakeHash(hash)))
}

/// `e`, `s` and the tags of both the key and the payload.
const HANDSHAKE_OVERHEAD_MAX: usize = 2 * NOISE_KEY_SIZE + 2 * NOISE_TAG_SIZE;

/// `e` and the longest payload of flight ①, with a tag to spare.
const HELLO_NOISE_SIZE_MAX: usize = NOISE_KEY_SIZE + 1 + 32 + NOISE_TAG_SIZE;
