//! Slots as files in a directory of their own.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{SealingKey, Slot, Storage};
use crate::entropy::Entropy;
use crate::limits::SLOT_SIZE_MAX;

/// Two slot files and a key, in a directory that one TA at a time may use.
///
/// **It does not protect against roll-back.** Who copies the directory and puts the copy back has the
/// old state again; the daemon's journal notices, and the chain of statements convicts a TA that went
/// on from it. And unless the key comes as a credential of systemd, it lies beside the slots, where it
/// **protects nothing**: who can read the directory can read the state.
#[derive(Debug)]
pub struct FileStorage {
    directory: PathBuf,
    key: SealingKey,
    /// Held for the life of the storage: two TAs on one state would fork its history.
    _lock: File,
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
    /// When another TA has the directory, when the key is not 32 bytes, or when the files cannot be
    /// made and read.
    pub fn open(
        directory: &Path,
        credentials: Option<&Path>,
        entropy: &mut impl Entropy,
    ) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        let lock = lock(directory)?;
        let credential = credentials.map(|path| path.join(CREDENTIAL));
        let key = match credential.filter(|path| path.exists()) {
            Some(path) => read_key(&path)?,
            None => own_key(directory, entropy)?,
        };

        Ok(Self {
            directory: directory.to_owned(),
            key,
            _lock: lock,
        })
    }

    fn path(&self, slot: Slot) -> PathBuf {
        let name = match slot {
            Slot::First => "slot-0",
            Slot::Second => "slot-1",
        };

        self.directory.join(name)
    }
}

impl Storage for FileStorage {
    fn sealing_key(&self) -> &SealingKey {
        &self.key
    }

    fn read(&mut self, slot: Slot) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.path(slot), SLOT_SIZE_MAX)
    }

    fn write(&mut self, slot: Slot, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > SLOT_SIZE_MAX {
            return Err(io::Error::other("the state is larger than a slot"));
        }
        let path = self.path(slot);
        let is_new = !path.exists();
        // In place: blocks and length mostly stay, and fdatasync has little else to make durable.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        if is_new {
            File::open(&self.directory)?.sync_all()?;
        }
        file.write_all(bytes)?;

        file.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    fn sync(&mut self, slot: Slot) -> io::Result<()> {
        File::open(self.path(slot))?.sync_data()
    }
}

fn lock(directory: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory.join("lock"))?;

    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another TA has this state directory",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns the key beside the slots; draws it the first time.
fn own_key(directory: &Path, entropy: &mut impl Entropy) -> io::Result<SealingKey> {
    let path = directory.join("sealing-key");
    if path.exists() {
        return read_key(&path);
    }
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(bytes.as_mut_slice())?;

    // The name appears with the whole key or not at all.
    let unfinished = directory.join("sealing-key.new");
    let mut file = File::create(&unfinished)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes.as_slice())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, &path)?;
    File::open(directory)?.sync_all()?;

    Ok(SealingKey::new(*bytes))
}

fn read_key(path: &Path) -> io::Result<SealingKey> {
    let bytes = read_bounded(path, KEY_FILE_SIZE_MAX)?
        .map(Zeroizing::new)
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    if let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(SealingKey::new(key));
    }

    from_hex(bytes.trim_ascii())
        .map(SealingKey::new)
        .ok_or_else(|| {
            let message = format!("{} is not 32 bytes or 64 digits of hex", path.display());
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

fn read_bounded(path: &Path, size_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let limit = u64::try_from(size_max).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that is too long shows.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > size_max {
        let message = format!("{} is larger than {size_max} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }

    Ok(Some(bytes))
}

/// The name of the credential in a unit file: `LoadCredential=ta-sealing-key:…`.
const CREDENTIAL: &str = "ta-sealing-key";

const KEY_FILE_SIZE_MAX: usize = 256;
