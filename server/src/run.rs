//! A running server: TLS, connections, the writer, and a stop that lets requests end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ops_proto::Time;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::{Acceptor, AdminListen, Listener, NoAdminListen};
use crate::clock::{self, ClockTrust};
use crate::forward::{ListFetcher, Outbox};
use crate::http::admin::{AdminShared, AdminToken};
use crate::http::{Shared, admin, router};
use crate::life::{LifeError, Lives};
use crate::limits::{
    ADMIN_CONNECTIONS_MAX, CONNECTIONS_MAX, CONNECTIONS_PER_HOST_MAX, OUTBOX_INTERVAL,
};
use crate::lock::{DataLock, NotLocked};
use crate::meter;
use crate::pay_out::PayOuts;
use crate::provider::{Config, Ends, FileError, Layout, Provider, TlsError, server_config};
use crate::readiness::Readiness;
use crate::store::{Store, StoreAddress, StoreError};
use crate::writer::{Writer, WriterWatch, now, writer};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The data directory that `init` made.
    pub data: PathBuf,
    /// Where to listen instead of where `server.toml` says; port 0 is any that is free.
    pub listen: Option<SocketAddr>,
    /// Where administrators are answered instead of where `server.toml` says.
    pub admin_listen: Option<AdminListen>,
    /// Where the books are instead of where `server.toml` says.
    pub store: Option<StoreAddress>,
    /// What is demanded of the database.
    pub durability: Durability,
    /// How often to look for something to say to other providers.
    pub outbox_interval: Duration,
    /// What becomes of a clock that lies before what the books know.
    pub clock: ClockTrust,
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
            admin_listen: None,
            store: None,
            durability: Durability::Demanded,
            outbox_interval: OUTBOX_INTERVAL,
            clock: ClockTrust::Checked,
        }
    }
}

impl RunOptions {
    fn books(&self, provider: &Provider, layout: &Layout) -> Result<StoreAddress, FileError> {
        self.store.as_ref().map_or_else(
            || provider.config().store_address(layout),
            |books| Ok(books.clone()),
        )
    }

    /// A file of books has one running server; a database has any number.
    fn lock(&self, books: &StoreAddress) -> Result<Option<DataLock>, StartError> {
        Ok(match books {
            StoreAddress::File(_) => Some(DataLock::take(&self.data).map_err(StartError::of)?),
            StoreAddress::Postgres(_) => None,
        })
    }

    async fn open(&self, books: &StoreAddress, provider: &Provider) -> Result<Store, StartError> {
        let lives = Lives::new(&self.data);
        lives.check_whole()?;
        let mut store = Store::open(books).await?;
        if self.durability == Durability::Demanded {
            store.check_durable().await?;
        }
        let in_books = store.begin_reading().await?.begun(&provider.id()).await?;
        lives.check(in_books)?;
        clock::check(&mut store, self.clock, now()).await?;

        Ok(store)
    }

    fn listen_address(&self, config: &Config) -> Result<SocketAddr, StartError> {
        let named = || StartError::Listen(config.listen.clone());

        self.listen
            .map_or_else(|| config.listen.parse().map_err(|_| named()), Ok)
    }

