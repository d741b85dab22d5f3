//! `init`: root, provider, TLS and empty books, made once.

use std::path::{Path, PathBuf};

use ops_proto::message::ProviderRequest;
use ops_proto::signed::Signed;
use ops_proto::{Currency, Digest, Name, ProviderId, PublicKey, Time};

use super::ca::{CaError, Holder, Root, Terms, make_request, random_key};
use super::config::{CLAIM_WINDOW_DAYS, Config, HexDigest, HexKey, limits_default};
use super::files::{Access, FileError, Layout, make_file};
use super::keys::KeyRing;
use super::tls::{TlsError, TlsFiles, make_tls};
use crate::oem::{OEM_TEST_ROOT, simulated_ta_measurement};
use crate::store::{NoStoreAddress, Store, StoreAddress, StoreError, SubjectKind};

/// How long a provider's first certificate is valid, when it is its own root.
const PROVIDER_VALIDITY_DAYS: u64 = 5 * 365;

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
    /// The root's key, when the root is elsewhere: then the provider waits for its certificate. Without
    /// one a root is made here, which is what trials want.
    pub root: Option<PublicKey>,
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
    /// The root's secret key, which belongs offline, when it was made here.
    pub root_secret: Option<PathBuf>,
    /// The request for a certificate.
    pub request: PathBuf,
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
    let ring = KeyRing::new(&layout, [random_key()?, random_key()?, random_key()?]);
    make_books(&layout, &ring, options).await?;
    let root = match options.root {
        Some(root) => Err(root),
        None => Ok(Root::create(data)?),
    };
    let root_key = root.as_ref().map_or_else(|key| *key, Root::public_key);
    make_tls_files(&layout, &tls)?;
    let keys = ring.to_text();
    make_file(
        &layout.provider_keys_path(),
        keys.as_bytes(),
        Access::Secret,
    )?;
    let provider = ProviderId(random()?);
    let (name, currency) = (options.name.clone(), options.currency);
    let request = make_request(&layout, &ring, provider, name, currency, options.now)?;
    let root_secret = root.is_ok().then(|| layout.root_secret_path());
    make_config(&layout, options)?;
    match root {
        Ok(root) => certify(data, root, &request, options.now).await?,
        Err(key) => {
            let text = format!("{key}\n");
            make_file(&layout.root_path(), text.as_bytes(), Access::Public)?;
        }
    }

    Ok(Initialised {
        root: root_key,
        provider,
        root_secret,
        request: layout.request_path(),
        trusts_test_oem: options.oem_root.is_none(),
    })
}

/// Has the root that was made here certify the provider, and installs what it signs.
async fn certify(
    data: &Path,
    mut root: Root,
    request: &Signed<ProviderRequest>,
    now: Time,
) -> Result<(), CaError> {
    let terms = Terms {
        limits: request.body().limits_max,
        days: PROVIDER_VALIDITY_DAYS,
    };
    let proposal = root.propose(request, &terms, now)?;
    let certificate = root.sign(proposal, now)?;
    let directory = root.sign_directory(now)?;
    let holder = Holder::open(data)?;
    holder.install(&certificate, now).await?;

    holder.install_directory(&directory)
}

async fn make_books(
    layout: &Layout,
    ring: &KeyRing,
    options: &InitOptions,
) -> Result<(), InitError> {
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
    let keys = ring.newest()?.map(|key| key.public_key());
    for key in keys {
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
        admin_listen: None,
        client_validity_days: 5 * 365,
        ta_validity_days: 28,
        claim_window_days: CLAIM_WINDOW_DAYS,
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
    host::entropy::fill(&mut bytes)?;

    Ok(bytes)
}

/// A provider cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A file cannot be made, or is there already.
    #[error(transparent)]
    File(#[from] FileError),
    /// The root cannot be made, or does not certify.
    #[error(transparent)]
    Ca(#[from] CaError),
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
    #[error(
        "{0:?} holds the books of a provider already; nothing was changed. Make another database"
    )]
    BooksThere(StoreAddress),
    /// The settings cannot be written.
    #[error("the settings cannot be written")]
    Config(#[from] toml::ser::Error),
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Random(#[from] host::entropy::Error),
}
