//! The files that travel between the root and its providers: signed bytes, and the words beside them.

use std::path::Path;

use ops_proto::certificate::{Certificate, Limits, Role};
use ops_proto::message::{ProviderDirectory, ProviderRequest, ProviderStanding};
use ops_proto::signed::{Body, Signed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::CaError;
use crate::provider::files::{Access, FileError, make_file};

/// The version of these files.
const VERSION: u32 = 1;

/// A provider asks for a certificate. Only `request` counts; the rest says what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFile {
    /// The version of this file: 1.
    pub version: u32,
    /// The provider, in hex.
    pub provider: String,
    /// The name that people will see.
    pub name: String,
    /// The currency.
    pub currency: String,
    /// The key that certifies, in hex.
    pub certify_key: String,
    /// The key that signs answers, in hex.
    pub answer_key: String,
    /// The key that signs deny-lists, in hex.
    pub list_key: String,
    /// The largest TA limits that it asks for, in minor units.
    pub limits: Limits,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: u64,
    /// The signed request as it travels, in hex.
    pub request: String,
}

impl RequestFile {
    /// Returns the file of a request.
    #[must_use]
    pub fn new(request: &Signed<ProviderRequest>) -> Self {
        let body = request.body();

        Self {
            version: VERSION,
            provider: body.provider.to_string(),
            name: body.name.to_string(),
            currency: body.currency.to_string(),
            certify_key: body.subject.to_string(),
            answer_key: body.answer_key.to_string(),
            list_key: body.list_key.to_string(),
            limits: body.limits_max,
            made_ms: body.made.as_ms(),
            request: hex::encode(request.to_wire()),
        }
    }

    /// Reads a request. Its signature is the caller's to check.
    ///
    /// # Errors
    ///
    /// [`CaError`] when the file is none, or says other things in words than in bytes.
    pub fn read(path: &Path) -> Result<Signed<ProviderRequest>, CaError> {
        read(
            path,
            "provider request",
            |file: &Self| &file.request,
            Self::new,
        )
    }

    /// Writes the request to a file that is not there yet.
    ///
    /// # Errors
    ///
    /// [`CaError`] when it is there or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), CaError> {
        write(path, self)
    }
}

/// A provider's certificate. Only `certificate` counts; the rest says what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// The version of this file: 1.
    pub version: u32,
    /// The provider, in hex.
    pub provider: String,
    /// The name that people see.
    pub name: String,
    /// The currency.
    pub currency: String,
    /// The certificate's number.
    pub number: u64,
    /// The key that certifies, in hex.
    pub certify_key: String,
    /// The key that signs answers, in hex.
    pub answer_key: String,
    /// The key that signs deny-lists, in hex.
    pub list_key: String,
    /// The largest TA limits that it may grant, in minor units.
    pub limits: Option<Limits>,
    /// The first instant of validity, in milliseconds since 1970.
    pub not_before_ms: u64,
    /// The last instant of validity, in milliseconds since 1970.
    pub not_after_ms: u64,
    /// The certificate as it travels, in hex.
    pub certificate: String,
}

impl CertificateFile {
    /// Returns the file of a certificate.
    #[must_use]
    pub fn new(certificate: &Signed<Certificate>) -> Self {
        let body = certificate.body();
        let (answer_key, list_key, limits) = match &body.role {
            Role::Provider {
                answer_key,
                list_key,
                limits_max,
            } => (
                answer_key.to_string(),
                list_key.to_string(),
                Some(*limits_max),
            ),
            Role::Client | Role::Ta { .. } => (String::new(), String::new(), None),
        };

        Self {
            version: VERSION,
            provider: body.provider.to_string(),
            name: body.name.to_string(),
            currency: body.currency.to_string(),
            number: body.number,
            certify_key: body.subject.to_string(),
            answer_key,
            list_key,
            limits,
            not_before_ms: body.not_before.as_ms(),
            not_after_ms: body.not_after.as_ms(),
            certificate: hex::encode(certificate.to_wire()),
        }
    }

