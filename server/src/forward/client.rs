//! One exchange with another provider's server: HTTPS, and an answer that it signed.

use std::sync::Arc;

use ops_proto::certificate::{Certificate, verify_provider};
use ops_proto::signed::Signed;
use ops_proto::{ProviderId, PublicKey};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::{Answer, EXCHANGE_TIMEOUT};
use crate::provider::provider_keys;
use crate::refusal::Code;
use crate::store::PeerRow;
use crate::writer::now;

/// Largest answer that is read, in bytes.
const ANSWER_SIZE_MAX: usize = 2 * 1024 * 1024;

/// The way to another provider's server.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    root: PublicKey,
    provider: ProviderId,
    certificates: Vec<Signed<Certificate>>,
}

impl Client {
    pub(super) fn new(
        peer: &PeerRow,
        root: PublicKey,
        certificates: Vec<Signed<Certificate>>,
    ) -> Result<Self, PeerError> {
        let http = reqwest::Client::builder()
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(EXCHANGE_TIMEOUT)
            .tls_backend_preconfigured(tls(&peer.tls_anchor)?)
            .build()
            .map_err(PeerError::Http)?;

        Ok(Self {
            http,
            url: peer.url.trim_end_matches('/').to_owned(),
            root,
            provider: peer.provider,
            certificates,
        })
    }

    /// Sends a message, and returns the answer once its signature was checked.
    pub(super) async fn ask<T: Answer>(
        &mut self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Signed<T>, PeerError> {
        let request = self.http.post(format!("{}{path}", self.url)).body(body);
        let bytes = read(request).await?;
        let answer = Signed::<T>::decode(&bytes)
            .map_err(|_| PeerError::Other("its answer does not decode"))?;
        if !self.is_signed(&answer) {
            // Its keys may have rolled over.
            self.learn_certificate().await?;
        }
        if !self.is_signed(&answer) {
            return Err(PeerError::Other("its answer is not signed by it"));
        }

        Ok(answer)
    }

    /// Sends a message, and returns an answer whose parts are signed, not the whole.
    pub(super) async fn ask_unsigned(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, PeerError> {
        read(self.http.post(format!("{}{path}", self.url)).body(body)).await
    }

    fn is_signed<T: Answer>(&self, answer: &Signed<T>) -> bool {
        self.certificates
            .iter()
            .filter(|certificate| certificate.body().provider == self.provider)
            .filter(|certificate| verify_provider(&self.root, certificate, now()).is_ok())
            .filter_map(|certificate| provider_keys(certificate.body()))
            .any(|(answer_key, _)| answer.verify(&answer_key).is_ok())
    }

    async fn learn_certificate(&mut self) -> Result<(), PeerError> {
        let request = self.http.get(format!("{}/v1/provider", self.url));
        let bytes = read(request).await?;
        let certificate = Signed::decode(&bytes)
            .map_err(|_| PeerError::Other("its certificate does not decode"))?;
        self.certificates.push(certificate);

        Ok(())
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Vec<u8>, PeerError> {
    let mut response = request.send().await.map_err(PeerError::Http)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(PeerError::Http)? {
        if bytes.len().saturating_add(chunk.len()) > ANSWER_SIZE_MAX {
            return Err(PeerError::Other("its answer is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let text = String::from_utf8_lossy(&bytes).chars().take(300).collect();
        return Err(PeerError::Refused(status.as_u16(), text));
    }

    Ok(bytes)
}

fn tls(anchor: &str) -> Result<ClientConfig, PeerError> {
    let mut roots = RootCertStore::empty();
    let anchor = CertificateDer::from_pem_slice(anchor.as_bytes())
        .map_err(|_| PeerError::Other("its TLS anchor is no certificate in PEM"))?;
    roots
        .add(anchor)
        .map_err(|_| PeerError::Other("its TLS anchor cannot be used"))?;
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .map_err(|_| PeerError::Other("TLS cannot be set up"))?;

    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Another provider was not understood. It is asked again later.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    /// It was not reached.
    #[error("it was not reached: {}", cause_of(.0))]
    Http(reqwest::Error),
    /// It refused.
    #[error("it refused with {0}: {1}")]
    Refused(u16, String),
    /// What it said makes no sense.
    #[error("{0}")]
    Other(&'static str),
    /// Its answer could not be booked.
    #[error("its answer was not booked: {0}")]
    NotBooked(String),
}

impl PeerError {
    /// Returns whether the peer refused with this code.
    pub(super) fn is(&self, code: Code) -> bool {
        // The code stands first in what it says, of which only the beginning is kept.
        let said = format!("\"code\":\"{}\"", code.as_str());

        matches!(self, Self::Refused(_, text) if text.contains(&said))
    }
}

fn cause_of(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }

    cause.to_string()
}
