//! The wallet provider's server, on this machine; the boards reach it through their network.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::postgres::Postgres;
use crate::process::{Process, command, run_tool, wait_until};

const START_LIMIT: Duration = Duration::from_secs(200);
/// How long the server may take to finish what it has when asked to stop.
const STOP_LIMIT: Duration = Duration::from_secs(200);
const COMMAND_LIMIT: Duration = Duration::from_secs(100);

/// What a server is to be.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Names its folder and logs in the run's folder.
    pub(crate) name: &'static str,
    /// Where the boards reach it.
    pub(crate) address: &'static str,
    /// The port of this machine on which it listens.
    pub(crate) port: u16,
    /// Where its books are; in a file when in none.
    pub(crate) store: Option<Postgres>,
    /// Numbers in its settings that are not the usual ones: section, name, number.
    pub(crate) settings: &'static [(&'static str, &'static str, u64)],
}

/// The running server.
#[derive(Debug)]
pub(crate) struct Server {
    // The order of these two is the order in which they end.
    process: Process,
    store: Option<Postgres>,
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

/// What the books say of one trusted application, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaBooks {
    /// live, suspended, retired or dead.
    pub(crate) standing: String,
    /// What is known to be on it.
    pub(crate) shadow: u64,
    /// What waits for its owner.
    pub(crate) held: u64,
}

