//! Slots as files in a directory of their own.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::directory::{Directory, read_bounded};
use super::{SEALED_SEED, SealingKey, Slot, Storage};
use crate::entropy::Entropy;

/// Two slot files and a key, in a directory that one TA at a time may use.
///
/// **It does not protect against roll-back.** Who copies the directory and puts the copy back has the
/// old state again; the daemon's journal notices, and the chain of statements convicts a TA that went
/// on from it. And unless the key comes as a credential of systemd, it lies beside the slots, where it
/// **protects nothing**: who can read the directory can read the state.
/// [`TpmStorage`](super::TpmStorage) protects against both.
#[derive(Debug)]
pub struct FileStorage {
    directory: Directory,
    key: SealingKey,
}

impl FileStorage {
    /// Opens the storage in `directory`, which is made when it is not there.
    ///
    /// The sealing key is the file `ta-sealing-key` in `credentials` (what systemd calls
    /// `$CREDENTIALS_DIRECTORY`): 32 bytes, or 64 digits of hex. Without that the key is `sealing-key`
    /// in the directory itself, drawn from `entropy` the first time.
    ///
    /// # Errors
    ///
    /// When another TA has the directory, when its state is sealed to a TPM, when the key is not 32
    /// bytes, or when the files cannot be made and read.
    pub fn open(
        directory: &Path,
        credentials: Option<&Path>,
        entropy: &mut impl Entropy,
    ) -> io::Result<Self> {
        let directory = Directory::open(directory)?;
        if directory.has(SEALED_SEED) {
            return Err(io::Error::other(
                "the state is sealed to a TPM: name it, as in --tpm device:/dev/tpmrm0",
            ));
        }
        let credential = credentials.map(|path| path.join(CREDENTIAL));
        let key = match credential.filter(|path| path.exists()) {
            Some(path) => {
                let bytes = read_bounded(&path, KEY_FILE_SIZE_MAX)?;
                read_key(&path.display().to_string(), bytes)?
            }
            None => own_key(&directory, entropy)?,
        };

        Ok(Self { directory, key })
    }
}

impl Storage for FileStorage {
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
}

/// Returns the key beside the slots; draws it the first time.
fn own_key(directory: &Directory, entropy: &mut impl Entropy) -> io::Result<SealingKey> {
    if directory.has(OWN_KEY) {
        return read_key(OWN_KEY, directory.read(OWN_KEY, KEY_FILE_SIZE_MAX)?);
    }
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(bytes.as_mut_slice())?;
    directory.create(OWN_KEY, bytes.as_slice())?;

    Ok(SealingKey::new(*bytes))
}

fn read_key(name: &str, bytes: Option<Vec<u8>>) -> io::Result<SealingKey> {
    let bytes = bytes
        .map(Zeroizing::new)
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    if let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(SealingKey::new(key));
    }

    from_hex(bytes.trim_ascii())
        .map(SealingKey::new)
        .ok_or_else(|| {
            let message = format!("{name} is not 32 bytes or 64 digits of hex");
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(text.chunks(2)) {
        let pair = core::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }

    Some(key)
}

/// The name of the credential in a unit file: `LoadCredential=ta-sealing-key:…`.
const CREDENTIAL: &str = "ta-sealing-key";

/// The file of the key that lies beside the slots.
const OWN_KEY: &str = "sealing-key";

const KEY_FILE_SIZE_MAX: usize = 256;
