//! The provider: its keys, its certificate, what it allows, and the certificates that it issues.

pub mod ca;
mod config;
mod ends;
mod files;
mod init;
mod keys;
mod tls;
mod tls_end;

use std::path::Path;

use ops_proto::attestation::Expected;
use ops_proto::certificate::{Certificate, Role};
use ops_proto::message::{CertificateChain, ProviderDirectory};
use ops_proto::signed::{Body, Signed};
use ops_proto::{Digest, Name, ProviderId, PublicKey, SecretKey, Time};

use keys::{ANSWER, CERTIFY, KeyRing, LIST};

pub use ca::CaError;
pub use config::{Config, HexDigest, HexKey, NotHex, limits_max_default};
pub(crate) use ends::Ends;
pub(crate) use files::{Access, make_file, replace_file, settle_name};
pub use files::{FileError, Layout};
pub use init::{InitError, InitOptions, Initialised, init};
pub use tls::{TlsError, server_config};

pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;

/// How far a certificate's validity begins before it was issued: devices' clocks differ.
pub(crate) const CLOCK_SKEW_MS: u64 = DAY_MS;

/// What a running server has of its provider. The root's secret is not among it.
#[derive(Debug)]
pub struct Provider {
    config: Config,
    root: PublicKey,
    /// Every certificate that the provider had, newest first; there is one at least.
    certificates: Vec<Signed<Certificate>>,
    newest: Identity,
    /// Those before, as far as their secrets are here.
    others: Vec<Identity>,
    directory: Option<Signed<ProviderDirectory>>,
}

/// The secrets behind one certificate of the provider.
#[derive(Debug)]
struct Identity {
    certificate: Signed<Certificate>,
    certify: SecretKey,
    answer: SecretKey,
    list: SecretKey,
}

impl Identity {
    fn new(certificate: &Signed<Certificate>, ring: &KeyRing) -> Result<Self, FileError> {
        let body = certificate.body();
        let (answer, list) = provider_keys(body).unwrap_or((body.subject, body.subject));
        let copy = |name, public: &PublicKey| -> Result<SecretKey, FileError> {
            Ok(SecretKey::from_seed(&ring.find(name, public)?.to_seed()))
        };

        Ok(Self {
            certificate: certificate.clone(),
            certify: copy(CERTIFY, &body.subject)?,
            answer: copy(ANSWER, &answer)?,
            list: copy(LIST, &list)?,
        })
    }
}

/// Returns the keys that a provider's certificate names beside its own: to answer and to list.
#[must_use]
pub const fn provider_keys(certificate: &Certificate) -> Option<(PublicKey, PublicKey)> {
    match certificate.role {
        Role::Provider {
            answer_key,
            list_key,
            ..
        } => Some((answer_key, list_key)),
        Role::Client | Role::Ta { .. } => None,
    }
}

impl Provider {
    /// Loads the provider from its data directory.
    ///
    /// # Errors
    ///
    /// [`FileError`] when a file is missing, readable by others, or does not fit the others.
    pub fn load(data: &Path) -> Result<Self, FileError> {
        let layout = Layout::new(data);
        let config = Config::load(&layout)?;
        let root = layout.root_key()?;
        let certificates = layout.provider_certificates()?;
        let ring = layout.key_ring()?;
        check_certificates(&layout, &root, &certificates)?;
        let newest = Identity::new(&layout.provider_certificate()?, &ring)?;
        // The secrets of one that expired may have been taken away.
        let others = certificates.iter().skip(1);
        let others = others
            .filter_map(|certificate| Identity::new(certificate, &ring).ok())
            .collect();

        Ok(Self {
            config,
            root,
            certificates,
            newest,
            others,
            directory: layout.directory()?,
        })
    }

    /// Returns what the provider was told.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the root's key.
    #[must_use]
    pub const fn root(&self) -> &PublicKey {
        &self.root
    }

