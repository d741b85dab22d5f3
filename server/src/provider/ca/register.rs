//! What a root signed, kept beside its key.

use std::fs;
use std::io;
use std::path::Path;

use ops_proto::certificate::{Certificate, Role};
use ops_proto::signed::Signed;
use ops_proto::{ProviderId, PublicKey, Time};
use serde::{Deserialize, Serialize};

use super::CaError;
use crate::provider::files::{Access, FileError, replace_file};

/// Everything that a root signed, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The number of the last directory.
    pub directory_number: u32,
    /// The certificates.
    pub certificates: Vec<RegisterEntry>,
    /// The providers behind which the root does not stand any more, in hex.
    pub revoked: Vec<String>,
}

/// One certificate that a root signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterEntry {
    /// When it was signed, in milliseconds since 1970.
    pub signed_ms: u64,
    /// When the request was made, in milliseconds since 1970.
    pub made_ms: u64,
    /// The certificate as it travels, in hex.
    pub certificate: String,
}

/// What a provider's key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyUse {
    Certify,
    Answer,
    List,
}

impl KeyUse {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Certify => "certifying",
            Self::Answer => "answering",
            Self::List => "listing",
        }
    }
}

/// The three keys of a provider, with what each is for.
pub(super) const fn keys_of(
    certify: PublicKey,
    answer: PublicKey,
    list: PublicKey,
) -> [(KeyUse, PublicKey); 3] {
    [
        (KeyUse::Certify, certify),
        (KeyUse::Answer, answer),
        (KeyUse::List, list),
    ]
}

impl Register {
    /// Reads the register; a root that signed nothing has none.
    pub(super) fn read(path: &Path) -> Result<Self, CaError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => {
                let path = path.to_owned();
                return Err(FileError::Io { path, source }.into());
            }
        };
        let register: Self = serde_json::from_str(&text).map_err(|source| CaError::NotA {
            what: "register of a root",
            path: path.to_owned(),
            source,
        })?;
        if register.certificates().count() != register.certificates.len() {
            return Err(CaError::Damaged(path.to_owned()));
        }

        Ok(register)
    }

    /// Writes the register in place of the one before, durably.
    pub(super) fn write(&self, path: &Path) -> Result<(), CaError> {
        let mut text = serde_json::to_string_pretty(self).map_err(|source| CaError::NotA {
            what: "register that can be written",
            path: path.to_owned(),
            source,
        })?;
        text.push('\n');

        Ok(replace_file(path, text.as_bytes(), Access::Public)?)
    }

    pub(super) fn push(&mut self, certificate: &Signed<Certificate>, made: Time, now: Time) {
        self.certificates.push(RegisterEntry {
            signed_ms: now.as_ms(),
            made_ms: made.as_ms(),
            certificate: hex::encode(certificate.to_wire()),
        });
    }

    /// Returns every certificate, oldest first.
    pub fn certificates(&self) -> impl Iterator<Item = Signed<Certificate>> {
        self.certificates.iter().filter_map(|entry| {
            let wire = hex::decode(&entry.certificate).ok()?;

            Signed::decode(&wire).ok()
        })
    }

    /// Returns a provider's newest certificate.
    #[must_use]
    pub fn newest(&self, provider: ProviderId) -> Option<Signed<Certificate>> {
        self.certificates()
            .filter(|certificate| certificate.body().provider == provider)
            .max_by_key(|certificate| certificate.body().number)
    }

    /// Returns when the newest certified request of a provider was made.
    pub(super) fn newest_request(&self, provider: ProviderId) -> Time {
        let made = self.certificates.iter().zip(self.certificates());
        let of_provider = made.filter(|(_, certificate)| certificate.body().provider == provider);
        let newest = of_provider.map(|(entry, _)| entry.made_ms).max();

        Time::from_ms(newest.unwrap_or(0))
    }

    /// Returns whether the root does not stand behind a provider any more.
    #[must_use]
    pub fn is_revoked(&self, provider: ProviderId) -> bool {
        self.revoked.contains(&provider.to_string())
    }

    /// Returns the providers that were ever certified, ascending.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderId> {
        let mut providers: Vec<ProviderId> = self
            .certificates()
            .map(|certificate| certificate.body().provider)
            .collect();
        providers.sort_unstable();
        providers.dedup();

        providers
    }

    /// Returns the epoch of a provider's newest list key: how many it has had.
    pub(super) fn list_epoch(&self, provider: ProviderId) -> u32 {
        let mut last: Option<PublicKey> = None;
        let mut epoch = 0_u32;
        for certificate in self.certificates() {
            let body = certificate.body();
            let Role::Provider { list_key, .. } = body.role else {
                continue;
            };
            if body.provider == provider && last != Some(list_key) {
                last = Some(list_key);
                epoch = epoch.saturating_add(1);
            }
        }

        epoch
    }

    /// Returns whose a key is, and what for, if it was ever certified.
    pub(super) fn key_use(&self, key: &PublicKey) -> Option<(ProviderId, KeyUse)> {
        self.certificates().find_map(|certificate| {
            let body = certificate.body();
            let Role::Provider {
                answer_key,
                list_key,
                ..
            } = body.role
            else {
                return None;
            };
            keys_of(body.subject, answer_key, list_key)
                .into_iter()
                .find(|(_, known)| known == key)
                .map(|(use_of, _)| (body.provider, use_of))
        })
    }
}
