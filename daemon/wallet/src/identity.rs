//! The client key on disk: made once, never overwritten, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ops_proto::signed::Body;
use ops_proto::{PublicKey, SecretKey, Signed};
use zeroize::Zeroizing;

/// The file of the client key, in the state directory: the 32 bytes of its seed.
pub const CLIENT_KEY_FILE: &str = "client.key";

const SEED_SIZE: usize = 32;

/// The client key: it owns the online account, endorses deposits and, without a TA, signs requests
/// and receipts. Cloning it is cheap; the key itself is not copied.
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<SecretKey>,
}

impl Identity {
    /// Reads the key of this state directory, or makes one that is on disk before this returns.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] when the file cannot be read or made, or holds something else.
    pub fn open(state_dir: &Path) -> Result<Self, IdentityError> {
        let path = state_dir.join(CLIENT_KEY_FILE);
        let seed = match read_seed(&path) {
            Ok(seed) => seed,
            Err(IdentityError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make_seed(state_dir, &path)?
            }
            Err(error) => return Err(error),
        };

        Ok(Self {
            key: Arc::new(SecretKey::from_seed(&seed)),
        })
    }

    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Signs a message as this client.
    #[must_use]
    pub fn sign<T: Body>(&self, body: T) -> Signed<T> {
        Signed::sign(body, &self.key)
    }
}

/// The client key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("the client key at {} cannot be used", path.display())]
    Io {
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file does not hold 32 bytes.
    #[error("{} is not a client key; restore it from the backup", .0.display())]
    NotAKey(PathBuf),
    /// The system has no randomness.
    #[error("the system has no random numbers to give: {0}")]
    Randomness(host::entropy::Error),
}

fn read_seed(path: &Path) -> Result<Zeroizing<[u8; SEED_SIZE]>, IdentityError> {
    let io_error = |source| IdentityError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io_error)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(SEED_SIZE));
    file.take(64).read_to_end(&mut bytes).map_err(io_error)?;
    let seed = <[u8; SEED_SIZE]>::try_from(bytes.as_slice())
        .map_err(|_| IdentityError::NotAKey(path.to_owned()))?;

    Ok(Zeroizing::new(seed))
}

/// Written aside, synced and then linked to its name: half a key never has the name of a key, and a
/// key that is there is never replaced.
fn make_seed(state_dir: &Path, path: &Path) -> Result<Zeroizing<[u8; SEED_SIZE]>, IdentityError> {
    let mut seed = Zeroizing::new([0; SEED_SIZE]);
    host::entropy::fill(seed.as_mut()).map_err(IdentityError::Randomness)?;
    let aside = state_dir.join(format!("{CLIENT_KEY_FILE}.new"));
    let write = || {
        match fs::remove_file(&aside) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(seed.as_ref())?;
        file.sync_all()?;
        fs::hard_link(&aside, path)?;
        fs::remove_file(&aside)?;
        File::open(state_dir)?.sync_all()
    };
    write().map_err(|source| IdentityError::Io {
        path: path.to_owned(),
        source,
    })?;

    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_key_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Identity::open(dir.path()).expect("a key");
        let again = Identity::open(dir.path()).expect("the key");

        assert_eq!(first.public_key(), again.public_key());
        let mode = fs::metadata(dir.path().join(CLIENT_KEY_FILE))
            .expect("the file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_reported_and_never_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(CLIENT_KEY_FILE);
        fs::write(&path, [7; 31]).expect("written");

        assert!(matches!(
            Identity::open(dir.path()),
            Err(IdentityError::NotAKey(_))
        ));
        assert_eq!(fs::read(&path).expect("read").len(), 31);
    }
}
