//! HTTP/1.1 over TLS from an address of one's choice on loopback: one connection, one request at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

/// How often a request that was told to wait is sent again.
const ATTEMPTS_MAX: usize = 10_000;

/// How long to wait before. `Retry-After` says a second; the load is to keep the server busy.
const WAIT: Duration = Duration::from_millis(2);

/// Where a server is and how to trust it.
#[derive(Clone)]
pub(super) struct Target {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    tasks: TaskTracker,
}

/// An answer, and how often the request was told to wait before it came.
pub(super) struct Answered {
    pub(super) bytes: Bytes,
    pub(super) told_to_wait: usize,
}

impl Target {
    pub(super) fn new(address: SocketAddr, tls_anchor: &str) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(tls_anchor.as_bytes())?)?;
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();

        Ok(Self {
            address,
            tls: Arc::new(tls),
            tasks: TaskTracker::new(),
        })
    }

    /// Opens a connection from 127.0.0.`host`: to the server each host is another one.
    pub(super) async fn connect(&self, host: u8) -> anyhow::Result<Connection> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)))?;
        let tcp = socket.connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let tls = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, tcp)
            .await?;
        let (sender, connection) = handshake(TokioIo::new(tls)).await?;
        self.tasks.spawn(async move {
            // How it ends is seen by who sends.
            drop(connection.await);
        });

        Ok(Connection { sender })
    }
}

/// One connection.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Sends a body, again and again while the server says that it is busy, and returns the answer.
    pub(super) async fn post(&mut self, path: &str, body: Bytes) -> anyhow::Result<Answered> {
        for told_to_wait in 0..ATTEMPTS_MAX {
            let (status, bytes) = self.post_once(path, body.clone()).await?;
            if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE
            {
                tokio::time::sleep(WAIT).await;
                continue;
            }
            ensure!(
                status == StatusCode::OK,
                "{path} was answered {status}: {}",
                String::from_utf8_lossy(&bytes)
            );

            return Ok(Answered {
                bytes,
                told_to_wait,
            });
        }

        anyhow::bail!("the server was busy {ATTEMPTS_MAX} times")
    }

    async fn post_once(&mut self, path: &str, body: Bytes) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::post(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(body))?;
        self.sender.ready().await.context("the server hung up")?;
        let answer = self
            .sender
            .send_request(request)
            .await
            .context("the server hung up")?;
        let status = answer.status();

        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}
