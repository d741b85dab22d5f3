//! Slots sealed to a TPM 2.0 and committed to an index of it.
//!
//! The index is an NV *extend* index with SHA-256: its value can only go on, `v' = H(v ‖ data)`, and it
//! outlives the power. The TPM is spoken to directly: nine commands need no library in C.

mod device;
mod error;
mod marshal;
mod wire;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use ops_proto::id::Digest;
use zeroize::Zeroizing;

use super::directory::{Directory, read_bounded};
use super::{Commitment, Committed, SEALED_SEED, SealingKey, Slot, Storage};
use crate::entropy::Entropy;
use device::{Index, SealedSeed, TpmDevice};

pub use error::{Malformed, Refusal, Response, TpmError};
pub use marshal::CommandCode;
pub use wire::{TpmAddress, TpmAddressUnknown};

/// Two slot files under a key that one TPM alone gives out, committed to an index of that TPM.
///
/// A copy of the directory opens nowhere else; an old copy that is put back is refused; a damaged newest
/// slot never brings the older one back. It does not protect against who may use the TPM *and* read the
/// directory, as the owner of the machine may: docs/tpm.md says what that means.
#[derive(Debug)]
pub struct TpmStorage {
    directory: Directory,
    key: SealingKey,
    device: TpmDevice,
    index: NvIndex,
    authorisation: IndexAuthorisation,
}

/// Which TPM, and what in it.
#[derive(Clone, Debug)]
pub struct TpmChoice {
    /// Where it is.
    pub address: TpmAddress,
    /// The index to keep the commitment in.
    pub index: NvIndex,
    /// Where the owner's authorisation value is, if the owner has set one: the file
    /// `ta-tpm-owner-auth` in what systemd calls `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
}

impl TpmStorage {
    /// Opens the storage in `directory`, which is made when it is not there.
    ///
    /// The first time it draws a seed from `entropy`, seals it to the TPM, and makes the index.
    ///
    /// # Errors
    ///
    /// [`TpmError`] when another TA has the directory, and when TPM and directory do not belong
    /// together: it says which of the two is not what it was, and what to do.
    pub fn open(
        directory: &Path,
        choice: &TpmChoice,
        entropy: &mut impl Entropy,
    ) -> Result<Self, TpmError> {
        let directory = Directory::open(directory).map_err(TpmError::Files)?;
        let owner = owner_authorisation(choice.credentials.as_deref())?;
        let mut device = TpmDevice::open(&choice.address, owner)?;
        let seed = find_or_make(&directory, &mut device, choice.index, entropy)?;

        Ok(Self {
            directory,
            key: SealingKey::new(derive(KEY_LABEL, &seed)),
            device,
            index: choice.index,
            authorisation: IndexAuthorisation::of(&seed),
        })
    }
}

impl Storage for TpmStorage {
    fn sealing_key(&self) -> &SealingKey {
        &self.key
    }

    fn read(&mut self, slot: Slot) -> io::Result<Option<Vec<u8>>> {
        self.directory.read_slot(slot)
    }

    fn write(&mut self, slot: Slot, bytes: &[u8]) -> io::Result<()> {
        self.directory.write_slot(slot, bytes)
    }

    fn sync(&mut self, slot: Slot) -> io::Result<()> {
        self.directory.sync_slot(slot)
    }

    fn commitment(&mut self) -> Option<&mut dyn Committed> {
        Some(self)
    }
}

impl Committed for TpmStorage {
    fn value(&mut self) -> io::Result<Commitment> {
        let value = self.device.read(self.index, &self.authorisation.0)?;

        Ok(value.map_or(Commitment::START, Commitment))
    }

    fn extend(&mut self, body: Digest) -> io::Result<()> {
        let begun = Instant::now();
        self.device
            .extend(self.index, &self.authorisation.0, body)?;
        tracing::debug!(us = begun.elapsed().as_micros(), "Extended the TPM's index");

        Ok(())
    }
}

/// Returns the seed that belongs to this directory and this TPM; every combination is written out.
fn find_or_make(
    directory: &Directory,
    device: &mut TpmDevice,
    index: NvIndex,
    entropy: &mut impl Entropy,
) -> Result<Zeroizing<[u8; 32]>, TpmError> {
    let sealed = read_seed(directory)?;
    let is_used = directory.has_slots();
    // The seed comes first: in another TPM nothing else has a meaning.
    let seed = sealed.map(|sealed| device.unseal(&sealed)).transpose()?;

    match (seed, device.index(index)?) {
        (Some(seed), Index::New | Index::Extended) => Ok(seed),
        (Some(_), Index::Other) => Err(TpmError::IndexReplaced(index)),
        (Some(_), Index::Missing) if is_used => Err(TpmError::IndexRemoved(index)),
        // The first start was cut short between seed and index.
        (Some(seed), Index::Missing) => {
            device.define(index, &IndexAuthorisation::of(&seed).0)?;
            Ok(seed)
        }
        (None, Index::Missing | Index::New | Index::Extended | Index::Other) if is_used => {
            Err(TpmError::NotSealed)
        }
        (None, Index::New | Index::Extended | Index::Other) => {
            Err(TpmError::IndexOfEarlierTa(index))
        }
        (None, Index::Missing) => {
            let seed = make_seed(directory, device, entropy)?;
            device.define(index, &IndexAuthorisation::of(&seed).0)?;
            Ok(seed)
        }
    }
}

