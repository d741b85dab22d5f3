//! The files of a data directory.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ops_proto::PublicKey;
use ops_proto::certificate::Certificate;
use ops_proto::message::ProviderDirectory;
use ops_proto::signed::{Body, Signed};
use zeroize::Zeroizing;

use super::config::{Config, HexKey};
use crate::store::StoreAddress;

/// Where the files of a data directory are.
#[derive(Clone, Debug)]
pub struct Layout {
    data: PathBuf,
}

impl Layout {
    /// Returns the layout of a data directory.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
        }
    }

    /// Returns the data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the books.
    #[must_use]
    pub fn books_path(&self) -> PathBuf {
        self.data.join("books.db")
    }

    /// Returns where the books are: here, unless `server.toml` says otherwise.
    ///
    /// # Errors
    ///
    /// [`FileError`] when `server.toml` is missing or says what it may not.
    pub fn store_address(&self) -> Result<StoreAddress, FileError> {
        Config::load(self)?.store_address(self)
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.data.join("server.toml")
    }

    /// Returns the root's secret key, which belongs offline.
    #[must_use]
    pub fn root_secret_path(&self) -> PathBuf {
        self.data.join("root.key")
    }

    /// Returns the register of what the root signed.
    pub(super) fn register_path(&self) -> PathBuf {
        self.data.join("root.register")
    }

    /// Returns the root's directory of providers.
    pub(super) fn directory_path(&self) -> PathBuf {
        self.data.join("root.directory")
    }

    /// Returns the last request for a certificate.
    #[must_use]
    pub fn request_path(&self) -> PathBuf {
        self.data.join("provider.request")
    }

    pub(super) fn root_path(&self) -> PathBuf {
        self.data.join("root.pub")
    }

    pub(super) fn provider_certificate_path(&self) -> PathBuf {
        self.data.join("provider.cert")
    }

    pub(super) fn provider_keys_path(&self) -> PathBuf {
        self.data.join("provider.keys")
    }

    /// Returns the certificate that devices pin for TLS, in PEM.
    #[must_use]
    pub fn tls_anchor_path(&self) -> PathBuf {
        self.data.join("tls-anchor.pem")
    }

    pub(super) fn tls_anchor_secret_path(&self) -> PathBuf {
        self.data.join("tls-anchor.key")
    }

    pub(super) fn tls_certificate_path(&self) -> PathBuf {
        self.data.join("tls.pem")
    }

    pub(super) fn tls_secret_path(&self) -> PathBuf {
        self.data.join("tls.key")
    }

    /// Returns every file that `init` makes.
    pub(super) fn all(&self) -> [PathBuf; 13] {
        [
            self.books_path(),
            self.config_path(),
            self.root_secret_path(),
            self.root_path(),
            self.register_path(),
            self.directory_path(),
            self.request_path(),
            self.provider_certificate_path(),
            self.provider_keys_path(),
            self.tls_anchor_path(),
            self.tls_anchor_secret_path(),
            self.tls_certificate_path(),
            self.tls_secret_path(),
        ]
    }

    pub(super) fn make_directory(&self) -> Result<(), FileError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.data)
            .map_err(|source| FileError::Io {
                path: self.data.clone(),
                source,
            })
    }

    /// Reads a text file that is no secret.
    pub(super) fn read_public(&self, path: &Path) -> Result<String, FileError> {
        fs::read_to_string(path).map_err(|source| self.unreadable(path, source))
    }

    /// Reads a secret file, which nobody but its owner may read.
    pub(crate) fn read_secret(&self, path: &Path) -> Result<Zeroizing<String>, FileError> {
        let metadata = fs::metadata(path).map_err(|source| self.unreadable(path, source))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(FileError::ReadableByOthers(path.to_owned()));
        }

        self.read_public(path).map(Zeroizing::new)
    }

    fn unreadable(&self, path: &Path, source: io::Error) -> FileError {
        if source.kind() == io::ErrorKind::NotFound {
            return FileError::NotInitialised {
                data: self.data.clone(),
                missing: path.to_owned(),
            };
        }

        FileError::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Returns the root's public key.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the file is missing or holds no key.
    pub fn root_key(&self) -> Result<PublicKey, FileError> {
        let path = self.root_path();
        let text = self.read_public(&path)?;
        let key: HexKey = text.trim().parse().map_err(|_| FileError::Unfit {
            path,
            why: "it is not a key of 64 hex digits",
        })?;

        Ok(key.0)
    }

    /// Returns the provider's newest certificate.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the file is missing or holds no certificate.
    pub fn provider_certificate(&self) -> Result<Signed<Certificate>, FileError> {
        self.provider_certificates()?
            .into_iter()
            .next()
            .ok_or_else(|| FileError::NotCertified(self.data.clone()))
    }

    /// Returns every certificate that the provider had, newest first.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the file is missing or holds something else.
    pub fn provider_certificates(&self) -> Result<Vec<Signed<Certificate>>, FileError> {
        let path = self.provider_certificate_path();
        if !path.exists() && self.request_path().exists() {
            return Err(FileError::NotCertified(self.data.clone()));
        }
        let text = self.read_public(&path)?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());

        lines
            .map(|line| signed_in_hex(line, &path, "it is not a certificate in hex"))
            .collect()
    }

    /// Returns every certificate that the provider had; none before the first is installed.
    pub(super) fn provider_certificates_or_none(
        &self,
    ) -> Result<Vec<Signed<Certificate>>, FileError> {
        match self.provider_certificates() {
            Err(FileError::NotCertified(_)) => Ok(Vec::new()),
            other => other,
        }
    }

    /// Writes the provider's certificates, newest first, in place of those before.
    pub(super) fn replace_provider_certificates(
        &self,
        certificates: &[Signed<Certificate>],
    ) -> Result<(), FileError> {
        let lines: Vec<String> = certificates
            .iter()
            .map(|certificate| format!("{}\n", hex::encode(certificate.to_wire())))
            .collect();
        let path = self.provider_certificate_path();

        replace_file(&path, lines.concat().as_bytes(), Access::Public)
    }

    /// Returns the root's directory of providers, if one is installed.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the file cannot be read or holds something else.
    pub fn directory(&self) -> Result<Option<Signed<ProviderDirectory>>, FileError> {
        let path = self.directory_path();
        if !path.exists() {
            return Ok(None);
        }
        let text = self.read_public(&path)?;

        signed_in_hex(&text, &path, "it is not a directory in hex").map(Some)
    }
}

