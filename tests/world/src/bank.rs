//! The provider: its server, its books on a disk, and what its people do with them.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use blepay_server::admin::{
    AccountView, AdminError, Audit, Force, LedgerView, Office, audit, backup, restore,
};
use blepay_server::provider::Layout;
use blepay_server::store::StoreAddress;
use blepay_server::{InitOptions, RunOptions, Server, init};
use ops_proto::enrolment::Enrolment;
use runtime::clock;

use crate::executor::Node;
use crate::money::Money;
use crate::world::World;

/// The node of the server, and of the people who work at its machine.
pub(crate) const SERVER: Node = Node(1000);

const HOST: &str = "bank";
const URL: &str = "https://bank";

/// How long a thread of SQLite may take to close a file, in real time.
const CLOSE_MAX: Duration = Duration::from_secs(60);

/// The provider.
pub(crate) struct Bank {
    data: PathBuf,
    saved: PathBuf,
    is_running: Cell<bool>,
    references: Cell<u64>,
    /// Kept open, since checks look after each step.
    office: RefCell<Option<Office>>,
}

impl Bank {
    /// Makes the provider's books and starts its server.
    pub(crate) async fn found(world: &Rc<World>, dir: &Path) -> anyhow::Result<Self> {
        let bank = Self {
            data: dir.join("bank"),
            saved: dir.join("bank.backup"),
            is_running: Cell::new(false),
            references: Cell::new(0),
            office: RefCell::new(None),
        };
        let making = async {
            let options = InitOptions {
                name: "Bank".parse()?,
                currency: "EUR".parse()?,
                url: URL.to_owned(),
                listen: "127.0.0.1:1".to_owned(),
                oem_root: None,
                measurements: Vec::new(),
                store: None,
                root: None,
                now: clock::now(),
            };

            anyhow::Ok(init(&bank.data, &options).await?)
        };
        let _made = world
            .at(SERVER, making)
            .await
            .context("no provider is made")?;
        bank.start(world).await?;

        Ok(bank)
    }

    /// Starts the server, unless it runs.
    pub(crate) async fn start(&self, world: &Rc<World>) -> anyhow::Result<()> {
        if self.is_running.get() {
            return Ok(());
        }
        self.wait_closed()?;
        let options = RunOptions::local(&self.data);
        let router = world.at(SERVER, Server::inside(&options)).await;
        world
            .net
            .listen(HOST, SERVER, router.context("the server does not start")?);
        self.is_running.set(true);

        Ok(())
    }

    /// Ends the server where it stands.
    pub(crate) fn kill(&self, world: &World) -> anyhow::Result<()> {
        world.at_once(SERVER, || world.net.leave(HOST));
        world.executor.kill(SERVER);
        self.is_running.set(false);

        self.wait_closed()
    }

    /// Copies the books, in place of the copy that there was.
    pub(crate) async fn back_up(&self, world: &Rc<World>) -> anyhow::Result<()> {
        let _none_yet = std::fs::remove_file(&self.saved);
        let books = StoreAddress::file(&self.books());
        let copied = world
            .at(SERVER, backup(&self.data, &books, &self.saved))
            .await;

        copied.map(drop).context("the books cannot be copied")
    }

    /// Loses the books of a server that does not run.
    pub(crate) fn lose_books(&self) -> anyhow::Result<()> {
        ensure!(!self.is_running.get(), "the server runs on the books");
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.books().into_os_string();
            name.push(suffix);
            let _may_be_missing = std::fs::remove_file(PathBuf::from(name));
        }

        Ok(())
    }

    /// Puts the copy in place of the books, and returns which life begins.
    pub(crate) async fn restore(&self, world: &Rc<World>) -> anyhow::Result<i64> {
        let books = StoreAddress::file(&self.books());
        let restoring = restore(&self.data, &books, &self.saved, Force::Yes);
        let restored = world.at(SERVER, restoring).await;
        self.wait_closed()?;

        Ok(restored
            .context("the books cannot be restored")?
            .incarnation)
    }

    /// Books money that somebody paid in.
    pub(crate) async fn pay_in(
        &self,
        world: &Rc<World>,
        client: &str,
        money: Money,
    ) -> anyhow::Result<()> {
        let number = self.references.get().saturating_add(1);
        self.references.set(number);
        let paying = async {
            let mut office = self.office().await?;
            let reference = format!("paid in {number}");
            let paid = office.credit(client, money.amount(), &reference).await;
            self.keep(office);

            paid
        };

        world
            .at(SERVER, paying)
            .await
            .map(drop)
            .context("nothing is paid in")
    }

    /// Returns where all money is, as the books have it.
    pub(crate) async fn ledger(&self, world: &Rc<World>) -> anyhow::Result<LedgerView> {
        let reading = async {
            let mut office = self.office().await?;
            let ledger = office.ledger().await;
            self.keep(office);

            ledger
        };

        world
            .at(SERVER, reading)
            .await
            .context("the ledger cannot be read")
    }

    /// Returns what everybody holds, as the books have it.
    pub(crate) async fn accounts(&self, world: &Rc<World>) -> anyhow::Result<Vec<AccountView>> {
        let reading = async {
            let mut office = self.office().await?;
            let accounts = office.accounts().await;
            self.keep(office);

            accounts
        };
        let accounts = world.at(SERVER, reading).await;

        accounts.context("no accounts can be read")
    }

    /// Replays the books.
    pub(crate) async fn audit(&self, world: &Rc<World>) -> anyhow::Result<Audit> {
        world
            .at(SERVER, audit(&self.data))
            .await
            .context("no audit")
    }

    /// Returns what a device is enrolled with.
    pub(crate) async fn enrolment(&self, world: &Rc<World>) -> anyhow::Result<Enrolment> {
        let reading = async { Office::open(&self.data).await?.enrolment(URL.to_owned()) };

        world.at(SERVER, reading).await.context("no enrolment")
    }

    async fn office(&self) -> Result<Office, AdminError> {
        let open = self.office.borrow_mut().take();
        match open {
            Some(office) => Ok(office),
            None => Office::open(&self.data).await,
        }
    }

    fn keep(&self, office: Office) {
        *self.office.borrow_mut() = Some(office);
    }

    fn books(&self) -> PathBuf {
        Layout::new(&self.data).books_path()
    }

    /// Waits in real time until no thread has the books open: who drops a connection of sqlx leaves the
    /// closing to that connection's thread.
    fn wait_closed(&self) -> anyhow::Result<()> {
        let office = self.office.borrow_mut().take();
        drop(office);
        let books = self.books();
        let begun = Instant::now();
        while is_open(&books)? {
            ensure!(begun.elapsed() < CLOSE_MAX, "a thread keeps the books open");
            std::thread::sleep(Duration::from_micros(200));
        }

        Ok(())
    }
}

/// Whether this process has a file open whose name begins so.
fn is_open(path: &Path) -> anyhow::Result<bool> {
    let path = path.as_os_str().as_encoded_bytes();
    for open in std::fs::read_dir("/proc/self/fd")? {
        let target = std::fs::read_link(open?.path());
        let is_it = target.is_ok_and(|it| it.as_os_str().as_encoded_bytes().starts_with(path));
        if is_it {
            return Ok(true);
        }
    }

    Ok(false)
}
