//! The root, which certifies providers, and what a provider does to be certified.
//!
//! The two never meet: a [`Root`] is a directory on a machine without a network, a provider is a data
//! directory on a server. Between them travel three files, each signed, each with the words that people
//! compare beside the bytes that count: the [`RequestFile`] one way, the [`CertificateFile`] and the
//! [`DirectoryFile`] the other.

mod document;
mod holder;
mod register;
mod root;

use std::path::PathBuf;

use ops_proto::certificate::ChainRefused;
use ops_proto::key::KeyRefused;
use ops_proto::{ProviderId, PublicKey};

use super::files::FileError;
use crate::store::StoreError;

pub use document::{CertificateFile, DirectoryEntryView, DirectoryFile, RequestFile};
pub use holder::{Holder, Installed, Wanted};
pub(super) use holder::{make_request, random_key};
pub use register::{Register, RegisterEntry};
pub use root::{Proposal, Root, Terms};

/// The root or a provider cannot do what it was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The books cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is not what it should be.
    #[error("{} is no {what}", path.display())]
    NotA {
        /// What was expected.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The signed bytes in the file do not decode.
    #[error("{} is damaged: its signed bytes do not decode", .0.display())]
    Damaged(PathBuf),
    /// What people read in the file is not what is signed in it.
    #[error("{}: what can be read in it is not what is signed in it; do not use it", .0.display())]
    Disguised(PathBuf),
    /// The request is not signed by the key that it wants certified.
    #[error("the request is not signed by the key that it wants certified")]
    RequestSignature,
    /// A key must not be certified.
    #[error("the {use_of} key {key} must not be certified")]
    Key {
        /// What it would be used for.
        use_of: &'static str,
        /// The key.
        key: PublicKey,
        /// Why.
        #[source]
        source: KeyRefused,
    },
    /// One key stands in two places.
    #[error("the key {0} stands for two uses: make a key for each")]
    KeyTwice(PublicKey),
    /// The key is another provider's, or had another use.
    #[error("the key {key} was certified before, as the {use_of} key of provider {provider}")]
    KeyTaken {
        /// The key.
        key: PublicKey,
        /// Whose it is.
        provider: ProviderId,
        /// Its use.
        use_of: String,
    },
    /// Another provider has the name.
    #[error("provider {0} is called that already: people tell providers by their names")]
    NameTaken(ProviderId),
    /// A provider keeps its currency.
    #[error("provider {provider} was certified for {currency}, and a provider keeps its currency")]
    Currency {
        /// The provider.
        provider: ProviderId,
        /// What it was certified for.
        currency: String,
    },
    /// The root does not stand behind the provider any more.
    #[error("provider {0} is revoked: it needs a new id, made with `blepay-server init`")]
    Revoked(ProviderId),
    /// A newer request of this provider was certified.
    #[error("a newer request of this provider was certified: ask the provider which one holds")]
    OldRequest,
    /// The validity is none.
    #[error("a certificate is valid for 1 to {max} days", max = root::DAYS_MAX)]
    Days,
    /// Limits that no certificate may have.
    #[error("the limits contradict each other: {0}")]
    Limits(&'static str),
    /// The register does not know the provider.
    #[error("this root certified no provider {0}: see `blepay-server ca list`")]
    ProviderUnknown(String),
    /// There are more providers than a directory holds.
    #[error("the directory is full: a root has at most 28 providers")]
    DirectoryFull,
    /// The certificate does not reach the root of this provider.
    #[error("the certificate is not one of this provider's root")]
    OtherRoot(#[source] ChainRefused),
    /// The directory does not reach the root of this provider.
    #[error("the directory is not signed by this provider's root")]
    DirectorySignature,
    /// The directory is older than the one that is installed.
    #[error("a newer directory is installed")]
    OldDirectory,
    /// The certificate is another provider's.
    #[error("the certificate is for provider {found}, this is provider {ours}")]
    OtherProvider {
        /// Whose it is.
        found: ProviderId,
        /// Who we are.
        ours: ProviderId,
    },
    /// The secret of a certified key is not here.
    #[error(
        "the certificate is for a {0} key that is not in provider.keys: was the request made here?"
    )]
    KeyMissing(&'static str),
    /// A certificate with this number or a greater one is installed.
    #[error("certificate {installed} is installed, this one has number {found}")]
    OldCertificate {
        /// The number that is installed.
        installed: u64,
        /// The number of this one.
        found: u64,
    },
    /// What `server.toml` grants is more than the root allows.
    #[error(
        "server.toml grants TAs more than the certificate allows: lower `limits` in server.toml first"
    )]
    LimitsAboveCertificate,
    /// A key is registered as a client or TA.
    #[error("the key {0} is registered here as something else")]
    KeyRegistered(PublicKey),
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Random(#[from] host::entropy::Error),
}
