//! A running server: TLS, connections, the writer, and a stop that lets requests end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::http::{Guests, Host, Shared, router};
use crate::idle::Activity;
use crate::limits::{
    CONNECTIONS_MAX, CONNECTIONS_PER_HOST_MAX, DRAIN_TIMEOUT, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT,
    STREAMS_MAX,
};
use crate::provider::{FileError, Layout, Provider, TlsError, server_config};
use crate::store::{Store, StoreAddress, StoreError};
use crate::writer::{WriterWatch, writer};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The data directory that `init` made.
    pub data: PathBuf,
    /// Where to listen instead of where `server.toml` says; port 0 is any that is free.
    pub listen: Option<SocketAddr>,
    /// Where the books are instead of where `server.toml` says.
    pub store: Option<StoreAddress>,
    /// What is demanded of the database.
    pub durability: Durability,
}

/// What a server demands of its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// What was answered survives a crash of the database.
    Demanded,
    /// What was answered may be lost.
    Waived,
}

impl RunOptions {
    /// Returns the options for a data directory and any free port of this machine: what tests want.
    #[must_use]
    pub fn local(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            store: None,
            durability: Durability::Demanded,
        }
    }
}

/// Starts servers.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts a server; when this returns, it answers.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what is missing, and what to do.
    pub async fn start(options: &RunOptions) -> Result<RunningServer, StartError> {
        let layout = Layout::new(&options.data);
        let provider = Arc::new(Provider::load(&options.data)?);
        let tls = TlsAcceptor::from(Arc::new(server_config(&layout)?));
        let listen = match options.listen {
            Some(listen) => listen,
            None => provider
                .config()
                .listen
                .parse()
                .map_err(|_| StartError::Listen(provider.config().listen.clone()))?,
        };
        let address = match &options.store {
            Some(address) => address.clone(),
            None => provider.config().store_address(&layout)?,
        };
        let mut store = Store::open(&address).await?;
        if options.durability == Durability::Demanded {
            store.check_durable().await?;
        }
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| StartError::Bind { listen, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Bind { listen, source })?;
        let (writer, writer_task) = writer(store, Arc::clone(&provider));
        let writer_watch = writer.watch();
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let acceptor = Acceptor {
            listener,
            tls,
            router: router(Shared::new(provider, writer, tasks.clone())),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            guests: Guests::new(CONNECTIONS_PER_HOST_MAX),
            tasks: tasks.clone(),
            graceful: GracefulShutdown::new(),
            stop: stop.clone(),
            abort: CancellationToken::new(),
        };
        tasks.spawn(writer_task.run());
        tasks.spawn(acceptor.run());
        tasks.close();
        tracing::info!(%address, "Listening");

        Ok(RunningServer {
            address,
            writer: writer_watch,
            tasks,
            stop,
        })
    }
}

/// A server that answers until it is shut down.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    writer: WriterWatch,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl RunningServer {
    /// Returns where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns whether messages are still booked: what a watchdog wants to know.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.writer.is_open()
    }

    /// Returns when the server has stopped by itself, which it does only when it failed.
    pub async fn failed(&self) {
        self.tasks.wait().await;
    }

    /// Accepts nothing new, lets requests that are under way end, and closes the books.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
        tracing::info!("Stopped");
    }
}

struct Acceptor {
    listener: TcpListener,
    tls: TlsAcceptor,
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
    async fn run(self) {
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
                Ok((stream, peer)) => {
                    let Some(guest) = self.guests.admit(Host::of(peer.ip())) else {
                        tracing::debug!(%peer, "An address has too many connections");
                        continue;
                    };
                    let connection = self.serve(stream, peer);
                    self.tasks.spawn(async move {
                        connection.await;
                        drop((permit, guest));
                    });
                }
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

    fn serve(&self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> + use<> {
        let tls = self.tls.clone();
        let router = self.router.clone();
        let watcher = self.graceful.watcher();
        let stop = self.stop.clone();
        let abort = self.abort.clone();
        async move {
            let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
            let stream = tokio::select! {
                () = stop.cancelled() => return,
                handshake = handshake => handshake,
            };
            let Ok(Ok(stream)) = stream else {
                tracing::debug!(%peer, "A TLS handshake failed");
                return;
            };
            let activity = Activity::default();
            let idle = activity.idle(IDLE_TIMEOUT);
            let service = router
                .into_service()
                .map_request(
                    move |mut request: axum::http::Request<hyper::body::Incoming>| {
                        request.extensions_mut().insert(ConnectInfo(peer));
                        request.map(axum::body::Body::new)
                    },
                )
                .map_future(move |answer| activity.during(answer));
            let service = TowerToHyperService::new(service);
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
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            let served = tokio::select! {
                () = abort.cancelled() => return,
                () = idle => return,
                served = watcher.watch(connection.into_owned()) => served,
            };
            if let Err(error) = served {
                tracing::debug!(%peer, error, "A connection ended early");
            }
        }
    }
}

/// A server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file is missing or cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The books cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `listen` is no address.
    #[error("{0:?} is no address: write one such as 127.0.0.1:8443 as `listen` in server.toml")]
    Listen(String),
    /// The address cannot be had.
    #[error(
        "{listen} cannot be had: is another server running there? Choose another with --listen"
    )]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}
