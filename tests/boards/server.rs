//! The wallet provider's server, on this machine; the boards reach it through their network.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::board::SERVER_ADDRESS;
use crate::failure::{Failure, Outcome};
use crate::process::{Process, command, run_tool, wait_until};

const START_LIMIT: Duration = Duration::from_secs(20);
/// How long the server may take to finish what it has when asked to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// The running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    program: PathBuf,
    data: PathBuf,
    log: PathBuf,
}

/// Where all money is, in minor units, as the server's books say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// All that was ever paid in.
    pub(crate) issued: u64,
    /// On online accounts.
    pub(crate) online: u64,
    /// What the server knows to be on devices.
    pub(crate) shadow: u64,
    /// Neither: deposits under way, claims under way, held, lost.
    pub(crate) elsewhere: u64,
}

impl Server {
    /// Makes a new provider and starts its server on a loopback port.
    pub(crate) fn start(program: &Path, folder: &Path, port: u16) -> Outcome<Self> {
        let data = folder.join("server");
        let log = folder.join("server-command.log");
        let url = format!("https://{SERVER_ADDRESS}");
        let listen = format!("127.0.0.1:{port}");
        let mut init = command(program);
        init.args([
            "init",
            "--provider-name",
            "Bench",
            "--currency",
            "EUR",
            "--url",
            &url,
        ]);
        init.args(["--listen", &listen, "--data"]).arg(&data);
        run_tool(&mut init, &log, COMMAND_LIMIT)?;

        let out_path = folder.join("server-out.log");
        let create =
            |path: &Path| File::create(path).map_err(Failure::host("create the server's log"));
        let mut run = command(program);
        run.args(["run", "--listen", &listen, "--data"]).arg(&data);
        run.stdout(create(&out_path)?)
            .stderr(create(&folder.join("server.log"))?);
        run.env("BLEPAY_LOG", "info");
        let mut process = Process::start("blepay-server", &mut run)?;
        wait_until("the server listens", START_LIMIT, || {
            if let Some(status) = process.ended()? {
                return Err(Failure::Unexpected(format!(
                    "the server ended with {status}; see server.log"
                )));
            }
            let told = std::fs::read_to_string(&out_path).unwrap_or_default();
            Ok(told.contains("listening").then_some(()))
        })?;

        Ok(Self {
            process,
            program: program.to_owned(),
            data,
            log,
        })
    }

    /// Returns the file with which a wallet enrols.
    pub(crate) fn enrolment(&self) -> Outcome<String> {
        self.tell(&["enrol"])
    }

    /// Credits a client's online account.
    pub(crate) fn credit(&self, client: &str, amount: &str) -> Outcome<()> {
        self.tell(&[
            "credit",
            "--client",
            client,
            "--amount",
            amount,
            "--reference",
            client,
        ])?;

        Ok(())
    }

    /// Returns what a client has online, in minor units.
    pub(crate) fn online(&self, client: &str) -> Outcome<u64> {
        let account = self.ask(&["account", "show", client, "--json"])?;

        number(&account, "online")
    }

    /// Returns where all money is.
    pub(crate) fn ledger(&self) -> Outcome<Ledger> {
        let told = self.ask(&["ledger", "--json"])?;
        if told.get("balanced") != Some(&Value::Bool(true)) {
            return Err(Failure::Unexpected(format!(
                "the server's books do not balance: {told}"
            )));
        }
        let mut elsewhere = 0_u64;
        for account in ["open", "transit", "held", "loss"] {
            elsewhere = elsewhere.saturating_add(number(&told, account)?);
        }

        Ok(Ledger {
            issued: number(&told, "issued")?,
            online: number(&told, "online")?,
            shadow: number(&told, "shadow")?,
            elsewhere,
        })
    }

    /// Lets the server end what is under way and stops it.
    pub(crate) fn stop(&mut self) -> Outcome<()> {
        let status = self.process.stop(STOP_LIMIT)?;
        if status.success() {
            return Ok(());
        }

        Err(Failure::Unexpected(format!(
            "the server stopped with {status}"
        )))
    }

    fn ask(&self, words: &[&str]) -> Outcome<Value> {
        let told = self.tell(words)?;

        serde_json::from_str(told.trim()).map_err(|error| {
            Failure::Unexpected(format!("the server printed no JSON ({error}): {told}"))
        })
    }

    fn tell(&self, words: &[&str]) -> Outcome<String> {
        let mut command = command(&self.program);
        command.args(words).arg("--data").arg(&self.data);

        run_tool(&mut command, &self.log, COMMAND_LIMIT)
    }
}

fn number(from: &Value, field: &str) -> Outcome<u64> {
    from.get(field)
        .and_then(Value::as_u64)
        .ok_or_else(|| Failure::Unexpected(format!("no number {field:?} in {from}")))
}
