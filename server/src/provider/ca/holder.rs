//! What a provider does to be certified: it asks, and takes what comes back.

use std::path::Path;

use ops_proto::certificate::{Certificate, Limits, Role, verify_provider};
use ops_proto::message::{ProviderDirectory, ProviderRequest};
use ops_proto::signed::Signed;
use ops_proto::{Name, ProviderId, PublicKey, SecretKey, Time};
use zeroize::Zeroizing;

use super::CaError;
use super::document::RequestFile;
use crate::provider::config::{Config, limits_max_default};
use crate::provider::files::{Access, FileError, Layout, replace_file};
use crate::provider::keys::KeyRing;
use crate::store::{Store, SubjectKind};

/// A provider's data directory, as far as its certificates go.
#[derive(Debug)]
pub struct Holder {
    layout: Layout,
}

/// What a provider asks for; what is not said stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The name that people will see.
    pub name: Option<Name>,
    /// The largest TA limits that it wants to grant.
    pub limits: Option<Limits>,
}

/// What was installed.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The certificate.
    pub certificate: Signed<Certificate>,
    /// Whether it is the one that was installed last.
    pub repeated: bool,
    /// The certificates that stay usable until they expire, newest first.
    pub others: Vec<Signed<Certificate>>,
}

impl Holder {
    /// Opens a data directory that `init` made.
    ///
    /// # Errors
    ///
    /// [`CaError`] when there is none.
    pub fn open(data: &Path) -> Result<Self, CaError> {
        let layout = Layout::new(data);
        Config::load(&layout)?;

        Ok(Self { layout })
    }

    /// Returns the limits that were asked for last, and the provider's currency.
    ///
    /// # Errors
    ///
    /// [`CaError`] when a file cannot be used.
    pub fn limits(&self) -> Result<(Limits, String), CaError> {
        let last = self.last_request()?;

        Ok((last.limits_max, last.currency.to_string()))
    }

    /// Makes a request with the keys that are in use: for a first certificate, or to renew one.
    ///
    /// # Errors
    ///
    /// [`CaError`] when a file cannot be used.
    pub fn request(&self, wanted: &Wanted, now: Time) -> Result<Signed<ProviderRequest>, CaError> {
        let before = self.last_request()?;
        let ring = self.layout.key_ring()?;
        let certify = ring.find("certify", &before.subject)?;
        let request = ProviderRequest {
            name: wanted.name.clone().unwrap_or(before.name),
            limits_max: wanted.limits.unwrap_or(before.limits_max),
            made: now,
            ..before
        };

        self.keep(Signed::sign(request, certify))
    }

    /// Makes new keys, and a request for them. The old ones stay in use until their certificates end.
    ///
    /// # Errors
    ///
    /// [`CaError`] when a file cannot be used.
    pub fn rollover(&self, wanted: &Wanted, now: Time) -> Result<Signed<ProviderRequest>, CaError> {
        let before = self.last_request()?;
        let mut ring = self.layout.key_ring()?;
        let keys = [random_key()?, random_key()?, random_key()?];
        let [certify, answer, list] = &keys;
        let request = ProviderRequest {
            subject: certify.public_key(),
            answer_key: answer.public_key(),
            list_key: list.public_key(),
            name: wanted.name.clone().unwrap_or(before.name),
            limits_max: wanted.limits.unwrap_or(before.limits_max),
            made: now,
            ..before
        };
        let signed = Signed::sign(request, certify);
        ring.push(keys);
        self.layout.replace_key_ring(&ring)?;

        self.keep(signed)
    }

    /// Takes a certificate that the root signed. Taking the newest one again changes nothing.
    ///
    /// # Errors
    ///
    /// [`CaError`] names the first thing that is wrong; then nothing was changed.
    pub async fn install(
        &self,
        certificate: &Signed<Certificate>,
        now: Time,
    ) -> Result<Installed, CaError> {
        let root = self.layout.root_key()?;
        let limits_max = verify_provider(&root, certificate, now).map_err(CaError::OtherRoot)?;
        let body = certificate.body();
        let ours = self.last_request()?.provider;
        if body.provider != ours {
            let found = body.provider;
            return Err(CaError::OtherProvider { found, ours });
        }
        let keys = self.check_keys(body)?;
        let mut installed = self.layout.provider_certificates_or_none()?;
        if installed.first() == Some(certificate) {
            installed.remove(0);
            return Ok(Installed {
                certificate: certificate.clone(),
                repeated: true,
                others: installed,
            });
        }
        if let Some(newest) = installed.first() {
            check_follows(newest.body(), body)?;
        }
        if !Config::load(&self.layout)?.limits.is_within(limits_max) {
            return Err(CaError::LimitsAboveCertificate);
        }
        let [certify, answer, list] = keys;
        self.register(&[certify, answer, list, root], now).await?;
        let others = installed.clone();
        installed.insert(0, certificate.clone());
        self.layout.replace_provider_certificates(&installed)?;

        Ok(Installed {
            certificate: certificate.clone(),
            repeated: false,
            others,
        })
    }

