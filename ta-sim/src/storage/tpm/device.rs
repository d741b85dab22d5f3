//! A TPM 2.0: the nine commands that sealing and a commitment take.
//!
//! The way to the TPM is trusted as the machine is: authorisation values and the seed travel on it in the
//! clear. Who taps the bus of a TPM in a chip of its own reads the seed; who owns the machine does anyway.

use std::time::{Duration, Instant};

use ops_proto::id::Digest;
use zeroize::Zeroizing;

use super::NvIndex;
use super::error::{Malformed, Response, TpmError};
use super::marshal::{Authorisation, Bytes, CommandCode, Reader, accepted, command};
use super::wire::{TpmAddress, Wire};
use crate::limits::TPM_TIME_MAX;

/// A TPM, and its owner's authorisation value; the value is empty unless the owner has set one.
pub(super) struct TpmDevice {
    wire: Wire,
    owner: Zeroizing<Vec<u8>>,
}

/// What an index is, as far as the TPM tells everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    Missing,
    /// Made with our attributes, never extended.
    New,
    /// Made with our attributes, and extended.
    Extended,
    /// Something else lies there.
    Other,
}

/// A seed as the TPM alone can open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SealedSeed {
    pub(super) private: Vec<u8>,
    pub(super) public: Vec<u8>,
}

impl TpmDevice {
    pub(super) fn open(address: &TpmAddress, owner: Zeroizing<Vec<u8>>) -> Result<Self, TpmError> {
        let wire = Wire::open(address).map_err(TpmError::NotOpened)?;

        Ok(Self { wire, owner })
    }

    /// Seals a seed under the storage root key.
    pub(super) fn seal(&mut self, seed: &[u8; 32]) -> Result<SealedSeed, TpmError> {
        let root = self.storage_root()?;
        let sensitive = Bytes::new().sized(&[]).sized(seed);
        let template = Bytes::new()
            .u16(ALG_KEYEDHASH)
            .u16(ALG_SHA256)
            .u32(SEALED_ATTRIBUTES)
            .sized(&[])
            .u16(ALG_NULL)
            .sized(&[]);
        let parameters = Bytes::new()
            .sized(sensitive.as_slice())
            .sized(template.as_slice())
            .sized(&[])
            .u32(0);
        let sealed = self
            .run(CommandCode::Create, &[root], &[], &parameters)
            .and_then(|answer| {
                let mut reader = parameters_of(CommandCode::Create, &answer)?;
                let (private, public) = (reader.sized()?.to_vec(), reader.sized()?.to_vec());
                Ok(SealedSeed { private, public })
            });
        self.flush(root)?;

        sealed
    }

    /// Returns the seed, if this TPM sealed it and was not cleared since.
    pub(super) fn unseal(&mut self, sealed: &SealedSeed) -> Result<Zeroizing<[u8; 32]>, TpmError> {
        let root = self.storage_root()?;
        let parameters = Bytes::new().sized(&sealed.private).sized(&sealed.public);
        let object = self
            .run(CommandCode::Load, &[root], &[], &parameters)
            .map_err(|error| error.when(Response::is_foreign, TpmError::OtherTpm))
            .and_then(|answer| Ok(accepted(CommandCode::Load, &answer)?.u32()?));
        self.flush(root)?;
        let object = object?;
        let seed = self
            .run(CommandCode::Unseal, &[object], &[], &Bytes::new())
            .and_then(|answer| {
                let bytes = parameters_of(CommandCode::Unseal, &answer)?.sized()?;
                let seed =
                    <[u8; 32]>::try_from(bytes).map_err(|_| Malformed(CommandCode::Unseal))?;
                Ok(Zeroizing::new(seed))
            });
        self.flush(object)?;

        seed
    }

