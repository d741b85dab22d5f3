//! Commands and answers as bytes: TCG "TPM 2.0 Library", part 1, section 18; big endian throughout.

use zeroize::Zeroizing;

use super::error::{Malformed, Refusal, TpmError};

/// The commands that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandCode {
    /// Reserves an index in the TPM's memory.
    NvDefineSpace,
    /// Makes the storage root key anew from the owner's seed.
    CreatePrimary,
    /// Extends an index.
    NvExtend,
    /// Reads an index.
    NvRead,
    /// Seals bytes under a key.
    Create,
    /// Brings a sealed object back into the TPM.
    Load,
    /// Returns the bytes of a sealed object.
    Unseal,
    /// Takes an object out of the TPM.
    FlushContext,
    /// Describes an index.
    NvReadPublic,
}

impl CommandCode {
    /// Part 2, section 6.5.
    const fn number(self) -> u32 {
        match self {
            Self::NvDefineSpace => 0x0000_012a,
            Self::CreatePrimary => 0x0000_0131,
            Self::NvExtend => 0x0000_0136,
            Self::NvRead => 0x0000_014e,
            Self::Create => 0x0000_0153,
            Self::Load => 0x0000_0157,
            Self::Unseal => 0x0000_015e,
            Self::FlushContext => 0x0000_0165,
            Self::NvReadPublic => 0x0000_0169,
        }
    }
}

/// Bytes being put together, wiped when dropped: they may hold a secret.
#[derive(Default)]
pub(super) struct Bytes(Zeroizing<Vec<u8>>);

impl Bytes {
    pub(super) fn new() -> Self {
        // Room for the largest command, so that no part of a secret stays where a vector once was.
        Self(Zeroizing::new(Vec::with_capacity(COMMAND_SIZE_MAX)))
    }

    pub(super) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A `TPM2B`: length and bytes.
    pub(super) fn sized(self, bytes: &[u8]) -> Self {
        let length = u16::try_from(bytes.len()).expect("nothing that we send is so long");
        self.u16(length).raw(bytes)
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// Who may do what a command asks for.
#[derive(Clone, Copy)]
pub(super) enum Authorisation<'a> {
    /// The command needs none.
    None,
    /// The authorisation value of the first handle.
    Password(&'a [u8]),
}

pub(super) fn command(
    code: CommandCode,
    handles: &[u32],
    authorisation: Authorisation<'_>,
    parameters: &Bytes,
) -> Bytes {
    let mut body = Bytes::new();
    for handle in handles {
        body = body.u32(*handle);
    }
    let (tag, body) = match authorisation {
        Authorisation::None => (TAG_NO_SESSIONS, body),
        Authorisation::Password(value) => {
            let session = Bytes::new()
                .u32(PASSWORD_SESSION)
                .sized(&[])
                .u8(0)
                .sized(value);
            let length = u32::try_from(session.as_slice().len()).expect("an area is short");
            (TAG_SESSIONS, body.u32(length).raw(session.as_slice()))
        }
    };
    let body = body.raw(parameters.as_slice());
    let length = body.as_slice().len().saturating_add(HEADER_SIZE);

    Bytes::new()
        .u16(tag)
        .u32(u32::try_from(length).expect("a command is short"))
        .u32(code.number())
        .raw(body.as_slice())
}

/// Returns what follows the header of an answer that is no refusal.
pub(super) fn accepted(code: CommandCode, answer: &[u8]) -> Result<Reader<'_>, TpmError> {
    let mut reader = Reader { code, rest: answer };
    let _tag = reader.u16()?;
    let length = reader.u32()?;
    let response = reader.u32()?;
    if usize::try_from(length) != Ok(answer.len()) {
        return Err(Malformed(code).into());
    }
    if response != 0 {
        return Err(TpmError::Refused(Refusal {
            code,
            response: super::error::Response(response),
        }));
    }

    Ok(reader)
}

/// What is left of an answer.
pub(super) struct Reader<'a> {
    code: CommandCode,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_be_bytes)
    }

    /// Takes a `TPM2B`.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::from(self.u16()?);
        let (head, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Malformed(self.code))?;
        self.rest = rest;

        Ok(head)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Malformed(self.code))?;
        self.rest = rest;

        Ok(*head)
    }
}

const TAG_NO_SESSIONS: u16 = 0x8001;
const TAG_SESSIONS: u16 = 0x8002;
const PASSWORD_SESSION: u32 = 0x4000_0009;

/// Bytes of the header of every command: tag, length, command code.
const HEADER_SIZE: usize = 10;

const COMMAND_SIZE_MAX: usize = 4096;
