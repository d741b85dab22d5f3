//! `init`: root, provider, TLS and empty books, made once.

use std::path::{Path, PathBuf};

use ops_proto::certificate::{Certificate, Limits, Role};
use ops_proto::signed::Signed;
use ops_proto::{Amount, Currency, Digest, Name, ProviderId, PublicKey, SecretKey, Time};
use zeroize::Zeroizing;

use super::config::{Config, HexDigest, HexKey, limits_default};
use super::files::{Access, FileError, Layout, make_file};
use super::tls::{TlsError, TlsFiles, make_tls};
use super::{CLOCK_SKEW_MS, DAY_MS};
use crate::oem::{OEM_TEST_ROOT, simulated_ta_measurement};
use crate::store::{NoStoreAddress, Store, StoreAddress, StoreError, SubjectKind};

/// How long a provider's certificate is valid.
const PROVIDER_VALIDITY_DAYS: u64 = 5 * 365;

/// How much larger a provider's limits are than what it grants at first.
const LIMITS_HEADROOM: u64 = 10;

/// What a new provider is to be.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// The name that people see.
    pub name: Name,
    /// The currency of everything.
    pub currency: Currency,
    /// Where devices reach the server.
    pub url: String,
    /// Where the server listens.
    pub listen: String,
    /// The OEM root whose devices are trusted; the test root when none is named.
    pub oem_root: Option<PublicKey>,
    /// The measurements of TAs that are allowed; the simulated TA's when none is named.
    pub measurements: Vec<Digest>,
    /// Where the books are to be, as `postgresql://USER@HOST/DATABASE`; in the directory when not named.
    pub store: Option<String>,
    /// The present instant.
    pub now: Time,
}

/// What `init` made.
#[derive(Clone, Debug)]
pub struct Initialised {
    /// The root's key.
    pub root: PublicKey,
    /// The provider's id.
    pub provider: ProviderId,
    /// The root's secret key, which belongs offline.
    pub root_secret: PathBuf,
    /// Whether the OEM test root is trusted.
    pub trusts_test_oem: bool,
}

/// Makes a provider in a directory that has none.
///
/// # Errors
///
/// [`InitError`]; when the directory holds a provider already, nothing is changed.
pub async fn init(data: &Path, options: &InitOptions) -> Result<Initialised, InitError> {
    let layout = Layout::new(data);
    if let Some(path) = layout.all().into_iter().find(|path| path.exists()) {
        return Err(FileError::AlreadyThere(path).into());
    }
    let tls = make_tls(&options.url)?;
    layout.make_directory()?;
    let keys = Keys::make()?;
    let provider = ProviderId(random()?);
    let certificate = keys.certify_provider(provider, options);
    make_books(&layout, &keys, options).await?;
    make_tls_files(&layout, &tls)?;
    make_key_files(&layout, &keys, &certificate)?;
    make_config(&layout, options)?;

    Ok(Initialised {
        root: keys.root.public_key(),
        provider,
        root_secret: layout.root_secret_path(),
        trusts_test_oem: options.oem_root.is_none(),
    })
}

struct Keys {
    root: SecretKey,
    certify: SecretKey,
    answer: SecretKey,
    list: SecretKey,
}

impl Keys {
    fn make() -> Result<Self, InitError> {
        let key = || -> Result<SecretKey, InitError> {
            let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);

            Ok(SecretKey::from_seed(&seed))
        };

        Ok(Self {
            root: key()?,
            certify: key()?,
            answer: key()?,
            list: key()?,
        })
    }

    fn certify_provider(&self, provider: ProviderId, options: &InitOptions) -> Signed<Certificate> {
        let validity_ms = PROVIDER_VALIDITY_DAYS.saturating_mul(DAY_MS);
        let body = Certificate {
            number: 1,
            provider,
            subject: self.certify.public_key(),
            name: options.name.clone(),
            currency: options.currency,
            issuer: self.root.public_key().id(),
            not_before: options.now.saturating_sub_ms(CLOCK_SKEW_MS),
            not_after: options.now.saturating_add_ms(validity_ms),
            role: Role::Provider {
                answer_key: self.answer.public_key(),
                list_key: self.list.public_key(),
                limits_max: limits_max(&limits_default()),
            },
        };

        Signed::sign(body, &self.root)
    }

    fn public(&self) -> [PublicKey; 4] {
        [&self.root, &self.certify, &self.answer, &self.list].map(SecretKey::public_key)
    }
}

