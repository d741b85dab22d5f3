//! The provider: its keys, its certificate, what it allows, and the certificates that it issues.

mod config;
mod files;
mod init;
mod tls;

use std::path::Path;

use ops_proto::attestation::Expected;
use ops_proto::certificate::{Certificate, Role};
use ops_proto::message::CertificateChain;
use ops_proto::signed::{Body, Signed};
use ops_proto::{Digest, Name, PublicKey, SecretKey, Time};

pub use config::{Config, HexDigest, HexKey, NotHex};
pub use files::{FileError, Layout};
pub use init::{InitError, InitOptions, Initialised, init};
pub use tls::{TlsError, server_config};

const DAY_MS: u64 = 24 * 3600 * 1000;

/// How far a certificate's validity begins before it was issued: devices' clocks differ.
const CLOCK_SKEW_MS: u64 = DAY_MS;

/// What a running server has of its provider. The root's secret is not among it.
#[derive(Debug)]
pub struct Provider {
    config: Config,
    root: PublicKey,
    certificate: Signed<Certificate>,
    certify: SecretKey,
    answer: SecretKey,
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
        let certificate = layout.provider_certificate()?;
        let keys = layout.provider_keys()?;
        let provider = Self {
            config,
            root,
            certificate,
            certify: keys.certify,
            answer: keys.answer,
        };
        provider.check(&layout)?;

        Ok(provider)
    }

    fn check(&self, layout: &Layout) -> Result<(), FileError> {
        let unfit = |why: &'static str| FileError::Unfit {
            path: layout.provider_certificate_path(),
            why,
        };
        self.certificate
            .verify(&self.root)
            .map_err(|_| unfit("it is not signed by the root"))?;
        let body = self.certificate.body();
        let Role::Provider { answer_key, .. } = &body.role else {
            return Err(unfit("it is not a provider's"));
        };
        if body.subject != self.certify.public_key() || *answer_key != self.answer.public_key() {
            return Err(unfit("it is for other keys than provider.keys holds"));
        }

        Ok(())
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

    /// Returns the provider's certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Signed<Certificate> {
        &self.certificate
    }

    /// Signs an answer.
    pub(crate) fn sign<T: Body>(&self, body: T) -> Signed<T> {
        Signed::sign(body, &self.answer)
    }

    /// Returns the key that signs answers.
    #[must_use]
    pub fn answer_key(&self) -> PublicKey {
        self.answer.public_key()
    }

    /// Returns a certificate together with the provider's.
    pub(crate) fn chain(&self, leaf: Signed<Certificate>) -> CertificateChain {
        CertificateChain {
            provider: self.certificate.clone(),
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

    fn issue(
        &self,
        subject: PublicKey,
        name: Name,
        role: Role,
        days: u64,
        now: Time,
    ) -> Signed<Certificate> {
        let provider = self.certificate.body();
        let body = Certificate {
            number: 1,
            provider: provider.provider,
            subject,
            name,
            currency: provider.currency,
            issuer: provider.subject.id(),
            not_before: now.saturating_sub_ms(CLOCK_SKEW_MS),
            not_after: now.saturating_add_ms(days.saturating_mul(DAY_MS)),
            role,
        };

        Signed::sign(body, &self.certify)
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
