//! The bench of one run: two boards, their air, and the server they reach when they have network.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::air::{Air, Place};
use crate::board::{Board, Network, RUN_DISK_BYTES, SERVER_ADDRESSES, Surroundings};
use crate::cache::Cache;
use crate::failure::{Failure, Outcome};
use crate::folder::RunFolder;
use crate::postgres::Postgres;
use crate::process::{command, run_tool};
use crate::progress::{say, step};
use crate::scenario::Keys;
use crate::server::{Plan, Server};
use crate::strangers::{self, Strangers};
use crate::times::Times;

const DISK_LIMIT: Duration = Duration::from_secs(100);
const RUN_FOLDER_PREFIX: &str = "run-";
const SOCKETS_PREFIX: &str = "blepay-boards-";

/// What a run was given to test.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The folder with the Debian packages.
    pub(crate) debs: Option<PathBuf>,
    /// The server's program.
    pub(crate) server: Option<PathBuf>,
    /// The echo's program.
    pub(crate) echo: Option<PathBuf>,
}

/// Two boards on one air. Everything ends and is cleared away when this is dropped.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The board that pays.
    pub(crate) payer: Board,
    /// The board that is paid.
    pub(crate) payee: Board,
    /// The air between them.
    pub(crate) air: Air,
    /// The server, once a scenario has asked for it.
    pub(crate) server: Option<Server>,
    /// The server of the scenarios about operating one, with its books in PostgreSQL, once one has asked for it.
    pub(crate) office: Option<Server>,
    /// What is under test.
    pub(crate) parts: Parts,
    /// The wallets' keys, once they are set up on the boards.
    pub(crate) keys: Option<Keys>,
    /// Whether somebody uses the boards after the scenario that runs.
    pub(crate) more_to_come: bool,
    /// How long things took.
    pub(crate) times: Times,
    server_ports: [u16; 2],
    folder: RunFolder,
    cache: PathBuf,
    sockets: RunFolder,
    python: PathBuf,
    /// Where strangers may come onto the air.
    outside: Vec<Place>,
}

impl Bench {
    /// Makes and boots the boards.
    pub(crate) fn start(cache: Cache, parts: Parts) -> Outcome<Self> {
        let folder = RunFolder::create(&cache.folder, RUN_FOLDER_PREFIX)?;
        // A socket's path has to be short, and the cache's may be long.
        let sockets = RunFolder::create(&std::env::temp_dir(), SOCKETS_PREFIX)?;
        let server_ports = free_ports()?;
        let surroundings = Surroundings {
            image: cache.image.clone(),
            snapshot: cache.snapshot.clone(),
            folder: folder.path.clone(),
            sockets: sockets.path.clone(),
            run_disk: make_run_disk(&folder.path, &parts)?,
            server_ports,
        };
        let place = |name: &str, address: &str| Place {
            name: name.to_owned(),
            address: address.to_owned(),
            socket: sockets.path.join(format!("{name}.radio")),
        };
        let places = [
            place("payer", "00:1B:DC:0A:00:01"),
            place("payee", "00:1B:DC:0A:00:02"),
        ];
        let outside = strangers::places(&sockets.path);
        let all: Vec<Place> = places.iter().chain(&outside).cloned().collect();
        let air = Air::start(&cache.python, &folder.path, &all)?;
        let [payer, payee] = places;
        let mut payer = Board::create(payer, surroundings.clone())?;
        let mut payee = Board::create(payee, surroundings)?;
        step("give two boards power", || {
            Board::start_all(&mut [&mut payer, &mut payee])
        })?;

        Ok(Self {
            payer,
            payee,
            air,
            server: None,
            office: None,
            parts,
            keys: None,
            more_to_come: true,
            times: Times::default(),
            server_ports,
            folder,
            cache: cache.folder,
            sockets,
            python: cache.python,
            outside,
        })
    }

    /// Makes sure that the air runs and both boards have power, whatever the scenario before did.
    pub(crate) fn ready(&mut self) -> Outcome<()> {
        self.air.must_run()?;
        for board in [&mut self.payer, &mut self.payee] {
            if !board.has_power() {
                board.boot()?;
            }
        }

        Ok(())
    }

    /// Switches the network of both boards.
    pub(crate) fn networks(&mut self, network: Network) -> Outcome<()> {
        Board::switch_networks(&mut [&mut self.payer, &mut self.payee], network)
    }

    /// Starts the server, unless it runs.
    pub(crate) fn serve(&mut self) -> Outcome<&mut Server> {
        if self.server.is_none() {
            let program = needed(self.parts.server.as_deref(), "--server PATH")?;
            let server = step("start the server", || {
                let plan = Plan {
                    name: "server",
                    address: SERVER_ADDRESSES[0],
                    port: self.server_ports[0],
                    store: None,
                    settings: &[],
                };
                Server::start(program, &self.folder.path, plan)
            })?;
            self.server = Some(server);
        }

        self.server
            .as_mut()
            .ok_or_else(|| Failure::Unexpected("the server did not start".to_owned()))
    }