    /// Takes a directory that the root signed.
    ///
    /// # Errors
    ///
    /// [`CaError`] when it is not the root's, or older than the one that is installed.
    pub fn install_directory(&self, directory: &Signed<ProviderDirectory>) -> Result<(), CaError> {
        directory
            .verify(&self.layout.root_key()?)
            .map_err(|_| CaError::DirectorySignature)?;
        if let Some(installed) = self.layout.directory()?
            && directory.body().version < installed.body().version
        {
            return Err(CaError::OldDirectory);
        }
        let text = format!("{}\n", hex::encode(directory.to_wire()));

        Ok(replace_file(
            &self.layout.directory_path(),
            text.as_bytes(),
            Access::Public,
        )?)
    }

    /// Returns the keys that a certificate names, all of whose secrets are here.
    fn check_keys(&self, certificate: &Certificate) -> Result<[PublicKey; 3], CaError> {
        let Role::Provider {
            answer_key,
            list_key,
            ..
        } = certificate.role
        else {
            return Err(CaError::KeyMissing("certifying"));
        };
        let ring = self.layout.key_ring()?;
        let keys = [
            ("certify", "certifying", certificate.subject),
            ("answer", "answering", answer_key),
            ("list", "listing", list_key),
        ];
        for (name, use_of, key) in &keys {
            ring.find(name, key)
                .map_err(|_| CaError::KeyMissing(use_of))?;
        }

        Ok(keys.map(|(_, _, key)| key))
    }

    /// Notes that the keys are a provider's, so that nobody registers them as anything else.
    async fn register(&self, keys: &[PublicKey], now: Time) -> Result<(), CaError> {
        let mut store = Store::open(&self.layout.store_address()?).await?;
        let mut unit = store.begin().await?;
        for key in keys {
            let is_new = unit.put_subject(key, SubjectKind::Provider, now).await?;
            let is_other = unit.client(key).await?.is_some() || unit.ta(key).await?.is_some();
            if !is_new && is_other {
                return Err(CaError::KeyRegistered(*key));
            }
        }
        unit.commit().await?;
        store.close().await?;

        Ok(())
    }

    /// Returns what was asked for last: by a request, or else by the certificate that is installed.
    fn last_request(&self) -> Result<ProviderRequest, CaError> {
        let path = self.layout.request_path();
        if path.exists() {
            return Ok(RequestFile::read(&path)?.body().clone());
        }
        let certificate = self.layout.provider_certificate()?;
        let body = certificate.body();
        let Role::Provider {
            answer_key,
            list_key,
            limits_max,
        } = body.role
        else {
            return Err(FileError::Unfit {
                path: self.layout.provider_certificate_path(),
                why: "it is not a provider's",
            }
            .into());
        };

        Ok(ProviderRequest {
            provider: body.provider,
            name: body.name.clone(),
            currency: body.currency,
            subject: body.subject,
            answer_key,
            list_key,
            limits_max,
            made: body.not_before,
        })
    }

    fn keep(&self, request: Signed<ProviderRequest>) -> Result<Signed<ProviderRequest>, CaError> {
        keep_request(&self.layout, &request)?;

        Ok(request)
    }
}

fn check_follows(installed: &Certificate, new: &Certificate) -> Result<(), CaError> {
    if new.number <= installed.number {
        return Err(CaError::OldCertificate {
            installed: installed.number,
            found: new.number,
        });
    }
    if new.currency != installed.currency {
        return Err(CaError::Currency {
            provider: new.provider,
            currency: installed.currency.to_string(),
        });
    }

    Ok(())
}

/// Makes a new provider's first request.
pub(in crate::provider) fn make_request(
    layout: &Layout,
    ring: &KeyRing,
    provider: ProviderId,
    name: Name,
    currency: ops_proto::Currency,
    now: Time,
) -> Result<Signed<ProviderRequest>, CaError> {
    let [certify, answer, list] = ring.newest()?;
    let request = ProviderRequest {
        provider,
        name,
        currency,
        subject: certify.public_key(),
        answer_key: answer.public_key(),
        list_key: list.public_key(),
        limits_max: limits_max_default(),
        made: now,
    };
    let request = Signed::sign(request, certify);
    keep_request(layout, &request)?;

    Ok(request)
}

fn keep_request(layout: &Layout, request: &Signed<ProviderRequest>) -> Result<(), CaError> {
    let path = layout.request_path();
    let text = serde_json::to_string_pretty(&RequestFile::new(request)).map_err(|source| {
        CaError::NotA {
            what: "request that can be written",
            path: path.clone(),
            source,
        }
    })?;

    Ok(replace_file(&path, text.as_bytes(), Access::Public)?)
}

/// Makes a key.
pub(in crate::provider) fn random_key() -> Result<SecretKey, host::entropy::Error> {
    let mut seed = Zeroizing::new([0; 32]);
    host::entropy::fill(seed.as_mut_slice())?;

    Ok(SecretKey::from_seed(&seed))
}
