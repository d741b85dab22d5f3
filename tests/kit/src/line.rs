//! The line between devices and a real server: it carries each request byte for byte, or loses it or the answer, and
//! keeps what was asked. What the real server never answers is forged here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::server::{Answer, Answered, Asked};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It never arrives.
    Request,
    /// It is done, and nobody hears of it.
    Answer,
}

/// Whether a request makes the server fail.
type Breaks = dyn Fn(&[u8]) -> bool + Send + Sync;

/// What is said in place of the server's answer.
type Forgery = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;

/// What a device is told whose request or answer is lost: to come again.
const LOST: u16 = 503;

/// What a device is told of a request that makes the server fail.
const BROKEN: u16 = 500;

type Sender = SendRequest<Full<Bytes>>;

/// The line to the server at one address after the other.
pub(crate) struct Line {
    trust: TlsConnector,
    to: Mutex<SocketAddr>,
    idle: Mutex<Vec<(SocketAddr, Sender)>>,
    connections: Mutex<JoinSet<()>>,
    losses: Mutex<BTreeMap<String, Loss>>,
    breaks: Mutex<BTreeMap<String, Arc<Breaks>>>,
    forgeries: Mutex<BTreeMap<String, Arc<Forgery>>>,
    lacking: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Line {
    /// Leads to a server whose certificate reaches this anchor, in PEM.
    pub(crate) fn new(anchor: &str, to: SocketAddr) -> Self {
        let mut roots = RootCertStore::empty();
        let anchor = CertificateDer::from_pem_slice(anchor.as_bytes()).expect("an anchor");
        roots.add(anchor).expect("an anchor");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();

        Self {
            trust: TlsConnector::from(Arc::new(config)),
            to: Mutex::new(to),
            idle: Mutex::default(),
            connections: Mutex::default(),
            losses: Mutex::default(),
            breaks: Mutex::default(),
            forgeries: Mutex::default(),
            lacking: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    pub(crate) fn lead_to(&self, to: SocketAddr) {
        *lock(&self.to) = to;
    }

    pub(crate) fn lose(&self, path: &str, loss: Loss) {
        let _before = lock(&self.losses).insert(path.to_owned(), loss);
    }

    pub(crate) fn lose_nothing(&self) {
        lock(&self.losses).clear();
    }

    pub(crate) fn break_on(&self, path: &str, breaks: Arc<Breaks>) {
        let _before = lock(&self.breaks).insert(path.to_owned(), breaks);
    }

    pub(crate) fn forge(&self, path: &str, forgery: Arc<Forgery>) {
        let _before = lock(&self.forgeries).insert(path.to_owned(), forgery);
    }

    pub(crate) fn lack(&self, path: &str) {
        let _new = lock(&self.lacking).insert(path.to_owned());
    }

    pub(crate) fn be_honest(&self) {
        lock(&self.lacking).clear();
        lock(&self.breaks).clear();
        lock(&self.forgeries).clear();
    }

    /// Returns what was asked, in order: paths and bodies.
    pub(crate) fn asked(&self) -> Vec<(String, Vec<u8>)> {
        lock(&self.asked).clone()
    }

    pub(crate) fn forget_what_was_asked(&self) {
        lock(&self.asked).clear();
    }

    /// Returns what a front answers that stands before this line.
    pub(crate) fn answer(self: &Arc<Self>) -> Arc<Answer> {
        let line = Arc::clone(self);

        Arc::new(move |asked| {
            let line = Arc::clone(&line);

            Box::pin(async move { line.carry(asked).await })
        })
    }

    async fn carry(&self, asked: Asked) -> Answered {
        let path = asked.path.clone();
        lock(&self.asked).push((path.clone(), asked.body.clone()));
        let loss = lock(&self.losses).get(&path).copied();
        if loss == Some(Loss::Request) {
            return (LOST, Vec::new());
        }
        let breaks = lock(&self.breaks).get(&path).cloned();
        if breaks.is_some_and(|breaks| breaks(&asked.body)) {
            return (BROKEN, Vec::new());
        }
        let asked = if lock(&self.lacking).contains(&path) {
            Asked {
                path: format!("{path}-of-a-later-version"),
                ..asked
            }
        } else {
            asked
        };
        let answered = self.ask(asked).await;
        let forgery = lock(&self.forgeries).get(&path).cloned();
        match (answered, loss, forgery) {
            (None, ..) | (Some(_), Some(Loss::Answer), _) => (LOST, Vec::new()),
            (Some((200, answer)), _, Some(forgery)) => (200, forgery(&answer)),
            (Some(answered), ..) => answered,
        }
    }

    /// Asks the server; `None` when it is not there.
    pub(crate) async fn ask(&self, asked: Asked) -> Option<Answered> {
        let to = *lock(&self.to);
        let mut sender = self.sender(to).await?;
        let request = Request::builder()
            .method(asked.method)
            .uri(asked.path)
            .header(HOST, to.to_string())
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(Bytes::from(asked.body)))
            .expect("a request");
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let answer = response.into_body().collect().await.ok()?.to_bytes();
        lock(&self.idle).push((to, sender));

        Some((status, answer.to_vec()))
    }

    /// Returns a connection that is open already, or a new one.
    async fn sender(&self, to: SocketAddr) -> Option<Sender> {
        loop {
            let idle = lock(&self.idle).pop();
            match idle {
                Some((at, mut sender)) if at == to => {
                    if sender.ready().await.is_ok() {
                        return Some(sender);
                    }
                }
                // of a server that is gone
                Some(_) => {}
                None => return self.connect(to).await,
            }
        }
    }

    async fn connect(&self, to: SocketAddr) -> Option<Sender> {
        let name = ServerName::from(IpAddr::from([127, 0, 0, 1]));
        let stream = TcpStream::connect(to).await.ok()?;
        let stream = self.trust.connect(name, stream).await.ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        lock(&self.connections).spawn(async move {
            let _ended = connection.await;
        });

        Some(sender)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("not poisoned")
}
