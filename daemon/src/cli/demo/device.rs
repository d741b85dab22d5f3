//! A device of the demo: `blepayd`, with `blepay-ta` beside it unless it is a payee without a TA.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ops_proto::enrolment::Enrolment;
use serde_json::json;

use super::super::failure::Failure;
use super::processes::Process;
use super::stage::Stage;
use crate::api::client::Client;
use crate::api::types::{InitOrder, MoneyOrder, Nearby, Payment, Request, RequestOrder, Status};

/// Whether a device has a trusted application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It can hold money.
    WithTa,
    /// It can be paid, and claims online.
    WithoutTa,
}

/// A running device.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) client: Client,
    _ta: Option<Process>,
    _daemon: Process,
}

impl Device {
    /// Starts a device's processes in its own folder, and waits until it answers.
    pub(super) async fn start(
        stage: &mut Stage<'_>,
        name: &'static str,
        kind: Kind,
    ) -> Result<Self, Failure> {
        let folder = stage.folder().join(name.to_lowercase());
        fs::create_dir(&folder)?;
        let ta = match kind {
            Kind::WithTa => Some(start_ta(stage, name, &folder).await?),
            Kind::WithoutTa => None,
        };
        let socket = folder.join("api.sock");
        let config = folder.join("blepayd.toml");
        fs::write(&config, settings(stage.folder(), &folder)?)?;
        let arguments = ["--config".into(), config.into_os_string()];
        let mut daemon = Process::start(name, "blepayd", &folder.join("blepayd"), arguments)?;
        stage.follow(name, daemon.log());
        daemon.wait_for(|| socket.exists().then_some(())).await?;

        Ok(Self {
            name,
            kind,
            client: Client::new(socket).with_timeout(ANSWER_TIMEOUT),
            _ta: ta,
            _daemon: daemon,
        })
    }

    /// Enrols and registers.
    pub(super) async fn enrol(&self, enrolment: &Enrolment) -> Result<Status, Failure> {
        let order = InitOrder {
            enrolment: enrolment.clone(),
            name: self.name.to_owned(),
            with_ta: self.kind == Kind::WithTa,
        };

        Ok(self.client.post("/v1/init", &order).await?)
    }

    pub(super) async fn status(&self) -> Result<Status, Failure> {
        Ok(self.client.get("/v1/status").await?)
    }

    /// Returns what the TA says it holds, in minor units.
    pub(super) async fn balance(&self) -> Result<u64, Failure> {
        let status = self.status().await?;

        Ok(status.ta.balance.map_or(0, |balance| balance.minor_units))
    }

    pub(super) async fn request(&self, amount: u64) -> Result<Request, Failure> {
        let order = RequestOrder {
            amount: order(amount),
            memo: MEMO.to_owned(),
            validity_s: None,
            replaces: None,
            by_uri: false,
        };

        Ok(self.client.post("/v1/requests", &order).await?)
    }

    pub(super) async fn request_of(&self, id: &str) -> Result<Request, Failure> {
        Ok(self.client.get(&format!("/v1/requests/{id}")).await?)
    }

    /// Listens until a payee with this name asks for money.
    pub(super) async fn hear(&self, payee: &str) -> Result<Nearby, Failure> {
        for _ in 0..LISTEN_ROUNDS_MAX {
            let heard: Vec<Nearby> = self.client.get("/v1/nearby?seconds=2").await?;
            if let Some(found) = heard.into_iter().find(|nearby| nearby.payee == payee) {
                return Ok(found);
            }
        }

        Err(Failure::nobody(
            format!("{} does not hear {payee}", self.name),
            "see their logs",
        ))
    }

    pub(super) async fn payment(&self, id: &str) -> Result<Payment, Failure> {
        Ok(self.client.get(&format!("/v1/payments/{id}")).await?)
    }

    pub(super) async fn payments(&self) -> Result<Vec<Payment>, Failure> {
        Ok(self.client.get("/v1/payments").await?)
    }

    /// Carries everything to the server, whatever it says.
    pub(super) async fn sync(&self) -> Result<Option<bool>, Failure> {
        let report: crate::api::types::SyncReport =
            self.client.post("/v1/sync", &json!({})).await?;

        Ok(report.sync.reachable)
    }
}

/// Returns an amount in the demo's currency.
pub(super) fn order(minor_units: u64) -> MoneyOrder {
    MoneyOrder {
        minor_units,
        currency: CURRENCY.to_owned(),
        text: None,
    }
}

async fn start_ta(
    stage: &mut Stage<'_>,
    name: &'static str,
    folder: &Path,
) -> Result<Process, Failure> {
    let (state, socket) = (folder.join("ta"), folder.join("ta.sock"));
    let arguments = [
        "--state-directory".into(),
        state.into_os_string(),
        "--socket".into(),
        socket.clone().into_os_string(),
    ];
    let who = format!("{name}.TA");
    let mut ta = Process::start(&who, "blepay-ta", &folder.join("blepay-ta"), arguments)?;
    stage.follow(&who, ta.log());
    ta.wait_for(|| socket.exists().then_some(())).await?;

    Ok(ta)
}

fn settings(demo: &Path, folder: &Path) -> Result<String, Failure> {
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let settings = json!({
        "state_directory": path(folder.join("state")),
        "api": { "socket": path(folder.join("api.sock")) },
        "ta": { "kind": "socket", "path": path(folder.join("ta.sock")) },
        "radio": { "kind": "sim", "dir": path(demo.join("air")), "delay_ms": RADIO_DELAY_MS },
        "log": { "filter": "info,ops=debug", "format": "text" },
    });

    toml::to_string(&settings).map_err(|error| Failure::refused("settings", error, ""))
}

/// The currency of the demo's money.
pub(super) const CURRENCY: &str = "EUR";
const MEMO: &str = "two coffees";
const RADIO_DELAY_MS: u32 = 10;
const LISTEN_ROUNDS_MAX: usize = 10;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