    /// Returns the provider's newest certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Signed<Certificate> {
        &self.newest.certificate
    }

    /// Returns every certificate that the provider had, newest first.
    #[must_use]
    pub fn certificates(&self) -> &[Signed<Certificate>] {
        &self.certificates
    }

    /// Returns the provider's id, which stays while its keys change.
    #[must_use]
    pub fn id(&self) -> ProviderId {
        self.certificate().body().provider
    }

    /// Returns the root's directory of providers, if one is installed.
    #[must_use]
    pub const fn directory(&self) -> Option<&Signed<ProviderDirectory>> {
        self.directory.as_ref()
    }

    /// Signs an answer with the newest key: for who is not known, or has the newest certificate.
    pub(crate) fn sign<T: Body>(&self, body: T) -> Signed<T> {
        Signed::sign(body, &self.newest.answer)
    }

    /// Signs an answer for the holder of a certificate, with the answer key that stands beside the key
    /// that certified it: the one that the holder knows until its next renewal.
    pub(crate) fn sign_for<T: Body>(&self, holder: &Certificate, body: T) -> Signed<T> {
        let mut all = std::iter::once(&self.newest).chain(&self.others);
        let known = all.find(|identity| identity.certificate.body().subject.id() == holder.issuer);

        Signed::sign(body, &known.unwrap_or(&self.newest).answer)
    }

    /// Returns the epoch of the key that signs our deny-list, as the root's directory has it; 1 while the
    /// directory does not say.
    pub(crate) fn list_epoch(&self) -> u32 {
        let list_key = self.newest.list.public_key();
        let directory = self.directory.as_ref().map(Signed::body);

        directory
            .into_iter()
            .flat_map(|directory| directory.providers.iter())
            .find(|entry| entry.provider == self.id() && entry.list_key == list_key)
            .map_or(1, |entry| entry.epoch)
    }

    /// Signs an answer for somebody who showed which of our certificates it knows: with the newest answer
    /// key of those, or the newest of all when it showed none.
    pub(crate) fn sign_among<T: Body>(&self, shown: &[Signed<Certificate>], body: T) -> Signed<T> {
        let mut all = std::iter::once(&self.newest).chain(&self.others);
        let known = all.find(|identity| shown.contains(&identity.certificate));

        Signed::sign(body, &known.unwrap_or(&self.newest).answer)
    }

    /// Signs a piece of the deny-list.
    pub(crate) fn sign_list<T: Body>(&self, body: T) -> Signed<T> {
        Signed::sign(body, &self.newest.list)
    }

    /// Returns the newest key that signs answers.
    #[must_use]
    pub fn answer_key(&self) -> PublicKey {
        self.newest.answer.public_key()
    }

    /// Returns every key that ever signed answers, newest first.
    #[must_use]
    pub fn answer_keys(&self) -> Vec<PublicKey> {
        let certificates = self.certificates.iter();
        let mut keys: Vec<PublicKey> = certificates
            .filter_map(|certificate| provider_keys(certificate.body()))
            .map(|(answer, _)| answer)
            .collect();
        keys.dedup();

        keys
    }

    /// Returns every key that ever signed our deny-list, newest first.
    pub(crate) fn list_keys(&self) -> Vec<PublicKey> {
        let certificates = self.certificates.iter();
        let mut keys: Vec<PublicKey> = certificates
            .filter_map(|certificate| provider_keys(certificate.body()))
            .map(|(_, list)| list)
            .collect();
        keys.dedup();

        keys
    }

    /// Returns a certificate together with the provider's.
    pub(crate) fn chain(&self, leaf: Signed<Certificate>) -> CertificateChain {
        CertificateChain {
            provider: self.newest.certificate.clone(),
            leaf,
        }
    }

    /// Issues a client's certificate.
    pub(crate) fn certify_client(
        &self,
        key: PublicKey,
        name: Name,
        now: Time,
    ) -> Signed<Certificate> {
        let days = self.config.client_validity_days;

        self.issue(key, name, Role::Client, days, now)
    }

    /// Issues a TA's certificate, under the name of its owner.
    pub(crate) fn certify_ta(&self, key: PublicKey, name: Name, now: Time) -> Signed<Certificate> {
        let limits = self.config.limits;
        let days = self.config.ta_validity_days;

        self.issue(key, name, Role::Ta { limits }, days, now)
    }

    /// Issues the next certificate of a client or TA, with what the settings allow now.
    pub(crate) fn renew(&self, held: &Certificate, number: u64, now: Time) -> Signed<Certificate> {
        let (role, days) = match held.role {
            Role::Ta { .. } => {
                let limits = self.config.limits;
                (Role::Ta { limits }, self.config.ta_validity_days)
            }
            Role::Provider { .. } | Role::Client => {
                (Role::Client, self.config.client_validity_days)
            }
        };

        self.issue_number(number, held.subject, held.name.clone(), role, days, now)
    }

    fn issue(
        &self,
        subject: PublicKey,
        name: Name,
        role: Role,
        days: u64,
        now: Time,
    ) -> Signed<Certificate> {
        self.issue_number(1, subject, name, role, days, now)
    }

    fn issue_number(
        &self,
        number: u64,
        subject: PublicKey,
        name: Name,
        role: Role,
        days: u64,
        now: Time,
    ) -> Signed<Certificate> {
        let provider = self.certificate().body();
        let body = Certificate {
            number,
            provider: provider.provider,
            subject,
            name,
            currency: provider.currency,
            issuer: provider.subject.id(),
            not_before: now.saturating_sub_ms(CLOCK_SKEW_MS),
            not_after: now.saturating_add_ms(days.saturating_mul(DAY_MS)),
            role,
        };

        Signed::sign(body, &self.newest.certify)
    }

    /// Returns what a quote must show.
    pub(crate) fn expected<'a>(
        &'a self,
        challenge: &'a [u8; 32],
        client: &'a PublicKey,
        ta: &'a PublicKey,
        measurements: &'a [Digest],
        now: Time,
    ) -> Expected<'a> {
        Expected {
            oem_root: &self.config.oem_root.0,
            challenge,
            client,
            ta,
            measurements,
            now,
        }
    }
}

/// Checks that the certificates are one provider's, under its root, each newer than the next.
fn check_certificates(
    layout: &Layout,
    root: &PublicKey,
    certificates: &[Signed<Certificate>],
) -> Result<(), FileError> {
    let unfit = |why: &'static str| FileError::Unfit {
        path: layout.provider_certificate_path(),
        why,
    };
    let mut newer: Option<&Certificate> = None;
    for certificate in certificates {
        let body = certificate
            .verify(root)
            .map_err(|_| unfit("it is not signed by the root"))?;
        if provider_keys(body).is_none() {
            return Err(unfit("it is not a provider's"));
        }
        if newer.is_some_and(|newer| newer.provider != body.provider || newer.number <= body.number)
        {
            return Err(unfit(
                "its certificates are not one provider's, newest first",
            ));
        }
        newer = Some(body);
    }

    Ok(())
}
