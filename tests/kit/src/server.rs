//! What stands at a server's address: TLS, and whatever a test has it answer.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use journal::Enrolled;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Bank;

/// What a device asks.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub body: Vec<u8>,
}

/// Status and bytes.
pub type Answered = (u16, Vec<u8>);

/// What the server answers, once it does.
pub type Answer = dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Answered> + Send>> + Send + Sync;

/// Answers at once, by path and body.
pub fn told(answer: impl Fn(&str, &[u8]) -> Answered + Send + Sync + 'static) -> Arc<Answer> {
    Arc::new(move |asked: Asked| {
        let answered = answer(&asked.path, &asked.body);

        Box::pin(std::future::ready(answered))
    })
}

/// A running server; gone when dropped.
pub struct Server {
    pub address: SocketAddr,
    pub anchor: String,
    _tasks: JoinSet<()>,
}

/// The keys of a server's TLS: an authority, and its certificate for this machine.
pub struct Tls {
    pub anchor: String,
    config: Arc<ServerConfig>,
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

impl Tls {
    pub fn new() -> Self {
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key).expect("signed");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        let issuer = Issuer::new(authority, &authority_key);
        let certificate = leaf.signed_by(&key, &issuer).expect("signed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .expect("a certificate");

        Self {
            anchor: authority_certificate.pem(),
            config: Arc::new(config),
        }
    }
}

impl Server {
    /// Starts at a port, 0 for any.
    pub async fn start(tls: &Tls, port: u16, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.config));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(|request| handle(request, &*answer));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    let _ended = connection.await;
                });
            }
        });

        Self {
            address,
            anchor: tls.anchor.clone(),
            _tasks: tasks,
        }
    }

    /// Returns the enrolment with this server.
    pub fn enrolled(&self, bank: &Bank) -> Enrolled {
        Enrolled {
            url: format!("https://{}", self.address),
            tls_anchor: self.anchor.clone(),
            ..bank.enrolled()
        }
    }
}

async fn handle(
    request: Request<Incoming>,
    answer: &Answer,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let asked = Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        body: body.collect().await?.to_bytes().to_vec(),
    };
    let (status, bytes) = answer(asked).await;
    let response = Response::builder()
        .status(status)
        .body(Full::new(bytes.into()))
        .expect("a response");

    Ok(response)
}
