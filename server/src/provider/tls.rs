//! TLS: an anchor of the server's own, which the enrolment file carries, and a certificate under it.

use std::path::PathBuf;

use axum::http::Uri;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::files::{FileError, Layout};

/// The address of the host as its virtual machines see it.
const GUEST_HOST: &str = "192.0.2.100";

/// What TLS needs, in PEM.
pub(super) struct TlsFiles {
    pub(super) anchor: String,
    pub(super) anchor_key: Zeroizing<String>,
    pub(super) certificate: String,
    pub(super) key: Zeroizing<String>,
}

/// Makes an anchor and a certificate for the URL's host and for this machine.
pub(super) fn make_tls(url: &str) -> Result<TlsFiles, TlsError> {
    let host = host_of(url).ok_or_else(|| TlsError::Url(url.to_owned()))?;
    let anchor_key = KeyPair::generate()?;
    let anchor_pem = Zeroizing::new(anchor_key.serialize_pem());
    let anchor = CertifiedIssuer::self_signed(anchor_params(), anchor_key)?;
    let key = KeyPair::generate()?;
    let certificate = server_params(&host)?.signed_by(&key, &anchor)?;

    Ok(TlsFiles {
        anchor: anchor.pem(),
        anchor_key: anchor_pem,
        certificate: certificate.pem(),
        key: Zeroizing::new(key.serialize_pem()),
    })
}

/// Returns the host of an `https` URL, or `None` when the text is none.
fn host_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    if uri.scheme_str() != Some("https") {
        return None;
    }
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return None;
    }

    Some(host.to_owned())
}

fn anchor_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "blepay server TLS anchor");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params);

    params
}

fn server_params(host: &str) -> Result<CertificateParams, TlsError> {
    let mut names = vec!["localhost", "127.0.0.1", "::1", GUEST_HOST];
    if !names.contains(&host) {
        names.push(host);
    }
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "blepay server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params);

    Ok(params)
}

/// The anchor is pinned and travels with the enrolment file, so its dates protect nobody; a device whose
/// clock lost its battery must still reach the server that sets its time floor.
fn set_validity(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2099, 12, 31);
}

/// Loads the TLS settings of a data directory.
///
/// # Errors
///
/// [`TlsError`] when a file is missing or the key does not fit the certificate.
pub fn server_config(layout: &Layout) -> Result<rustls::ServerConfig, TlsError> {
    let certificate_path = layout.tls_certificate_path();
    let certificate = layout.read_public(&certificate_path)?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Pem(certificate_path))?;
    let key_path = layout.tls_secret_path();
    let key = layout.read_secret(&key_path)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| TlsError::Pem(key_path))?;
    let ring = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

    Ok(config)
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The URL is no `https` URL with a host.
    #[error("{0:?} is not a URL of a server: write one such as https://pay.example:8443")]
    Url(String),
    /// A key or certificate cannot be made.
    #[error("a TLS key or certificate cannot be made; is the URL's host a name or an address?")]
    Make(#[from] rcgen::Error),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is no PEM.
    #[error("{} is not PEM", .0.display())]
    Pem(PathBuf),
    /// Key and certificate do not fit.
    #[error("the TLS key and certificate do not fit")]
    Unfit(#[from] rustls::Error),
}