    pub(super) fn index(&mut self, index: NvIndex) -> Result<Index, TpmError> {
        let code = CommandCode::NvReadPublic;
        let answer = self.transact(
            code,
            &command(code, &[index.0], Authorisation::None, &Bytes::new()),
        )?;
        let mut reader = match accepted(code, &answer) {
            Ok(reader) => reader,
            Err(TpmError::Refused(refusal)) if refusal.response.is_handle() => {
                return Ok(Index::Missing);
            }
            Err(error) => return Err(error),
        };
        let found = reader.sized()?;
        let is = |attributes: u32| found == index_public(index, attributes).as_slice();

        Ok(if is(INDEX_ATTRIBUTES) {
            Index::New
        } else if is(INDEX_ATTRIBUTES | NV_WRITTEN) {
            Index::Extended
        } else {
            Index::Other
        })
    }

    /// Makes the index, which only who knows `authorisation` can read and extend.
    pub(super) fn define(
        &mut self,
        index: NvIndex,
        authorisation: &[u8; 32],
    ) -> Result<(), TpmError> {
        let public = index_public(index, INDEX_ATTRIBUTES);
        let parameters = Bytes::new().sized(authorisation).sized(public.as_slice());
        self.run_as_owner(CommandCode::NvDefineSpace, &parameters)?;

        Ok(())
    }

    /// Returns the value of the index, or nothing when it was never extended.
    pub(super) fn read(
        &mut self,
        index: NvIndex,
        authorisation: &[u8; 32],
    ) -> Result<Option<Digest>, TpmError> {
        let code = CommandCode::NvRead;
        let parameters = Bytes::new().u16(DIGEST_SIZE).u16(0);
        let answer = self.run(code, &[index.0, index.0], authorisation, &parameters);
        let answer = match answer {
            Ok(answer) => answer,
            Err(TpmError::Refused(refusal)) if refusal.response.is_uninitialised() => {
                return Ok(None);
            }
            Err(error) => return Err(replaced(error, index)),
        };
        let bytes = parameters_of(code, &answer)?.sized()?;
        let digest = <[u8; 32]>::try_from(bytes).map_err(|_| Malformed(code))?;

        Ok(Some(Digest(digest)))
    }

    pub(super) fn extend(
        &mut self,
        index: NvIndex,
        authorisation: &[u8; 32],
        data: Digest,
    ) -> Result<(), TpmError> {
        let parameters = Bytes::new().sized(data.as_bytes());
        self.run(
            CommandCode::NvExtend,
            &[index.0, index.0],
            authorisation,
            &parameters,
        )
        .map_err(|error| replaced(error, index))?;

        Ok(())
    }

    /// Makes the storage root key: always the same one, until the TPM is cleared.
    fn storage_root(&mut self) -> Result<u32, TpmError> {
        let sensitive = Bytes::new().sized(&[]).sized(&[]);
        let template = Bytes::new()
            .u16(ALG_ECC)
            .u16(ALG_SHA256)
            .u32(ROOT_ATTRIBUTES)
            .sized(&[])
            .u16(ALG_AES)
            .u16(AES_BITS)
            .u16(ALG_CFB)
            .u16(ALG_NULL)
            .u16(CURVE_P256)
            .u16(ALG_NULL)
            .sized(&[])
            .sized(&[]);
        let parameters = Bytes::new()
            .sized(sensitive.as_slice())
            .sized(template.as_slice())
            .sized(&[])
            .u32(0);
        let answer = self.run_as_owner(CommandCode::CreatePrimary, &parameters)?;

        Ok(accepted(CommandCode::CreatePrimary, &answer)?.u32()?)
    }

    fn flush(&mut self, object: u32) -> Result<(), TpmError> {
        let code = CommandCode::FlushContext;
        let parameters = Bytes::new().u32(object);
        let answer = self.transact(code, &command(code, &[], Authorisation::None, &parameters))?;
        accepted(code, &answer)?;

        Ok(())
    }