fn limits_max(limits: &Limits) -> Limits {
    let amount = |amount: Amount| {
        Amount::try_from(amount.minor_units().saturating_mul(LIMITS_HEADROOM))
            .unwrap_or(Amount::MAX)
    };
    let bound = |mut bound: ops_proto::certificate::Bound| {
        bound.warn = bound.warn.saturating_mul(LIMITS_HEADROOM);
        bound.refuse = bound.refuse.saturating_mul(LIMITS_HEADROOM);
        bound
    };

    Limits {
        balance_max: amount(limits.balance_max),
        payment_max: amount(limits.payment_max),
        paid_count: bound(limits.paid_count),
        paid_total: bound(limits.paid_total),
        collected_count: bound(limits.collected_count),
        collected_total: bound(limits.collected_total),
    }
}

async fn make_books(layout: &Layout, keys: &Keys, options: &InitOptions) -> Result<(), InitError> {
    let address = match &options.store {
        Some(url) => url.parse()?,
        None => StoreAddress::file(&layout.books_path()),
    };
    if let StoreAddress::File(path) = &address {
        // The engine gives its other files the permissions of this one.
        make_file(path, &[], Access::Secret)?;
    }
    let mut store = Store::create(&address).await?;
    let mut unit = store.begin().await?;
    if !unit.begin_life().await? {
        return Err(InitError::BooksThere(address));
    }
    for key in keys.public() {
        unit.put_subject(&key, SubjectKind::Provider, options.now)
            .await?;
    }
    unit.commit().await?;
    store.close().await?;

    Ok(())
}

fn make_tls_files(layout: &Layout, tls: &TlsFiles) -> Result<(), FileError> {
    let files = [
        (
            layout.tls_anchor_path(),
            tls.anchor.as_bytes(),
            Access::Public,
        ),
        (
            layout.tls_anchor_secret_path(),
            tls.anchor_key.as_bytes(),
            Access::Secret,
        ),
        (
            layout.tls_certificate_path(),
            tls.certificate.as_bytes(),
            Access::Public,
        ),
        (layout.tls_secret_path(), tls.key.as_bytes(), Access::Secret),
    ];
    for (path, content, access) in files {
        make_file(&path, content, access)?;
    }

    Ok(())
}

fn make_key_files(
    layout: &Layout,
    keys: &Keys,
    certificate: &Signed<Certificate>,
) -> Result<(), FileError> {
    let seed = |key: &SecretKey| Zeroizing::new(hex::encode(key.to_seed().as_slice()));
    let provider_keys = Zeroizing::new(format!(
        "certify={}\nanswer={}\nlist={}\n",
        seed(&keys.certify).as_str(),
        seed(&keys.answer).as_str(),
        seed(&keys.list).as_str()
    ));
    let root_secret = Zeroizing::new(format!("{}\n", seed(&keys.root).as_str()));
    let root = format!("{}\n", keys.root.public_key());
    let certificate = format!("{}\n", hex::encode(certificate.to_wire()));
    make_file(
        &layout.root_secret_path(),
        root_secret.as_bytes(),
        Access::Secret,
    )?;
    make_file(&layout.root_path(), root.as_bytes(), Access::Public)?;
    make_file(
        &layout.provider_keys_path(),
        provider_keys.as_bytes(),
        Access::Secret,
    )?;

    make_file(
        &layout.provider_certificate_path(),
        certificate.as_bytes(),
        Access::Public,
    )
}

/// Written last: a directory with it is complete.
fn make_config(layout: &Layout, options: &InitOptions) -> Result<(), InitError> {
    let mut measurements: Vec<HexDigest> = options
        .measurements
        .iter()
        .copied()
        .map(HexDigest)
        .collect();
    if measurements.is_empty() {
        measurements.push(HexDigest(simulated_ta_measurement()));
    }
    let config = Config {
        url: options.url.clone(),
        listen: options.listen.clone(),
        client_validity_days: 5 * 365,
        ta_validity_days: 28,
        store: options.store.clone(),
        requests_per_second: 200,
        oem_root: HexKey(options.oem_root.unwrap_or(OEM_TEST_ROOT)),
        measurements,
        limits: limits_default(),
    };
    let text = toml::to_string_pretty(&config)?;
    make_file(&layout.config_path(), text.as_bytes(), Access::Public)?;

    Ok(())
}

fn random<const N: usize>() -> Result<[u8; N], InitError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;

    Ok(bytes)
}

/// A provider cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A file cannot be made, or is there already.
    #[error(transparent)]
    File(#[from] FileError),
    /// TLS keys cannot be made for this URL.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The books cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address of the books is none.
    #[error(transparent)]
    Address(#[from] NoStoreAddress),
    /// The database is a provider's already.
    #[error("{0:?} holds the books of a provider already; nothing was changed. Make another database")]
    BooksThere(StoreAddress),
    /// The settings cannot be written.
    #[error("the settings cannot be written")]
    Config(#[from] toml::ser::Error),
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Random(#[from] getrandom::Error),
}