impl Server {
    /// Makes a new provider and starts its server on a loopback port.
    pub(crate) fn start(program: &Path, folder: &Path, plan: Plan) -> Outcome<Self> {
        let data = folder.join(plan.name);
        let log = folder.join(format!("{}-command.log", plan.name));
        let url = format!("https://{}", plan.address);
        let listen = format!("127.0.0.1:{}", plan.port);
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
        if let Some(store) = &plan.store {
            init.arg("--store").arg(store.url());
        }
        run_tool(&mut init, &log, COMMAND_LIMIT)?;
        change_settings(&data.join("server.toml"), plan.settings)?;

        let out_path = folder.join(format!("{}-out.log", plan.name));
        let create =
            |path: &Path| File::create(path).map_err(Failure::host("create the server's log"));
        let mut run = command(program);
        run.args(["run", "--listen", &listen]);
        // Each on a port of its own: the default is a port that a second server may have.
        run.args(["--admin-listen", "127.0.0.1:0", "--data"])
            .arg(&data);
        run.stdout(create(&out_path)?)
            .stderr(create(&folder.join(format!("{}.log", plan.name)))?);
        run.env("BLEPAY_LOG", "info");
        let mut process = Process::start("blepay-server", &mut run)?;
        wait_until("the server listens", START_LIMIT, || {
            if let Some(status) = process.ended()? {
                return Err(Failure::Unexpected(format!(
                    "the server ended with {status}; see {}.log",
                    plan.name
                )));
            }
            let told = std::fs::read_to_string(&out_path).unwrap_or_default();
            Ok(told.contains("listening").then_some(()))
        })?;

        Ok(Self {
            process,
            store: plan.store,
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

    /// Returns what the books say of a client's trusted application.
    pub(crate) fn ta(&self, client: &str, ta: &str) -> Outcome<TaBooks> {
        let account = self.ask(&["account", "show", client, "--json"])?;
        let tas = account.get("tas").and_then(Value::as_array);
        let found = tas.and_then(|tas| {
            tas.iter()
                .find(|known| known.get("ta").and_then(Value::as_str) == Some(ta))
        });
        let found = found.ok_or_else(|| {
            Failure::Unexpected(format!("the server does not know TA {ta}: {account}"))
        })?;
        let standing = found.get("standing").and_then(Value::as_str);

        Ok(TaBooks {
            standing: standing.unwrap_or_default().to_owned(),
            shadow: number(found, "shadow")?,
            held: number(found, "held")?,
        })
    }

    /// Puts a trusted application on the deny-list.
    pub(crate) fn revoke(&self, ta: &str, reason: &str) -> Outcome<()> {
        self.tell(&["revoke", ta, "--reason", reason])?;

        Ok(())
    }

    /// Replays the books and every signature, and returns the report; books that do not balance fail.
    pub(crate) fn audit(&self) -> Outcome<Value> {
        self.ask(&["audit", "--json"])
    }

    /// Returns the numbers of what was found against a trusted application, with evidence.
    pub(crate) fn evidence_against(&self, ta: &str) -> Outcome<Vec<u64>> {
        let findings = self.ask(&["evidence", "list", "--json"])?;
        let findings = findings.as_array().cloned().unwrap_or_default();
        let against = findings.iter().filter(|finding| {
            finding.get("ta").and_then(Value::as_str) == Some(ta)
                && finding.get("evidence").is_some_and(Value::is_string)
        });

        against.map(|finding| number(finding, "id")).collect()
    }

    /// Writes a finding into a file, has it verified without the server's data, and returns the verdict.
    pub(crate) fn prove(&self, finding: u64, file: &Path) -> Outcome<Value> {
        let file = file.to_string_lossy();
        self.tell(&["evidence", "export", &finding.to_string(), "--out", &file])?;
        let root = self.data.join("root.pub");
        let mut verify = command(&self.program);
        verify
            .args(["evidence", "verify", &file, "--json", "--root"])
            .arg(root);
        let told = run_tool(&mut verify, &self.log, COMMAND_LIMIT)?;

        json(&told)
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
        if let Some(mut store) = self.store.take() {
            store.stop()?;
        }
        if status.success() {
            return Ok(());
        }

        Err(Failure::Unexpected(format!(
            "the server stopped with {status}"
        )))
    }

    fn ask(&self, words: &[&str]) -> Outcome<Value> {
        json(&self.tell(words)?)
    }

    fn tell(&self, words: &[&str]) -> Outcome<String> {
        let mut command = command(&self.program);
        command.args(words).arg("--data").arg(&self.data);

        run_tool(&mut command, &self.log, COMMAND_LIMIT)
    }
}

fn json(told: &str) -> Outcome<Value> {
    serde_json::from_str(told.trim()).map_err(|error| {
        Failure::Unexpected(format!("the server printed no JSON ({error}): {told}"))
    })
}

/// Puts other numbers into the settings that `init` wrote.
fn change_settings(path: &Path, settings: &[(&str, &str, u64)]) -> Outcome<()> {
    let doing = || Failure::host(format!("change {}", path.display()));
    let mut text = std::fs::read_to_string(path).map_err(doing())?;
    for (section, name, number) in settings {
        text = with_number(&text, section, name, *number).ok_or_else(|| {
            Failure::Unexpected(format!("{} has no {section}.{name}", path.display()))
        })?;
    }

    std::fs::write(path, text).map_err(doing())
}

/// Returns settings in TOML with one number changed, if it is there.
fn with_number(text: &str, section: &str, name: &str, number: u64) -> Option<String> {
    let header = format!("[{section}]");
    let mut here = section.is_empty();
    let mut changed = String::new();
    let mut found = false;
    for line in text.lines() {
        if line.starts_with('[') {
            here = line.trim() == header;
        }
        let is_it = here
            && line
                .split_once('=')
                .is_some_and(|(key, _)| key.trim() == name);
        if is_it {
            found = true;
            changed.push_str(&format!("{name} = {number}\n"));
        } else {
            changed.push_str(line);
            changed.push('\n');
        }
    }

    found.then_some(changed)
}

fn number(from: &Value, field: &str) -> Outcome<u64> {
    from.get(field)
        .and_then(Value::as_u64)
        .ok_or_else(|| Failure::Unexpected(format!("no number {field:?} in {from}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_changed_in_its_own_section_only() {
        let text = "days = 1\n\n[limits]\nmax = 5\n\n[limits.paid]\nwarn = 2\nmax = 7\n";

        assert_eq!(
            with_number(text, "limits.paid", "max", 9).as_deref(),
            Some("days = 1\n\n[limits]\nmax = 5\n\n[limits.paid]\nwarn = 2\nmax = 9\n")
        );
        assert_eq!(with_number(text, "limits", "warn", 9), None);
    }
}