fn signed_in_hex<T: Body>(
    text: &str,
    path: &Path,
    why: &'static str,
) -> Result<Signed<T>, FileError> {
    let wire = hex::decode(text.trim()).ok();

    wire.and_then(|wire| Signed::decode(&wire).ok())
        .ok_or_else(|| FileError::Unfit {
            path: path.to_owned(),
            why,
        })
}

pub(super) fn seed_back(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(hex::decode(text.trim()).ok()?);
    let seed: [u8; 32] = bytes.as_slice().try_into().ok()?;

    Some(Zeroizing::new(seed))
}

/// Whether others may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Public,
    Secret,
}

/// Makes a file that was not there, durably.
pub(crate) fn make_file(path: &Path, content: &[u8], access: Access) -> Result<(), FileError> {
    let mode = match access {
        Access::Public => 0o644,
        Access::Secret => 0o600,
    };
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|source| FileError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file in place of the one before, durably: after a power cut it is the one or the other.
pub(crate) fn replace_file(path: &Path, content: &[u8], access: Access) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let failed = |source| FileError::Io {
        path: path.to_owned(),
        source,
    };
    // What a cut left; nobody refers to it.
    if new.exists() {
        fs::remove_file(&new).map_err(failed)?;
    }
    make_file(&new, content, access)?;
    fs::rename(&new, path).map_err(failed)?;

    settle_name(path)
}

/// Makes durable that a file is at its place, or no longer.
pub(crate) fn settle_name(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().filter(|path| !path.as_os_str().is_empty());
    let folder = fs::File::open(folder.unwrap_or_else(|| Path::new(".")));

    folder
        .and_then(|folder| folder.sync_all())
        .map_err(|source| FileError::Io {
            path: path.to_owned(),
            source,
        })
}

/// A file of the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The directory holds no provider.
    #[error("{missing} is missing: make a provider with `blepay-server init --data {data}`", missing = missing.display(), data = data.display())]
    NotInitialised {
        /// The data directory.
        data: PathBuf,
        /// The file that is missing.
        missing: PathBuf,
    },
    /// The directory holds no root.
    #[error("{data} holds no root's key: make one with `blepay-server ca root --out {data}`", data = .0.display())]
    NoRoot(PathBuf),
    /// The provider waits for its certificate.
    #[error("{data} has no certificate yet: have {data}/provider.request certified with `blepay-server ca certify`, and install it with `blepay-server ca install --data {data}`", data = .0.display())]
    NotCertified(PathBuf),
    /// The directory holds a provider already.
    #[error("{} is there already; nothing was changed. Choose another --data, or run this provider with `blepay-server run`", .0.display())]
    AlreadyThere(PathBuf),
    /// Others can read a secret.
    #[error("others can read {path}: run `chmod 600 {path}`, and make new keys if somebody did", path = .0.display())]
    ReadableByOthers(PathBuf),
    /// The system says no.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no TOML, or says what it may not.
    #[error("{} is not as it should be", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        source: Box<toml::de::Error>,
    },
    /// The file does not fit the others.
    #[error("{} cannot be used: {why}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
}
