//! A device of the demo: `blepayd`, with `blepay-ta` beside it unless it is a payee without a TA.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api_types::client::Client;
use api_types::{InitOrder, MoneyOrder, Nearby, Payment, Request, RequestOrder, Status};
use blepay::failure::Failure;
use ops_proto::enrolment::Enrolment;
use ops_proto::money;
use serde_json::json;

use super::processes::Process;
use super::stage::Stage;

/// Whether a device has a trusted application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceKind {
    /// It can hold money.
    WithTa,
    /// It can be paid, and claims online.
    WithoutTa,
}

/// A part of a device with a disk of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The trusted application.
    Ta,
    /// The daemon, with its journal.
    Daemon,
}

/// A device, switched on or off.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: &'static str,
    pub(super) kind: DeviceKind,
    pub(super) client: Client,
    folder: PathBuf,
    ta: Option<Process>,
    daemon: Option<Process>,
}

impl Device {
    /// Starts a device's processes in its own folder, and waits until it answers.
    pub(super) async fn start(
        stage: &mut Stage<'_>,
        name: &'static str,
        kind: DeviceKind,
    ) -> Result<Self, Failure> {
        let folder = stage.folder().join(name.to_lowercase());
        fs::create_dir(&folder)?;
        let config = folder.join("blepayd.toml");
        fs::write(config, settings(stage.folder(), &folder)?)?;
        let socket = folder.join("api.sock");
        let mut device = Self {
            name,
            kind,
            client: Client::new(socket).with_timeout(ANSWER_TIMEOUT),
            folder,
            ta: None,
            daemon: None,
        };
        device.switch_on(stage).await?;

        Ok(device)
    }

    /// Starts the device's processes, and waits until it answers.
    pub(super) async fn switch_on(&mut self, stage: &mut Stage<'_>) -> Result<(), Failure> {
        if self.kind == DeviceKind::WithTa {
            self.ta = Some(start_ta(stage, self.name, &self.folder).await?);
        }
        let config = self.folder.join("blepayd.toml");
        let arguments = ["--config".into(), config.into_os_string()];
        let log = self.folder.join("blepayd");
        let mut daemon = Process::start(self.name, "blepayd", &log, arguments)?;
        stage.follow(self.name, daemon.log());
        let socket = self.folder.join("api.sock");
        daemon.wait_for(|| socket.exists().then_some(())).await?;
        self.daemon = Some(daemon);

        Ok(())
    }

    /// Stops the device's processes; its disk stays.
    pub(super) async fn switch_off(&mut self) -> Result<(), Failure> {
        for process in [self.daemon.take(), self.ta.take()].into_iter().flatten() {
            process.stop().await?;
        }
        for socket in ["api.sock", "ta.sock"] {
            match fs::remove_file(self.folder.join(socket)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }

        Ok(())
    }

    /// Returns the folder in which a part of the device keeps its state.
    pub(super) fn part(&self, part: Part) -> PathBuf {
        self.folder.join(match part {
            Part::Ta => "ta",
            Part::Daemon => "state",
        })
    }

    /// Enrols and registers.
    pub(super) async fn enrol(&self, enrolment: &Enrolment) -> Result<Status, Failure> {
        let order = InitOrder {
            enrolment: enrolment.clone(),
            name: self.name.to_owned(),
            with_ta: self.kind == DeviceKind::WithTa,
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

    /// Listens until a payee with this name asks for this much.
    pub(super) async fn hear(&self, payee: &str, amount: u64) -> Result<Nearby, Failure> {
        for _ in 0..LISTEN_ROUNDS_MAX {
            let heard: Vec<Nearby> = self.client.get("/v1/nearby?seconds=2").await?;
            let is_meant =
                |nearby: &Nearby| nearby.payee == payee && nearby.amount.minor_units == amount;
            if let Some(found) = heard.into_iter().find(is_meant) {
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
        let report: api_types::SyncReport = self.client.post("/v1/sync", &json!({})).await?;

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

/// Writes minor units of the demo's currency.
pub(super) fn text(minor_units: u64) -> String {
    CURRENCY.parse().map_or_else(
        |_malformed| minor_units.to_string(),
        |currency| money::text(minor_units, currency),
    )
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