fn make_seed(
    directory: &Directory,
    device: &mut TpmDevice,
    entropy: &mut impl Entropy,
) -> Result<Zeroizing<[u8; 32]>, TpmError> {
    let mut seed = Zeroizing::new([0; 32]);
    entropy.fill(seed.as_mut_slice()).map_err(TpmError::Files)?;
    let sealed = device.seal(&seed)?;
    let bytes = postcard::to_allocvec(&(MAGIC, &sealed.private, &sealed.public))
        .map_err(|error| TpmError::Files(io::Error::other(error)))?;
    directory
        .create(SEALED_SEED, &bytes)
        .map_err(TpmError::Files)?;

    Ok(seed)
}

fn read_seed(directory: &Directory) -> Result<Option<SealedSeed>, TpmError> {
    let bytes = directory
        .read(SEALED_SEED, SEED_FILE_SIZE_MAX)
        .map_err(TpmError::Files)?;
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    let (magic, private, public) =
        postcard::from_bytes::<([u8; 16], Vec<u8>, Vec<u8>)>(&bytes).unwrap_or_default();
    if magic != MAGIC {
        let damaged = io::Error::new(io::ErrorKind::InvalidData, "the sealed seed is damaged");
        return Err(TpmError::Files(damaged));
    }

    Ok(Some(SealedSeed { private, public }))
}

fn owner_authorisation(credentials: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, TpmError> {
    let path = credentials.map(|path| path.join(OWNER_CREDENTIAL));
    let value = path
        .map(|path| read_bounded(&path, AUTHORISATION_SIZE_MAX))
        .transpose()
        .map_err(TpmError::Files)?
        .flatten()
        .map(Zeroizing::new)
        .unwrap_or_default();

    Ok(Zeroizing::new(value.trim_ascii_end().to_vec()))
}

/// An index of a TPM's memory, among those that its owner may make: `0x01800000` to `0x01bfffff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NvIndex(u32);

impl NvIndex {
    /// The index of a machine's only TA.
    pub const DEFAULT: Self = Self(0x01b1_e9a0);
}

impl FromStr for NvIndex {
    type Err = NvIndexOutOfRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text
            .strip_prefix("0x")
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .filter(|number| (0x0180_0000..=0x01bf_ffff).contains(number));

        number.map(Self).ok_or(NvIndexOutOfRange)
    }
}

impl core::fmt::Display for NvIndex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

/// Text that is no index of the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is a number from 0x01800000 to 0x01bfffff")]
pub struct NvIndexOutOfRange;

/// What reading and extending the index takes. It cannot be printed, and is wiped when dropped.
struct IndexAuthorisation(Zeroizing<[u8; 32]>);

impl IndexAuthorisation {
    fn of(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(derive(INDEX_LABEL, seed)))
    }
}

impl core::fmt::Debug for IndexAuthorisation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IndexAuthorisation([redacted])")
    }
}

fn derive(label: &[u8], seed: &[u8; 32]) -> [u8; 32] {
    Digest::of(&[label, seed]).0
}

const KEY_LABEL: &[u8] = b"blepay/ta/tpm-sealing-key";
const INDEX_LABEL: &[u8] = b"blepay/ta/tpm-index-auth";

/// What the file of the sealed seed begins with; the last byte is the version of its layout.
const MAGIC: [u8; 16] = *b"blepay/ta/seed\0\x01";

/// The name of the credential in a unit file: `LoadCredential=ta-tpm-owner-auth:…`.
const OWNER_CREDENTIAL: &str = "ta-tpm-owner-auth";

const SEED_FILE_SIZE_MAX: usize = 4096;

/// The longest authorisation value of any hierarchy.
const AUTHORISATION_SIZE_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_one_that_an_owner_may_make() {
        assert_eq!("0x01b1e9a0".parse(), Ok(NvIndex::DEFAULT));
        assert_eq!(NvIndex::DEFAULT.to_string(), "0x01b1e9a0");
        for text in [
            "",
            "0x",
            "01b1e9a0",
            "0x017fffff",
            "0x01c00000",
            "0x1ffffffff",
        ] {
            assert_eq!(text.parse::<NvIndex>(), Err(NvIndexOutOfRange), "{text}");
        }
    }

    #[test]
    fn every_seed_gives_another_key_and_another_authorisation() {
        let derived = [
            derive(KEY_LABEL, &[1; 32]),
            *IndexAuthorisation::of(&[1; 32]).0,
            derive(KEY_LABEL, &[2; 32]),
            *IndexAuthorisation::of(&[2; 32]).0,
        ];

        for (i, one) in derived.iter().enumerate() {
            assert!(!derived[..i].contains(one));
        }
    }

    #[test]
    fn printing_the_indexs_authorisation_shows_no_secret() {
        let shown = format!("{:?}", IndexAuthorisation::of(&[1; 32]));

        assert_eq!(shown, "IndexAuthorisation([redacted])");
    }
}
