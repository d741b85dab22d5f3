//! `schemathesis`: both APIs of a real server, asked everything that their own descriptions allow and
//! forbid, and what they refused left no trace.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, ensure};

use crate::Programs;
use crate::install;
use crate::step::Tally;

pub(crate) const EXAMPLES: &str = "\
Example:
  cargo run --package xtask -- schemathesis

The last line is `N passed, N failed`. The seed is fixed, so that a failure comes again.";

/// The same requests every time, as far as the bound on time allows.
const SEED: &str = "20260101";

/// Requests for each path and way of making them.
const EXAMPLES_MAX: &str = "50";

/// A server beside other work may be slow; one that does not answer at all is found after this long.
const REQUEST_SECONDS_MAX: &str = "100";

/// Statuses with which valid data may be answered: amounts depend on the currency, names on the books.
const CONFIG: &str = "\
[checks]
positive_data_acceptance.expected-statuses = [\"2xx\", \"401\", \"403\", \"404\", \"409\", \"422\", \"429\"]
";

/// One run of schemathesis.
struct Run {
    name: &'static str,
    listener: Listener,
    seconds_max: &'static str,
    args: &'static [&'static str],
    /// Whether the books must be the same afterwards.
    books: Books,
}

#[derive(Clone, Copy)]
enum Listener {
    Public,
    Admin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Books {
    Unchanged,
    Balanced,
}

const RUNS: [Run; 3] = [
    Run {
        name: "devices and providers",
        listener: Listener::Public,
        seconds_max: "25",
        // Any bytes are valid for the description, and hardly any are a signed message.
        args: &["--exclude-checks", "positive_data_acceptance"],
        books: Books::Unchanged,
    },
    Run {
        name: "administrators, refused",
        listener: Listener::Admin,
        seconds_max: "15",
        args: &[
            "--mode",
            "negative",
            "--include-method",
            "POST",
            "--exclude-path",
            "/v1/admin/backups",
            "--exclude-path",
            "/v1/admin/audits",
        ],
        books: Books::Unchanged,
    },
    Run {
        name: "administrators",
        listener: Listener::Admin,
        seconds_max: "25",
        args: &["--exclude-path", "/v1/admin/backups"],
        books: Books::Balanced,
    },
];

/// Runs everything and prints the tally as the last line.
///
/// # Errors
///
/// When a tool cannot be installed or the server does not start; what is found is an exit code.
pub(crate) fn run(programs: Programs) -> anyhow::Result<ExitCode> {
    let st = install::schemathesis()?;
    if programs == Programs::Build {
        crate::run(crate::command("cargo")?.args(["build", "--package", "blepay-server"]))?;
    }
    let target = crate::target()?;
    let program = target.join("debug").join("blepay-server");
    let folder = target.join("schemathesis");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let server = Server::start(&program, &folder)?;
    let mut tally = Tally::default();
    for run in &RUNS {
        tally = tally.and(server.ask(&st, run)?);
    }
    drop(server);
    writeln!(io::stdout().lock(), "{tally}")?;

    Ok(ExitCode::from(u8::from(tally.failed != 0)))
}

/// A server on books in which there is something, with a folder for what is written on the way.
struct Server {
    program: PathBuf,
    folder: PathBuf,
    process: Child,
    public: String,
    admin: String,
}

impl Server {
    fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let data = folder.join("data");
        crate::say("making a provider with clients, TAs and claims");
        let mut bench = command(program)?;
        bench.args(["bench", "--loads", "batches", "--claims", "200"]);
        bench.args(["--rounds", "1", "--data"]).arg(&data);
        crate::run(&mut bench)?;
        fs::write(folder.join("schemathesis.toml"), CONFIG)?;
        let mut process = command(program)?
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("server.log"))?)
            .spawn()?;
        let out = process.stdout.take().context("the output is a pipe")?;
        let mut lines = BufReader::new(out).lines();
        let mut address = |name: &str| -> anyhow::Result<String> {
            let line = lines.next().context("the server did not start")??;
            let address = line.strip_prefix(name).map(str::trim);

            address.map(str::to_owned).context("the server says where")
        };
        let (public, admin) = (address("listening ")?, address("admin ")?);

        Ok(Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            process,
            public,
            admin,
        })
    }

    fn ask(&self, st: &Path, run: &Run) -> anyhow::Result<Tally> {
        crate::say(&format!("schemathesis: {}", run.name));
        let before = self.books()?;
        let data = self.folder.join("data");
        let address = match run.listener {
            Listener::Public => &self.public,
            Listener::Admin => &self.admin,
        };
        let mut asks = command(st)?;
        asks.arg("--config-file")
            .arg(self.folder.join("schemathesis.toml"))
            .args(["run", &format!("https://{address}/openapi.json")])
            .arg("--tls-verify")
            .arg(data.join("tls-anchor.pem"))
            .args(["--seed", SEED, "--max-examples", EXAMPLES_MAX])
            .args(["--max-time", run.seconds_max, "--checks", "all"])
            .args(["--request-timeout", REQUEST_SECONDS_MAX])
            .args(["--phases", "examples,coverage,fuzzing"])
            // A refusal before the whole body has arrived ends the connection, as HTTP allows.
            .args(["--request-retries", "3"])
            .args(["--warnings", "off", "--no-color"])
            .args(run.args)
            .current_dir(&self.folder);
        if matches!(run.listener, Listener::Admin) {
            let token = fs::read_to_string(data.join("admin-token"))?;
            asks.args(["-H", &format!("Authorization: Bearer {}", token.trim())]);
        }
        let answered = asks.stdout(io::stderr()).status()?.success();
        let books = self.books()?;
        let unchanged = run.books == Books::Balanced || books == before;
        if !unchanged {
            crate::say("what was refused changed the books:");
            crate::say(&format!("  before: {before}"));
            crate::say(&format!("  after:  {books}"));
        }

        Ok(Tally::one(answered)
            .and(Tally::one(unchanged))
            .and(Tally::one(self.balances()?)))
    }

    /// Returns everything that the books say of money and clients.
    fn books(&self) -> anyhow::Result<String> {
        let mut books = String::new();
        for what in [&["ledger"][..], &["account", "list"]] {
            let output = self.tell(what)?.output()?;
            ensure!(output.status.success(), "the books cannot be read");
            books.push_str(&String::from_utf8_lossy(&output.stdout));
        }

        Ok(books)
    }

    fn balances(&self) -> anyhow::Result<bool> {
        Ok(self.tell(&["audit"])?.output()?.status.success())
    }

    fn tell(&self, what: &[&str]) -> anyhow::Result<Command> {
        let mut tell = command(&self.program)?;
        tell.args(what).args(["--json", "--data"]);
        tell.arg(self.folder.join("data"));

        Ok(tell)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is of no use any more, and its books are thrown away at the next run.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn command(program: &Path) -> anyhow::Result<Command> {
    crate::command(&program.to_string_lossy())
}
