//! The server, as a device reaches it: HTTPS with the enrolment's anchor alone, answers verified.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use journal::Enrolled;
use ops_proto::certificate::{
    Certificate, ChainRefused, Kind, Role, verify_chain, verify_provider,
};
use ops_proto::message::CertificateChain;
use ops_proto::signed::{Body, decode_canonical};
use ops_proto::{PublicKey, Signed, Time};
use reqwest::StatusCode;
use runtime::clock;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::error::{ServerRefusal, SyncError};
use super::stamp::Stamped;

/// Largest answer that is read, in bytes.
pub(super) const ANSWER_SIZE_MAX: usize = 256 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The one server of this wallet.
#[derive(Clone, Debug)]
pub(super) struct Server {
    http: reqwest::Client,
    url: String,
    root: PublicKey,
    answer_keys: Vec<PublicKey>,
    life: Life,
    enrolled: Enrolled,
    clocks: Arc<Mutex<Option<Clocks>>>,
}

/// What both clocks said when the server answered last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// This device's.
    pub here: Time,
    /// The server's, as its answer was dated.
    pub there: Time,
}

/// What is known of the life that the server answers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// No answer of it was ever seen.
    Unknown,
    /// The journal's highest; the server has not shown in this run that it is in it.
    Known(u32),
    /// The server answered in it in this run.
    Confirmed(u32),
}

impl Life {
    const fn incarnation(self) -> Option<u32> {
        match self {
            Self::Unknown => None,
            Self::Known(incarnation) | Self::Confirmed(incarnation) => Some(incarnation),
        }
    }

    const fn is_confirmed(self) -> bool {
        match self {
            Self::Unknown | Self::Known(_) => false,
            Self::Confirmed(_) => true,
        }
    }
}

impl Server {
    /// Makes the way to the server of an enrolment.
    pub(super) fn new(enrolled: &Enrolled) -> Result<Self, SyncError> {
        let Role::Provider { answer_key, .. } = enrolled.provider.body().role else {
            return Err(SyncError::Enrolment("it holds no provider".to_owned()));
        };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(&enrolled.tls_anchor)?)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            // A connection from before the network went is a trap: the next run makes its own.
            .pool_idle_timeout(Duration::from_secs(2))
            .build()
            .map_err(|error| SyncError::Enrolment(cause_of(&error)))?;