    /// Starts the server with its books in PostgreSQL, unless it runs. Its settings count when it is started.
    pub(crate) fn open_office(
        &mut self,
        settings: &'static [(&'static str, &'static str, u64)],
    ) -> Outcome<&Server> {
        if self.office.is_none() {
            let program = needed(self.parts.server.as_deref(), "--server PATH")?;
            let server = step("start a server on PostgreSQL", || {
                let folder = &self.folder.path;
                let store = Postgres::start(&self.sockets.path.join("postgres"), folder)?;
                let plan = Plan {
                    name: "office",
                    address: SERVER_ADDRESSES[1],
                    port: self.server_ports[1],
                    store: Some(store),
                    settings,
                };
                Server::start(program, folder, plan)
            })?;
            self.office = Some(server);
        }

        self.office()
    }

    /// Returns the server with its books in PostgreSQL, which runs.
    pub(crate) fn office(&self) -> Outcome<&Server> {
        self.office
            .as_ref()
            .ok_or_else(|| Failure::Unexpected("the server on PostgreSQL does not run".to_owned()))
    }

    /// Lets strangers in who have it in for the payee, until they are dropped.
    pub(crate) fn let_strangers_in(&self) -> Outcome<Strangers> {
        let payee = self.payee.address();

        Strangers::start(&self.python, &self.folder.path, &self.outside, payee)
    }

    /// Returns a path in the run's folder, which goes away with it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path.join(name)
    }

    /// Lets the servers end what is under way, which is a promise of its own.
    pub(crate) fn end(&mut self) -> Outcome<()> {
        for server in [&mut self.server, &mut self.office].into_iter().flatten() {
            server.stop()?;
        }

        Ok(())
    }

    /// Leaves disks and logs behind when the run ends.
    pub(crate) fn keep(&mut self) {
        self.folder.kept = true;
        say(&format!(
            "disks and logs stay in {}",
            self.folder.path.display()
        ));
    }

    /// Saves all that explains a failed scenario and returns where.
    pub(crate) fn keep_evidence(&mut self, scenario: &str) -> PathBuf {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let folder = self
            .cache
            .join("kept")
            .join(format!("{scenario}-{}", now.as_secs()));
        if let Err(failure) = self.save_evidence(&folder) {
            say(&format!("not all evidence could be kept: {failure}"));
        }

        folder
    }

    fn save_evidence(&mut self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder).map_err(Failure::host("create a folder for the evidence"))?;
        let entries =
            fs::read_dir(&self.folder.path).map_err(Failure::host("list the run's folder"))?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let is_log = [".log", ".jsonl"]
                .iter()
                .any(|end| name.to_string_lossy().ends_with(end));
            let is_empty = entry.metadata().is_ok_and(|about| about.len() == 0);
            if is_log && !is_empty {
                fs::copy(entry.path(), folder.join(&name)).map_err(Failure::host("copy a log"))?;
            }
        }
        let payer = self.payer.keep_evidence(folder);
        self.payee.keep_evidence(folder).and(payer)
    }
}

/// Returns what the command line gave, or says which option is missing.
pub(crate) fn needed<'a>(given: Option<&'a Path>, option: &str) -> Outcome<&'a Path> {
    given.ok_or_else(|| {
        Failure::Unexpected(format!(
            "this scenario needs {option}; `cargo boards` passes it"
        ))
    })
}

fn make_run_disk(folder: &Path, parts: &Parts) -> Outcome<PathBuf> {
    let content = folder.join("run-disk");
    fs::create_dir_all(&content).map_err(Failure::host("create the run disk's folder"))?;
    let mut files: Vec<PathBuf> = parts.echo.iter().cloned().collect();
    if let Some(debs) = &parts.debs {
        let entries =
            fs::read_dir(debs).map_err(Failure::host(format!("list {}", debs.display())))?;
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        files.extend(
            paths.filter(|path| path.extension().is_some_and(|extension| extension == "deb")),
        );
    }
    for file in &files {
        let name = file.file_name().unwrap_or_default();
        fs::copy(file, content.join(name)).map_err(Failure::host(format!(
            "copy {} to the run disk",
            file.display()
        )))?;
    }

    let disk = folder.join("run.img");
    let mut make = command("mke2fs");
    make.args(["-q", "-F", "-t", "ext4", "-L", "run", "-d"])
        .arg(&content)
        .arg(&disk);
    make.arg(format!("{}k", RUN_DISK_BYTES.div_euclid(1024)));
    run_tool(&mut make, &folder.join("run-disk.log"), DISK_LIMIT)?;

    Ok(disk)
}

/// Returns two ports that are free; both are held until both are known, so that they differ.
fn free_ports() -> Outcome<[u16; 2]> {
    let doing = || Failure::host("find a free port");
    let bind = || TcpListener::bind(("127.0.0.1", 0)).map_err(doing());
    let (first, second) = (bind()?, bind()?);
    let port = |of: &TcpListener| of.local_addr().map(|at| at.port()).map_err(doing());

    Ok([port(&first)?, port(&second)?])
}
