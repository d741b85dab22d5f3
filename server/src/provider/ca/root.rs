//! The root: a key in a directory of its own, and the register of what it signed.

use std::path::{Path, PathBuf};

use ops_proto::certificate::{Bound, Certificate, Limits, Role};
use ops_proto::list::List;
use ops_proto::message::{
    DirectoryEntry, ListVersion, ProviderDirectory, ProviderRequest, ProviderStanding,
};
use ops_proto::signed::Signed;
use ops_proto::{ProviderId, PublicKey, SecretKey, Time};
use zeroize::Zeroizing;

use super::CaError;
use super::holder::random_key;
use super::register::{KeyUse, Register, keys_of};
use crate::provider::files::{Access, FileError, Layout, make_file, seed_back};
use crate::provider::{CLOCK_SKEW_MS, DAY_MS};

/// Longest validity of a provider's certificate, in days.
pub(super) const DAYS_MAX: u64 = 20 * 366;

/// The epoch of a root's first key.
const ROOT_EPOCH: u32 = 1;

/// The root's directory, opened. It belongs on a machine without a network.
#[derive(Debug)]
pub struct Root {
    register_path: PathBuf,
    key: SecretKey,
    register: Register,
}

/// What the root grants beside what the request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The largest TA limits that the provider may grant.
    pub limits: Limits,
    /// How long the certificate is valid.
    pub days: u64,
}

/// A certificate that the root would sign: show it to people before [`Root::sign`].
#[derive(Clone, Debug)]
pub struct Proposal {
    /// What would be signed.
    pub certificate: Certificate,
    /// The one that the provider has.
    pub before: Option<Certificate>,
    made: Time,
}

impl Root {
    /// Makes a root in a directory that has none.
    ///
    /// # Errors
    ///
    /// [`CaError`]; where a root is already, nothing is changed.
    pub fn create(directory: &Path) -> Result<Self, CaError> {
        let layout = Layout::new(directory);
        let paths = [
            layout.root_secret_path(),
            layout.root_path(),
            layout.register_path(),
        ];
        if let Some(path) = paths.into_iter().find(|path| path.exists()) {
            return Err(FileError::AlreadyThere(path).into());
        }
        layout.make_directory()?;
        let key = random_key()?;
        let seed = Zeroizing::new(hex::encode(key.to_seed().as_slice()));
        let secret = Zeroizing::new(format!("{}\n", seed.as_str()));
        make_file(
            &layout.root_secret_path(),
            secret.as_bytes(),
            Access::Secret,
        )?;
        let public = format!("{}\n", key.public_key());
        make_file(&layout.root_path(), public.as_bytes(), Access::Public)?;
        let root = Self {
            register_path: layout.register_path(),
            key,
            register: Register::default(),
        };
        root.register.write(&root.register_path)?;

        Ok(root)
    }

    /// Opens the root of a directory.
    ///
    /// # Errors
    ///
    /// [`CaError`] when there is none, others can read its key, or its register is damaged.
    pub fn open(directory: &Path) -> Result<Self, CaError> {
        let layout = Layout::new(directory);
        let path = layout.root_secret_path();
        if !path.exists() {
            return Err(FileError::NoRoot(directory.to_owned()).into());
        }
        let text = layout.read_secret(&path)?;
        let seed = seed_back(&text).ok_or(FileError::Unfit {
            path,
            why: "it is not a key of 64 hex digits",
        })?;
        let key = SecretKey::from_seed(&seed);
        let register = Register::read(&layout.register_path())?;
        let public = key.public_key();
        if register
            .certificates()
            .any(|certificate| certificate.verify(&public).is_err())
        {
            return Err(CaError::Damaged(layout.register_path()));
        }

        Ok(Self {
            register_path: layout.register_path(),
            key,
            register,
        })
    }

    /// Returns the root's public key, which every device and server pins.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Returns what the root signed.
    #[must_use]
    pub const fn register(&self) -> &Register {
        &self.register
    }

    /// Returns what the root would sign for a request, or why it never would.
    ///
    /// # Errors
    ///
    /// [`CaError`] names the first rule that the request or the terms break.
    pub fn propose(
        &self,
        request: &Signed<ProviderRequest>,
        terms: &Terms,
        now: Time,
    ) -> Result<Proposal, CaError> {
        let body = request.body();
        request
            .verify(&body.subject)
            .map_err(|_| CaError::RequestSignature)?;
        self.check_keys(body)?;
        check_limits(&terms.limits)?;
        if terms.days == 0 || terms.days > DAYS_MAX {
            return Err(CaError::Days);
        }
        if self.register.is_revoked(body.provider) {
            return Err(CaError::Revoked(body.provider));
        }
        self.check_name(body)?;
        let before = self.register.newest(body.provider);
        if let Some(before) = &before {
            check_follows(before.body(), body)?;
        }
        if body.made < self.register.newest_request(body.provider) {
            return Err(CaError::OldRequest);
        }

        Ok(Proposal {
            certificate: self.certificate(body, terms, before.as_ref(), now),
            before: before.map(|before| before.body().clone()),
            made: body.made,
        })
    }