    fn admin_listen_address(
        &self,
        config: &Config,
        listen: SocketAddr,
    ) -> Result<AdminListen, StartError> {
        Ok(match (&self.admin_listen, &config.admin_listen) {
            (Some(listen), _) => listen.clone(),
            (None, Some(text)) => text.parse().map_err(StartError::AdminListen)?,
            (None, None) => AdminListen::beside(listen),
        })
    }
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Bind { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;

    Ok((listener, address))
}

/// Begins what the server does though nobody asks: it pays what dead TAs held, fetches deny-lists, and
/// speaks to other providers.
fn spawn_by_the_clock(
    tasks: &TaskTracker,
    books: &StoreAddress,
    provider: &Arc<Provider>,
    writer: &Writer,
    stop: &CancellationToken,
    outbox_interval: Duration,
) {
    let fetcher = ListFetcher::new(
        books.clone(),
        Arc::clone(provider),
        writer.clone(),
        stop.clone(),
    );
    let outbox = Outbox::new(
        books.clone(),
        Arc::clone(provider),
        writer.clone(),
        stop.clone(),
        outbox_interval,
    );
    host::task::spawn(tasks, PayOuts::new(writer.clone(), stop.clone()).run());
    host::task::spawn(tasks, fetcher.run());
    host::task::spawn(tasks, outbox.run());
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
        let listen = options.listen_address(provider.config())?;
        let admin_listen = options.admin_listen_address(provider.config(), listen)?;
        let books = options.books(&provider, &layout)?;
        let lock = options.lock(&books)?;
        let token = AdminToken::load(&options.data)?;
        meter::meter();
        let store = options.open(&books, &provider).await?;
        let (listener, address) = bind(listen).await?;
        let (writer, writer_task) = writer(store, Arc::clone(&provider));
        let writer_watch = writer.watch();
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let (admin_listener, admin_address) = Listener::bind_admin(&admin_listen, &tls)
            .await
            .map_err(|source| StartError::BindAdmin(admin_listen, source))?;
        let readiness = Readiness::new(writer.watch(), Ends::of(&provider, &layout));
        let admin = AdminShared::new(
            options.data.clone(),
            books.clone(),
            token,
            readiness.clone(),
            tasks.clone(),
            stop.clone(),
        );
        let interval = options.outbox_interval;
        spawn_by_the_clock(&tasks, &books, &provider, &writer, &stop, interval);
        host::task::spawn(&tasks, readiness.clone().warn(stop.clone()));
        let acceptor = Acceptor::new(
            Listener::Tls(listener, tls),
            router(Shared::new(provider, writer, readiness, tasks.clone())),
            CONNECTIONS_MAX,
            CONNECTIONS_PER_HOST_MAX,
            &tasks,
            &stop,
        );
        let admin_acceptor = Acceptor::new(
            admin_listener,
            admin::router(admin),
            ADMIN_CONNECTIONS_MAX,
            ADMIN_CONNECTIONS_MAX,
            &tasks,
            &stop,
        );
        host::task::spawn(&tasks, admin_acceptor.run());
        host::task::spawn(&tasks, writer_task.run());
        host::task::spawn(&tasks, acceptor.run());
        tasks.close();
        tracing::info!(%address, admin = %admin_address, "Listening");

        Ok(RunningServer {
            _lock: lock,
            address,
            admin_address,
            writer: writer_watch,
            tasks,
            stop,
        })
    }

    /// Starts a server without sockets, which this process asks by itself; alone, without other providers.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what is missing, and what to do.
    #[cfg(blepay_world)]
    pub async fn inside(options: &RunOptions) -> Result<axum::Router, StartError> {
        let layout = Layout::new(&options.data);
        let provider = Arc::new(Provider::load(&options.data)?);
        let books = options.books(&provider, &layout)?;
        let store = options.open(&books, &provider).await?;
        let (writer, writer_task) = writer(store, Arc::clone(&provider));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        host::task::spawn(&tasks, PayOuts::new(writer.clone(), stop).run());
        host::task::spawn(&tasks, writer_task.run());

        let readiness = Readiness::new(writer.watch(), Ends::of(&provider, &layout));

        Ok(router(Shared::new(provider, writer, readiness, tasks)))
    }
}

/// A server that answers until it is shut down.
#[derive(Debug)]
pub struct RunningServer {
    /// Given back when the writer has ended.
    _lock: Option<DataLock>,
    address: SocketAddr,
    admin_address: AdminListen,
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

    /// Returns where administrators are answered.
    #[must_use]
    pub const fn admin_addr(&self) -> &AdminListen {
        &self.admin_address
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
    /// The books are not those to answer from.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// The clock is wrong, or it was when the books were last written to.
    #[error(
        "the clock says {now}, and the books were last written to at {newest}: set the clock right and start again. If \
         it is right, it was wrong then: start once with --accept-clock, which is noted in the books"
    )]
    ClockBehind {
        /// What the clock says.
        now: Time,
        /// The newest instant that the books know.
        newest: Time,
    },
    /// Another server runs on the same file of books.
    #[error(
        "another blepay-server runs on these books, and a file has one: stop that one, or keep the books \
         in PostgreSQL, on which any number can run"
    )]
    InUse,
    /// `admin_listen` is no address.
    #[error(transparent)]
    AdminListen(NoAdminListen),
    /// The admin listener's address cannot be had.
    #[error("{0} cannot be had for administrators: choose another with --admin-listen")]
    BindAdmin(AdminListen, #[source] io::Error),
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

impl StartError {
    fn of(error: NotLocked) -> Self {
        match error {
            NotLocked::Taken => Self::InUse,
            NotLocked::Io(path, source) => Self::File(FileError::Io { path, source }),
        }
    }
}
