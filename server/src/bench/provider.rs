//! The provider that is measured: a data directory of its own, and `blepay-server run` on it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use ops_proto::certificate::Certificate;
use ops_proto::signed::Signed;
use ops_proto::{Amount, Digest, PublicKey, SecretKey};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::wire::Target;
use crate::admin::Office;
use crate::provider::{InitOptions, Layout, init};
use crate::writer::now;

/// Says that a directory was made by the benchmark, which writes into no other.
const MARK: &str = "made-by-bench";

/// What books in a file are called.
const SQLITE: &str = "sqlite";

/// What the server writes to its error output.
const LOG: &str = "server.log";

/// How long the server may take to end.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// The OEM root whose devices the provider trusts: nobody else does.
pub(super) fn oem_root() -> SecretKey {
    SecretKey::from_seed(&[0xbe; 32])
}

/// The measurement of the payers' TAs.
pub(super) fn measurement() -> Digest {
    Digest::of(&[b"blepay/server/bench/measurement\0"])
}

/// A provider with its server.
pub(super) struct BenchProvider {
    data: PathBuf,
    is_temporary: bool,
    store: String,
    certificate: Signed<Certificate>,
    server: Option<Running>,
}

struct Running {
    process: Child,
    target: Target,
}

impl BenchProvider {
    /// Makes the provider, or takes the one that an earlier run made in `data`.
    pub(super) async fn make(data: Option<&Path>, store: Option<&str>) -> anyhow::Result<Self> {
        let (data, is_temporary) = match data {
            Some(data) => (data.to_owned(), false),
            None => (temporary()?, true),
        };
        if data.exists() {
            ensure!(
                data.join(MARK).exists(),
                "{} was not made by the benchmark, which writes into no other directory",
                data.display()
            );
        } else {
            make_provider(&data, store).await?;
        }
        let certificate = Layout::new(&data).provider_certificate()?;

        Ok(Self {
            data,
            is_temporary,
            store: if store.is_some() {
                "postgresql"
            } else {
                SQLITE
            }
            .to_owned(),
            certificate,
            server: None,
        })
    }

    /// Has the directory removed when the server is stopped.
    pub(super) fn removed_at_stop(mut self) -> Self {
        self.is_temporary = true;

        self
    }

    /// Starts `blepay-server run` as a process of its own.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let log = self.data.join(LOG);
        let mut process = Command::new(std::env::current_exe()?)
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .args(self.waiver())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        let out = process.stdout.take().context("the output is a pipe")?;
        let line = BufReader::new(out).lines().next_line().await?;
        let Some(address) = line
            .as_deref()
            .and_then(|line| line.strip_prefix("listening "))
        else {
            bail!("the server did not start: see {}", log.display());
        };
        let anchor = std::fs::read_to_string(Layout::new(&self.data).tls_anchor_path())?;
        let target = Target::new(address.trim().parse()?, &anchor)?;
        self.server = Some(Running { process, target });

        Ok(())
    }

    /// A database of one machine is enough to measure, and the server wants to be told so.
    fn waiver(&self) -> Option<&'static str> {
        (self.store != SQLITE).then_some("--allow-loss-of-answers")
    }

    pub(super) fn store(&self) -> &str {
        &self.store
    }

    pub(super) const fn certificate(&self) -> &Signed<Certificate> {
        &self.certificate
    }

    pub(super) fn target(&self) -> &Target {
        let running = self
            .server
            .as_ref()
            .expect("it was started before it is measured");

        &running.target
    }

    /// Returns the server's process.
    pub(super) fn process(&self) -> anyhow::Result<u32> {
        let running = self.server.as_ref().context("the server was started")?;

        running.process.id().context("the server has ended")
    }

    /// Credits a client, as who runs a provider does.
    pub(super) async fn credit(&self, client: &PublicKey, amount: Amount) -> anyhow::Result<()> {
        let mut office = Office::open(&self.data).await?;
        let key = client.to_string();
        office.credit(&key, amount, &key).await?;

        Ok(())
    }

    /// Returns the most memory that the server ever held, in KiB.
    pub(super) fn high_water_kib(&self) -> anyhow::Result<u64> {
        let running = self.server.as_ref().context("the server was started")?;
        let id = running.process.id().context("the server has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .context("the system says no VmHWM")?;

        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Ends the server as systemd does, and removes a temporary directory.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut running) = self.server.take() {
            if let Some(id) = running.process.id() {
                let mut kill = Command::new("kill");
                kill.arg(id.to_string()).status().await?;
            }
            let ended = tokio::time::timeout(STOP_TIME_MAX, running.process.wait()).await;
            ensure!(ended??.success(), "the server did not end well");
        }
        if self.is_temporary {
            std::fs::remove_dir_all(&self.data)?;
        }

        Ok(())
    }
}

async fn make_provider(data: &Path, store: Option<&str>) -> anyhow::Result<()> {
    let options = InitOptions {
        name: "Benchmark".parse()?,
        currency: "EUR".parse()?,
        url: "https://127.0.0.1:8443".to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        store: store.map(str::to_owned),
        oem_root: Some(oem_root().public_key()),
        measurements: vec![measurement()],
        root: None,
        now: now(),
    };
    init(data, &options).await?;
    std::fs::write(data.join(MARK), "blepay-server bench made this directory\n")?;
    let config = Layout::new(data).config_path();
    let text = std::fs::read_to_string(&config)?;
    // The rate that one address may send at is not what is measured.
    let unbounded = text.replace("requests_per_second = 200", "requests_per_second = 1000000");
    ensure!(
        unbounded != text,
        "server.toml names another rate than expected"
    );

    Ok(std::fs::write(config, unbounded)?)
}

/// Returns a new directory on a disk: /tmp may be memory, where nothing is durable.
pub(super) fn temporary() -> anyhow::Result<PathBuf> {
    let mut tag = [0; 8];
    host::entropy::fill(&mut tag).context("the system has no randomness")?;
    let on_disk = Path::new("/var/tmp");
    let parent = if on_disk.is_dir() {
        on_disk.to_owned()
    } else {
        std::env::temp_dir()
    };

    Ok(parent.join(format!("blepay-bench-{}", hex::encode(tag))))
}