    fn certificate(
        &self,
        request: &ProviderRequest,
        terms: &Terms,
        before: Option<&Signed<Certificate>>,
        now: Time,
    ) -> Certificate {
        let last = before.map_or(0, |before| before.body().number);

        Certificate {
            number: last.saturating_add(1),
            provider: request.provider,
            subject: request.subject,
            name: request.name.clone(),
            currency: request.currency,
            issuer: self.public_key().id(),
            not_before: now.saturating_sub_ms(CLOCK_SKEW_MS),
            not_after: now.saturating_add_ms(terms.days.saturating_mul(DAY_MS)),
            role: Role::Provider {
                answer_key: request.answer_key,
                list_key: request.list_key,
                limits_max: terms.limits,
            },
        }
    }

    /// Signs what was proposed, and notes it in the register before anybody gets it.
    ///
    /// # Errors
    ///
    /// [`CaError`] when the register cannot be written; then nothing was signed.
    pub fn sign(&mut self, proposal: Proposal, now: Time) -> Result<Signed<Certificate>, CaError> {
        let certificate = Signed::sign(proposal.certificate, &self.key);
        let mut register = self.register.clone();
        register.push(&certificate, proposal.made, now);
        register.write(&self.register_path)?;
        self.register = register;

        Ok(certificate)
    }

    /// Signs the directory of all providers, with the next number.
    ///
    /// # Errors
    ///
    /// [`CaError`] when there are too many, or the register cannot be written.
    pub fn sign_directory(&mut self, now: Time) -> Result<Signed<ProviderDirectory>, CaError> {
        let mut register = self.register.clone();
        register.directory_number = register.directory_number.saturating_add(1);
        let mut entries = Vec::new();
        for provider in register.providers() {
            let Some(newest) = register.newest(provider) else {
                continue;
            };
            let Role::Provider { list_key, .. } = newest.body().role else {
                continue;
            };
            entries.push(DirectoryEntry {
                provider,
                name: newest.body().name.clone(),
                epoch: register.list_epoch(provider),
                list_key,
                standing: if register.is_revoked(provider) {
                    ProviderStanding::Revoked
                } else {
                    ProviderStanding::Live
                },
            });
        }
        let directory = ProviderDirectory {
            version: ListVersion {
                epoch: ROOT_EPOCH,
                number: register.directory_number,
            },
            issued: now,
            providers: List::try_from(entries).map_err(|_| CaError::DirectoryFull)?,
        };
        register.write(&self.register_path)?;
        self.register = register;

        Ok(Signed::sign(directory, &self.key))
    }

    /// Stands behind a provider no more. The next directory says so.
    ///
    /// # Errors
    ///
    /// [`CaError`] when the root never certified it, or the register cannot be written.
    pub fn revoke(&mut self, provider: &str) -> Result<ProviderId, CaError> {
        let unknown = || CaError::ProviderUnknown(provider.to_owned());
        let providers = self.register.providers();
        let mut named = providers.into_iter().filter(|id| {
            let newest = self.register.newest(*id);

            id.to_string() == provider
                || newest.is_some_and(|newest| newest.body().name.as_str() == provider)
        });
        let id = named.next().ok_or_else(unknown)?;
        if !self.register.is_revoked(id) {
            let mut register = self.register.clone();
            register.revoked.push(id.to_string());
            register.write(&self.register_path)?;
            self.register = register;
        }

        Ok(id)
    }

    fn check_keys(&self, request: &ProviderRequest) -> Result<(), CaError> {
        let keys = keys_of(request.subject, request.answer_key, request.list_key);
        let mut seen = vec![self.public_key()];
        for (use_of, key) in keys {
            key.check().map_err(|source| CaError::Key {
                use_of: use_of.as_str(),
                key,
                source,
            })?;
            if seen.contains(&key) {
                return Err(CaError::KeyTwice(key));
            }
            seen.push(key);
            self.check_free(request.provider, use_of, key)?;
        }

        Ok(())
    }

    fn check_free(
        &self,
        provider: ProviderId,
        use_of: KeyUse,
        key: PublicKey,
    ) -> Result<(), CaError> {
        match self.register.key_use(&key) {
            Some(known) if known != (provider, use_of) => Err(CaError::KeyTaken {
                key,
                provider: known.0,
                use_of: known.1.as_str().to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn check_name(&self, request: &ProviderRequest) -> Result<(), CaError> {
        let wanted = request.name.as_str().to_lowercase();
        let others = self.register.providers().into_iter();
        let taken = others
            .filter(|other| *other != request.provider)
            .filter_map(|other| self.register.newest(other))
            .find(|newest| newest.body().name.as_str().to_lowercase() == wanted);
        if let Some(newest) = taken {
            return Err(CaError::NameTaken(newest.body().provider));
        }

        Ok(())
    }
}

fn check_follows(before: &Certificate, request: &ProviderRequest) -> Result<(), CaError> {
    if before.currency != request.currency {
        return Err(CaError::Currency {
            provider: request.provider,
            currency: before.currency.to_string(),
        });
    }

    Ok(())
}

fn check_limits(limits: &Limits) -> Result<(), CaError> {
    let bounds = [
        limits.paid_count,
        limits.paid_total,
        limits.collected_count,
        limits.collected_total,
    ];
    if bounds.iter().any(|Bound { warn, refuse }| warn > refuse) {
        return Err(CaError::Limits(
            "a bound warns only beyond where it refuses",
        ));
    }
    if bounds.iter().any(|bound| bound.refuse == 0) {
        return Err(CaError::Limits("a bound of nothing allows nothing"));
    }
    if limits.payment_max > limits.balance_max {
        return Err(CaError::Limits(
            "the largest payment is larger than the largest balance",
        ));
    }

    Ok(())
}