    fn run_as_owner(
        &mut self,
        code: CommandCode,
        parameters: &Bytes,
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let owner = self.owner.clone();

        self.run(code, &[OWNER], &owner, parameters)
            .map_err(|error| error.when(Response::is_authorisation, TpmError::OwnerAuthorisation))
    }

    /// Runs a command under the authorisation value of its first handle.
    fn run(
        &mut self,
        code: CommandCode,
        handles: &[u32],
        authorisation: &[u8],
        parameters: &Bytes,
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let authorisation = Authorisation::Password(authorisation);
        let answer = self.transact(code, &command(code, handles, authorisation, parameters))?;
        accepted(code, &answer)?;

        Ok(answer)
    }

    /// Sends a command, again while the TPM says that it did nothing and may do it later.
    fn transact(
        &mut self,
        code: CommandCode,
        command: &Bytes,
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let begun = Instant::now();
        let mut pause = PAUSE_MIN;
        loop {
            let answer = self
                .wire
                .transact(command.as_slice())
                .map_err(TpmError::Gone)?;
            match accepted(code, &answer) {
                Err(TpmError::Refused(refusal))
                    if refusal.response.is_passing() && begun.elapsed() < TPM_TIME_MAX =>
                {
                    tracing::debug!(?code, response = %refusal.response, "Asking the TPM again");
                }
                Ok(_) | Err(_) => return Ok(answer),
            }
            std::thread::sleep(pause);
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }
}

impl core::fmt::Debug for TpmDevice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TpmDevice")
            .field("wire", &self.wire)
            .finish_non_exhaustive()
    }
}

/// Returns the answer behind its header and the length of its parameters.
fn parameters_of(code: CommandCode, answer: &[u8]) -> Result<Reader<'_>, TpmError> {
    let mut reader = accepted(code, answer)?;
    let _length = reader.u32()?;

    Ok(reader)
}

/// Another authorisation value than ours, or nothing: the index is not the one that we made.
fn replaced(error: TpmError, index: NvIndex) -> TpmError {
    error
        .when(Response::is_authorisation, TpmError::IndexReplaced(index))
        .when(Response::is_handle, TpmError::IndexRemoved(index))
}

/// `TPMS_NV_PUBLIC`.
fn index_public(index: NvIndex, attributes: u32) -> Bytes {
    Bytes::new()
        .u32(index.0)
        .u16(ALG_SHA256)
        .u32(attributes)
        .sized(&[])
        .u16(DIGEST_SIZE)
}

const OWNER: u32 = 0x4000_0001;

const ALG_AES: u16 = 0x0006;
const ALG_KEYEDHASH: u16 = 0x0008;
const ALG_SHA256: u16 = 0x000b;
const ALG_NULL: u16 = 0x0010;
const ALG_ECC: u16 = 0x0023;
const ALG_CFB: u16 = 0x0043;
const CURVE_P256: u16 = 0x0003;
const AES_BITS: u16 = 128;
const DIGEST_SIZE: u16 = 32;

/// `fixedTPM`, `fixedParent`, `userWithAuth` and `noDA`: it opens in this TPM alone.
const SEALED_ATTRIBUTES: u32 = 1 << 1 | 1 << 4 | 1 << 6 | 1 << 10;

/// `fixedTPM`, `fixedParent`, `sensitiveDataOrigin`, `userWithAuth`, `noDA`, `restricted`, `decrypt`:
/// the storage root key as the TCG describes it.
const ROOT_ATTRIBUTES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 10 | 1 << 16 | 1 << 17;

/// `AUTHWRITE`, `TPM_NT_EXTEND`, `OWNERREAD` (so that people can look), `AUTHREAD`, `NO_DA` (so that
/// wrong tries of others lock nothing); neither `ORDERLY` nor any `CLEAR`: what is extended stays.
const INDEX_ATTRIBUTES: u32 = 1 << 2 | 4 << 4 | 1 << 17 | 1 << 18 | 1 << 25;
const NV_WRITTEN: u32 = 1 << 29;

const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);
