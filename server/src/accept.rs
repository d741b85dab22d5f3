//! Connections: TLS over TCP for everybody, or a Unix socket for administrators of this machine.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::http::{Guests, Host};
use crate::idle::Activity;
use crate::limits::{DRAIN_TIMEOUT, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, STREAMS_MAX};

/// What says that a path follows.
const UNIX: &str = "unix:";

/// Where administrators are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminListen {
    /// Over TLS.
    Address(SocketAddr),
    /// Without TLS, on a socket that only the server's own user can open.
    Socket(PathBuf),
}

impl AdminListen {
    /// Returns what is meant when nothing is said: this machine alone, at the port after the server's.
    pub(crate) fn beside(listen: SocketAddr) -> Self {
        let port = match listen.port() {
            0 => 0,
            port => port.checked_add(1).unwrap_or(0),
        };

        Self::Address(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }
}

impl FromStr for AdminListen {
    type Err = NoAdminListen;

    fn from_str(text: &str) -> Result<Self, NoAdminListen> {
        if let Some(path) = text.strip_prefix(UNIX).filter(|path| !path.is_empty()) {
            return Ok(Self::Socket(PathBuf::from(path)));
        }

        text.parse().map(Self::Address).map_err(|_| NoAdminListen)
    }
}

impl fmt::Display for AdminListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Socket(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// A text is no place where administrators are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write where administrators are answered as 127.0.0.1:8444 or unix:/run/blepay-server/admin.sock"
)]
pub struct NoAdminListen;

/// What connections come in through.
pub(crate) enum Listener {
    Tls(TcpListener, TlsAcceptor),
    Unix(UnixListener),
}

impl Listener {
    /// Listens for administrators, and says where.
    pub(crate) async fn bind_admin(
        listen: &AdminListen,
        tls: &TlsAcceptor,
    ) -> io::Result<(Self, AdminListen)> {
        match listen {
            AdminListen::Address(address) => {
                let listener = TcpListener::bind(address).await?;
                let address = AdminListen::Address(listener.local_addr()?);

                Ok((Self::Tls(listener, tls.clone()), address))
            }
            AdminListen::Socket(path) => {
                let listener = bind_socket(path).await?;

                Ok((Self::Unix(listener), listen.clone()))
            }
        }
    }

    /// Cancel safe: a connection is either accepted or not.
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tls(listener, tls) => {
                let (stream, peer) = listener.accept().await?;

                Ok(Accepted::Tls(stream, tls.clone(), peer))
            }
            Self::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

/// Makes a socket, in place of one that nobody answers at any more.
async fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    if path.exists() && UnixStream::connect(path).await.is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;

    Ok(listener)
}

enum Accepted {
    Tls(TcpStream, TlsAcceptor, SocketAddr),
    Unix(UnixStream),
}

/// Accepts connections until it is stopped, and lets their requests end then.
pub(crate) struct Acceptor {
    listener: Listener,
    router: Router,
    connections: Arc<Semaphore>,
    guests: Guests,
    tasks: TaskTracker,
    graceful: GracefulShutdown,
    stop: CancellationToken,
    /// Ends the connections that did not end in time.
    abort: CancellationToken,
}

impl Acceptor {
    pub(crate) fn new(
        listener: Listener,
        router: Router,
        connections_max: usize,
        per_host_max: usize,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        Self {
            listener,
            router,
            connections: Arc::new(Semaphore::new(connections_max)),
            guests: Guests::new(per_host_max),
            tasks: tasks.clone(),
            graceful: GracefulShutdown::new(),
            stop: stop.clone(),
            abort: CancellationToken::new(),
        }
    }

    pub(crate) async fn run(self) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else {
                break;
            };
            // Both are cancel safe: a connection is either accepted or not.
            let accepted = tokio::select! {
                biased; // a stop is never starved by a flood of connections
                () = self.stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => self.take(accepted, permit),
                Err(error) => {
                    // Mostly "too many open files": what helps is to let connections end.
                    tracing::warn!(%error, "A connection was not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.listener);
        drop(self.router);
        if tokio::time::timeout(DRAIN_TIMEOUT, self.graceful.shutdown())
            .await
            .is_err()
        {
            tracing::info!("Some requests did not end in time");
            self.abort.cancel();
        }
    }

    fn take(&self, accepted: Accepted, permit: OwnedSemaphorePermit) {
        let connection = Connection {
            router: self.router.clone(),
            watcher: self.graceful.watcher(),
            stop: self.stop.clone(),
            abort: self.abort.clone(),
        };
        match accepted {
            Accepted::Tls(stream, tls, peer) => {
                let Some(guest) = self.guests.admit(Host::of(peer.ip())) else {
                    tracing::debug!(%peer, "An address has too many connections");
                    return;
                };
                host::task::spawn(&self.tasks, async move {
                    connection.serve_tls(stream, tls, peer).await;
                    drop((permit, guest));
                });
            }
            Accepted::Unix(stream) => {
                host::task::spawn(&self.tasks, async move {
                    connection.serve(stream, None).await;
                    drop(permit);
                });
            }
        }
    }
}

/// What one connection needs.
struct Connection {
    router: Router,
    watcher: Watcher,
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Connection {
    async fn serve_tls(self, stream: TcpStream, tls: TlsAcceptor, peer: SocketAddr) {
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
        let stream = tokio::select! {
            () = self.stop.cancelled() => return,
            handshake = handshake => handshake,
        };
        let Ok(Ok(stream)) = stream else {
            tracing::debug!(%peer, "A TLS handshake failed");
            return;
        };
        self.serve(stream, Some(peer)).await;
    }

    async fn serve<S>(self, stream: S, peer: Option<SocketAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::default();
        let idle = activity.idle(IDLE_TIMEOUT);
        let service = self
            .router
            .into_service()
            .map_request(
                move |mut request: axum::http::Request<hyper::body::Incoming>| {
                    if let Some(peer) = peer {
                        request.extensions_mut().insert(ConnectInfo(peer));
                    }
                    request.map(axum::body::Body::new)
                },
            )
            .map_future(move |answer| activity.during(answer));
        let service = TowerToHyperService::new(service);
        let builder = builder();
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let served = tokio::select! {
            () = self.abort.cancelled() => return,
            () = idle => return,
            served = self.watcher.watch(connection.into_owned()) => served,
        };
        if let Err(error) = served {
            tracing::debug!(?peer, error, "A connection ended early");
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(HANDSHAKE_TIMEOUT);

    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_are_answered_on_loopback_unless_told_otherwise() {
        let beside = |listen: &str| AdminListen::beside(listen.parse().unwrap()).to_string();

        assert_eq!(beside("0.0.0.0:8443"), "127.0.0.1:8444");
        assert_eq!(beside("127.0.0.1:0"), "127.0.0.1:0");
        assert_eq!(beside("[::]:65535"), "127.0.0.1:0");
        assert_eq!(
            "unix:/run/a.sock".parse(),
            Ok(AdminListen::Socket(PathBuf::from("/run/a.sock")))
        );
        assert_eq!("unix:".parse::<AdminListen>(), Err(NoAdminListen));
        assert_eq!("here".parse::<AdminListen>(), Err(NoAdminListen));
    }
}