        Ok(Self {
            http,
            url: enrolled.url.trim_end_matches('/').to_owned(),
            root: enrolled.root,
            answer_keys: vec![answer_key],
            life: Life::Unknown,
            enrolled: enrolled.clone(),
            clocks: Arc::default(),
        })
    }

    /// Returns what both clocks said when the server answered last.
    pub(super) fn clocks(&self) -> Option<Clocks> {
        *self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_at_clock(&self, response: &reqwest::Response) {
        let dated = response.headers().get(reqwest::header::DATE);
        let Some(there) = dated.and_then(|date| time_of(date.to_str().ok()?)) else {
            return;
        };
        let here = clock::now();
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        *clocks = Some(Clocks { here, there });
    }

    /// Whether this is the way to the server of that enrolment.
    pub(super) fn is_for(&self, enrolled: &Enrolled) -> bool {
        self.enrolled == *enrolled
    }

    /// Takes note of the keys under which the provider answers.
    pub(super) fn know_keys(&mut self, answer_keys: Vec<PublicKey>) {
        if !answer_keys.is_empty() {
            self.answer_keys = answer_keys;
        }
    }

    /// Takes note of the life that the server answers in.
    pub(super) const fn know_life(&mut self, life: Life) {
        self.life = life;
    }

    /// Asks for the provider's present certificate, and checks it.
    pub(super) async fn provider(&self) -> Result<Signed<Certificate>, SyncError> {
        let answer = self.get("/v1/provider").await?;
        let provider = Signed::<Certificate>::decode(&answer)
            .map_err(|_| SyncError::NotBelieved("the provider's certificate does not decode"))?;
        let _verified = verify_provider(&self.root, &provider, clock::now())
            .map_err(|refused| why_no_chain(&refused, provider.body(), provider.body()))?;
        if provider.body().provider != self.enrolled.provider.body().provider {
            return Err(SyncError::NotBelieved(
                "the certificate is of another provider",
            ));
        }

        Ok(provider)
    }

    /// Asks whether the server is there.
    pub(super) async fn reach(&self) -> Result<(), SyncError> {
        let _health = self.get("/healthz").await?;

        Ok(())
    }

    /// Asks for a challenge for a key.
    pub(super) async fn challenge(&self, key: &PublicKey) -> Result<[u8; 32], SyncError> {
        let answer = self.post("/v1/challenge", key.0.to_vec()).await?;

        answer
            .try_into()
            .map_err(|_| SyncError::NotBelieved("the challenge is not 32 bytes"))
    }

    /// Sends what asks for a certificate, and checks the chain that comes.
    pub(super) async fn certificate(
        &self,
        path: &str,
        body: Vec<u8>,
        subject: &PublicKey,
        kind: Kind,
    ) -> Result<CertificateChain, SyncError> {
        let answer = self.post(path, body).await?;
        let chain: CertificateChain = decode_canonical(&answer)
            .map_err(|_| SyncError::NotBelieved("the certificates do not decode"))?;
        let verified = verify_chain(&self.root, &chain.provider, &chain.leaf, clock::now())
            .map_err(|refused| why_no_chain(&refused, chain.provider.body(), chain.leaf.body()))?;
        let leaf = verified.leaf();
        if leaf.subject != *subject || leaf.kind() != kind {
            return Err(SyncError::NotBelieved("the certificate is for another key"));
        }
        if leaf.provider != self.enrolled.provider.body().provider {
            return Err(SyncError::NotBelieved(
                "the certificate is of another provider",
            ));
        }

        Ok(chain)
    }

    /// Sends a message and returns the answer, whose signature is the provider's, and which is of the
    /// server's present life, or of an earlier one that the present one still stands by.
    pub(super) async fn ask<T: Stamped>(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Signed<T>, SyncError> {
        let signed: Signed<T> = self.ask_any(path, body).await?;
        let Some(known) = self.life.incarnation() else {
            return Ok(signed);
        };
        match signed.body().stamp().incarnation.cmp(&known) {
            Ordering::Equal => Ok(signed),
            Ordering::Greater => Err(SyncError::NewLife),
            Ordering::Less if T::KEPT && self.life.is_confirmed() => Ok(signed),
            Ordering::Less => Err(SyncError::OldLife),
        }
    }

    /// As [`Self::ask`], of whatever life.
    pub(super) async fn ask_any<T: Body>(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Signed<T>, SyncError> {
        let answer = self.post(path, body).await?;
        let signed = Signed::<T>::decode(&answer)
            .map_err(|_| SyncError::NotBelieved("it does not decode"))?;
        let is_signed = |key: &PublicKey| signed.verify(key).is_ok();
        if !self.answer_keys.iter().any(is_signed) {
            return Err(SyncError::NotBelieved("it is not signed by the provider"));
        }

        Ok(signed)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, SyncError> {
        #[cfg(blepay_world)]
        if let Some(exchange) = host::world::exchange(&self.at(path), None) {
            return in_world(exchange).await;
        }

        self.answer(self.http.get(self.at(path))).await
    }

    /// Sends bytes and returns the answer's.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, SyncError> {
        #[cfg(blepay_world)]
        if let Some(exchange) = host::world::exchange(&self.at(path), Some(&body)) {
            return in_world(exchange).await;
        }
        let request = self
            .http
            .post(self.at(path))
            .header("content-type", "application/octet-stream")
            .body(body);

        self.answer(request).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, SyncError> {
        let unreachable = |error: reqwest::Error| SyncError::Unreachable(cause_of(&error));
        let mut response = request.send().await.map_err(unreachable)?;
        self.look_at_clock(&response);
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_SIZE_MAX {
                return Err(SyncError::NotBelieved("it is too long"));
            }
        }

        read(status, body)
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// Waits for an answer of the world's, as long as for one of the network's.
#[cfg(blepay_world)]
async fn in_world(exchange: host::world::Exchange) -> Result<Vec<u8>, SyncError> {
    let (status, body) = tokio::time::timeout(ANSWER_TIMEOUT, exchange)
        .await
        .map_err(|_elapsed| SyncError::Unreachable("timed out".to_owned()))?
        .map_err(SyncError::Unreachable)?;
    let status = StatusCode::from_u16(status)
        .map_err(|_| SyncError::NotBelieved("its status is not one of HTTP"))?;

    read(status, body)
}

fn read(status: StatusCode, body: Vec<u8>) -> Result<Vec<u8>, SyncError> {
    if status.is_success() {
        return Ok(body);
    }

    Err(refusal(status, &body))
}

/// Trusts the anchor of the enrolment and nothing else, whatever the system trusts.
fn tls(anchor: &str) -> Result<ClientConfig, SyncError> {
    let refused = |reason: String| SyncError::Enrolment(format!("its TLS anchor: {reason}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(anchor.as_bytes()) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("there is no certificate in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());

    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Tells whether the text is a usable TLS anchor.
pub(super) fn check_anchor(anchor: &str) -> Result<(), SyncError> {
    tls(anchor).map(|_| ())
}

fn refusal(status: StatusCode, body: &[u8]) -> SyncError {
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        return SyncError::Busy;
    }
    if status.is_server_error() {
        return SyncError::ServerFailed(status.to_string());
    }
    serde_json::from_slice(body).map_or_else(
        |_| {
            SyncError::Refused(ServerRefusal {
                code: "server-refused".to_owned(),
                message: format!("the server answered {status}"),
                hint: "check the server's address in the enrolment".to_owned(),
            })
        },
        |refusal: ServerRefusal| SyncError::Refused(refusal),
    )
}

/// Reads the instant at which an answer was dated.
fn time_of(date: &str) -> Option<Time> {
    let at = httpdate::parse_http_date(date).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;

    u64::try_from(since.as_millis()).ok().map(Time::from_ms)
}

/// Writes what lies at the bottom of an error, which is what helps people.
fn cause_of(error: &dyn std::error::Error) -> String {
    let mut bottom = error;
    while let Some(cause) = bottom.source() {
        bottom = cause;
    }

    bottom.to_string()
}

/// Returns why certificates from the server are not believed.
fn why_no_chain(refused: &ChainRefused, provider: &Certificate, leaf: &Certificate) -> SyncError {
    match refused {
        ChainRefused::ProviderNotValidAt(_) => SyncError::not_valid(provider),
        ChainRefused::LeafNotValidAt(_) => SyncError::not_valid(leaf),
        ChainRefused::OtherRoot | ChainRefused::ProviderSignature => {
            SyncError::NotBelieved("the root did not certify the provider")
        }
        ChainRefused::NotAProvider
        | ChainRefused::OtherIssuer
        | ChainRefused::LeafIsProvider
        | ChainRefused::LeafSignature
        | ChainRefused::Currency
        | ChainRefused::LimitsAboveProvider => {
            SyncError::NotBelieved("the certificates do not reach the root")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_dated_in_the_words_of_http() {
        let at = time_of("Sun, 22 Nov 2026 17:30:00 GMT");

        assert_eq!(at, Some(Time::from_ms(1_795_368_600_000)));
        assert_eq!(time_of("yesterday"), None);
    }
}