    /// Reads a certificate. Its signature is the caller's to check.
    ///
    /// # Errors
    ///
    /// [`CaError`] when the file is none, or says other things in words than in bytes.
    pub fn read(path: &Path) -> Result<Signed<Certificate>, CaError> {
        read(
            path,
            "provider certificate",
            |file: &Self| &file.certificate,
            Self::new,
        )
    }

    /// Writes the certificate to a file that is not there yet.
    ///
    /// # Errors
    ///
    /// [`CaError`] when it is there or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), CaError> {
        write(path, self)
    }
}

/// The root's directory of providers. Only `directory` counts; the rest says what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryFile {
    /// The version of this file: 1.
    pub version: u32,
    /// The epoch of the root's key.
    pub epoch: u32,
    /// The directory's number in that epoch.
    pub number: u32,
    /// When it was signed, in milliseconds since 1970.
    pub issued_ms: u64,
    /// The providers.
    pub providers: Vec<DirectoryEntryView>,
    /// The directory as it travels, in hex.
    pub directory: String,
}

/// One provider in the directory, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryEntryView {
    /// The provider, in hex.
    pub provider: String,
    /// Its name.
    pub name: String,
    /// The epoch of its list key.
    pub epoch: u32,
    /// The key that signs its deny-lists, in hex.
    pub list_key: String,
    /// live or revoked.
    pub standing: String,
}

impl DirectoryFile {
    /// Returns the file of a directory.
    #[must_use]
    pub fn new(directory: &Signed<ProviderDirectory>) -> Self {
        let body = directory.body();
        let entries = body.providers.iter().map(|entry| DirectoryEntryView {
            provider: entry.provider.to_string(),
            name: entry.name.to_string(),
            epoch: entry.epoch,
            list_key: entry.list_key.to_string(),
            standing: standing(entry.standing).to_owned(),
        });

        Self {
            version: VERSION,
            epoch: body.version.epoch,
            number: body.version.number,
            issued_ms: body.issued.as_ms(),
            providers: entries.collect(),
            directory: hex::encode(directory.to_wire()),
        }
    }

    /// Reads a directory. Its signature is the caller's to check.
    ///
    /// # Errors
    ///
    /// [`CaError`] when the file is none, or says other things in words than in bytes.
    pub fn read(path: &Path) -> Result<Signed<ProviderDirectory>, CaError> {
        read(
            path,
            "provider directory",
            |file: &Self| &file.directory,
            Self::new,
        )
    }

    /// Writes the directory to a file that is not there yet.
    ///
    /// # Errors
    ///
    /// [`CaError`] when it is there or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), CaError> {
        write(path, self)
    }
}

const fn standing(standing: ProviderStanding) -> &'static str {
    match standing {
        ProviderStanding::Live => "live",
        ProviderStanding::Revoked => "revoked",
    }
}

/// Reads a file, and demands that its words say what its bytes say.
fn read<F, T>(
    path: &Path,
    what: &'static str,
    bytes: impl Fn(&F) -> &String,
    words: impl Fn(&Signed<T>) -> F,
) -> Result<Signed<T>, CaError>
where
    F: DeserializeOwned + PartialEq,
    T: Body,
{
    let text = std::fs::read_to_string(path).map_err(|source| FileError::Io {
        path: path.to_owned(),
        source,
    })?;
    let file: F = serde_json::from_str(&text).map_err(|source| CaError::NotA {
        what,
        path: path.to_owned(),
        source,
    })?;
    let signed = hex::decode(bytes(&file))
        .ok()
        .and_then(|wire| Signed::decode(&wire).ok())
        .ok_or_else(|| CaError::Damaged(path.to_owned()))?;
    if words(&signed) != file {
        return Err(CaError::Disguised(path.to_owned()));
    }

    Ok(signed)
}

fn write<F: Serialize>(path: &Path, file: &F) -> Result<(), CaError> {
    let mut text = serde_json::to_string_pretty(file).map_err(|source| CaError::NotA {
        what: "file that can be written",
        path: path.to_owned(),
        source,
    })?;
    text.push('\n');

    Ok(make_file(path, text.as_bytes(), Access::Public)?)
}
