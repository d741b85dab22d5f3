//! The token of an administrator: a file that nobody else reads.

use std::fmt;
use std::path::{Path, PathBuf};

use ops_proto::Digest;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::provider::{Access, FileError, Layout, make_file};

/// The name of the credential, and of the file in the data directory.
const NAME: &str = "admin-token";

/// Bytes of a token that is made here.
const TOKEN_SIZE: usize = 32;

/// The least length of a token that somebody else made.
const TOKEN_LENGTH_MIN: usize = 16;

/// What a token must hash to. The token itself is not kept.
#[derive(Clone)]
pub(crate) struct AdminToken(Digest);

impl AdminToken {
    /// Takes the token from systemd's credential `admin-token`, or from the data directory, where one is
    /// made if there is none.
    pub(crate) fn load(data: &Path) -> Result<Self, FileError> {
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|folder| PathBuf::from(folder).join(NAME))
            .filter(|path| path.exists());
        let path = match credential {
            Some(path) => path,
            None => own_file(data)?,
        };
        let text = Layout::new(data).read_secret(&path)?;
        let token = text.trim();
        if token.len() < TOKEN_LENGTH_MIN {
            return Err(FileError::Unfit {
                path,
                why: "a token has at least 16 characters",
            });
        }

        Ok(Self(hash(token)))
    }

    /// Returns whether a token is the right one, in a time that says nothing about how far it was.
    pub(super) fn admits(&self, token: &str) -> bool {
        bool::from(hash(token).0.ct_eq(&self.0.0))
    }
}

/// Returns the token's file in a data directory, made if it was not there.
pub(crate) fn own_file(data: &Path) -> Result<PathBuf, FileError> {
    let path = data.join(NAME);
    if !path.exists() {
        let mut token = Zeroizing::new([0; TOKEN_SIZE]);
        host::entropy::fill(token.as_mut_slice()).map_err(|error| FileError::Io {
            path: path.clone(),
            source: std::io::Error::other(error),
        })?;
        let text = Zeroizing::new(format!("{}\n", hex::encode(token.as_slice())));
        make_file(&path, text.as_bytes(), Access::Secret)?;
    }

    Ok(path)
}

fn hash(token: &str) -> Digest {
    Digest::of(&[b"blepay/server/admin-token\0", token.as_bytes()])
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken([redacted])")
    }
}
