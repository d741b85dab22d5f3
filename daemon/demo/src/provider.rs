//! A wallet provider of the demo: `blepay-server` with a data directory of its own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use blepay::failure::Failure;
use ops_proto::enrolment::Enrolment;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::device::{CURRENCY, text};
use super::processes::{Process, output};
use super::stage::Stage;

/// A provider, whether its server runs or not.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: &'static str,
    data: PathBuf,
    address: String,
    server: Option<Process>,
}

/// The server's books, in minor units: `blepay-server ledger --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    pub(super) issued: u64,
    pub(super) online: u64,
    pub(super) shadow: u64,
    pub(super) open: u64,
    pub(super) transit: u64,
    pub(super) held: u64,
    pub(super) loss: i64,
    pub(super) position: i64,
    pub(super) balanced: bool,
}

/// What `blepay-server audit --json` says.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Audit {
    pub(super) balanced: bool,
    pub(super) faults: Vec<String>,
}

impl Provider {
    /// Makes a provider with a root of its own, and starts its server.
    pub(super) async fn open(stage: &mut Stage<'_>, name: &'static str) -> Result<Self, Failure> {
        let mut provider = Self::make(stage, name, &[])?;
        provider.start(stage).await?;

        Ok(provider)
    }

    /// Makes a provider that is not running yet.
    pub(super) fn make(
        stage: &Stage<'_>,
        name: &'static str,
        options: &[&str],
    ) -> Result<Self, Failure> {
        let folder = name.to_lowercase().replace(' ', "-");
        // Its neighbours must reach it before it has run once, so its port is chosen now.
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?.to_string();
        drop(listener);
        let provider = Self {
            name,
            data: stage.folder().join(folder),
            address,
            server: None,
        };
        let url = provider.url();
        let fixed = [
            "--provider-name",
            name,
            "--currency",
            CURRENCY,
            "--url",
            &url,
            "--listen",
            &provider.address,
        ];
        let _made = provider.command(&["init"], &[&fixed, options].concat())?;

        Ok(provider)
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Returns a path for a file of this provider's.
    pub(super) fn file(&self, extension: &str) -> String {
        let path = self.data.with_extension(extension);

        path.to_string_lossy().into_owned()
    }

    /// Starts the server, at the address that it had before, and waits until it listens.
    pub(super) async fn start(&mut self, stage: &mut Stage<'_>) -> Result<(), Failure> {
        let out = self.data.with_extension("out");
        match fs::remove_file(&out) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let arguments = [
            "run".into(),
            "--data".into(),
            self.data.clone().into_os_string(),
            "--listen".into(),
            self.address.clone().into(),
        ];
        let mut server = Process::start(self.name, "blepay-server", &self.data, arguments)?;
        stage.follow(self.name, server.log());
        self.address = server.wait_for(|| listening(&out)).await?;
        self.server = Some(server);

        stage.say(&format!(
            "{} answers at https://{}",
            self.name, self.address
        ))
    }

    /// Stops the server: for the devices, the network is gone.
    pub(super) async fn stop(&mut self) -> Result<(), Failure> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Returns the file with which devices enrol.
    pub(super) fn enrolment(&self) -> Result<Enrolment, Failure> {
        self.ask(&["enrol"], &["--url", &self.url()])
    }

    /// Credits a client's online account; the reference makes it one credit.
    pub(super) fn credit(&self, client: &str, amount: u64) -> Result<String, Failure> {
        let amount = text(amount);
        let reference = format!("demo-{client}");

        self.command(
            &["credit"],
            &[
                "--client",
                client,
                "--amount",
                &amount,
                "--reference",
                &reference,
            ],
        )
    }

    /// Returns the provider's books.
    pub(super) fn ledger(&self) -> Result<Ledger, Failure> {
        self.ask(&["ledger"], &["--json"])
    }

    /// Replays the provider's books and all signatures in them.
    pub(super) fn audit(&self) -> Result<Audit, Failure> {
        self.ask(&["audit"], &["--json"])
    }

    /// Runs a command of the server's program on this provider's data, and reads the JSON it prints.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        words: &[&str],
        options: &[&str],
    ) -> Result<T, Failure> {
        let printed = self.command(words, options)?;

        serde_json::from_str(&printed).map_err(|error| {
            Failure::refused(
                "demo",
                format!("blepay-server {} printed no JSON: {error}", words.join(" ")),
                "the logs tell more",
            )
        })
    }

    /// Runs a command of the server's program on this provider's data, and returns what it printed.
    pub(super) fn command(&self, words: &[&str], options: &[&str]) -> Result<String, Failure> {
        let data = self.data.to_string_lossy();
        let data = ["--data", data.as_ref()];
        let arguments = words.iter().chain(&data).chain(options);

        output("blepay-server", arguments)
    }
}

fn listening(out: &Path) -> Option<String> {
    let text = fs::read_to_string(out).ok()?;
    let mut lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("listening "));

    lines.next_back().map(str::to_owned)
}
