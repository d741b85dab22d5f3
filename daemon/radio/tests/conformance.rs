//! The simulated air keeps what every radio promises; BlueZ is tried with the same by `cargo boards radio`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kit::conformance::{Pace, StandingBy, Stranger, serve, visit};
use radio::PeerAddress;
use radio::sockets::{SimAir, SimRadio};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const PACE: Pace = Pace {
    settles_in: Duration::from_millis(200),
    silence: Duration::from_millis(400),
    parts_in: Duration::from_secs(5),
    patience: Duration::from_secs(300),
};

#[tokio::test]
async fn the_simulated_air_keeps_what_every_radio_promises() {
    // beside each other, since a stranger takes its time
    tokio::join!(keeps_all(23), keeps_all(185), keeps_all(517));
}

async fn keeps_all(mtu: u16) {
    let folder = tempfile::tempdir().expect("a folder");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let radio = |mtu| {
        let mut air = SimAir::new(folder.path());
        air.beacon_interval_ms = 20;
        air.mtu = mtu;
        SimRadio::start(air, &tasks, stop.clone())
    };
    let (server, visitor) = (radio(517), radio(mtu));
    let stranger = Ungreeting::at(folder.path());

    let (served, kept) = tokio::join!(serve(&server), visit(&visitor, &stranger, PACE));

    assert_eq!(served, Ok(()), "at MTU {mtu}");
    assert_eq!(kept.map(|kept| kept.len()), Ok(8), "at MTU {mtu}");
}

/// Connects to sockets of the air and sends no greeting.
struct Ungreeting {
    air: PathBuf,
}

impl Ungreeting {
    fn at(air: &Path) -> Self {
        Self {
            air: air.to_owned(),
        }
    }
}

impl Stranger for Ungreeting {
    fn stand_by<'a>(&'a self, peer: &'a PeerAddress) -> StandingBy<'a> {
        Box::pin(async move {
            let socket = self.air.join(format!("{peer}.sock"));
            let connected = UnixStream::connect(socket).await;
            let mut stream = connected.map_err(|error| error.to_string())?;
            let since = Instant::now();
            // ended either way
            let _read = stream.read_to_end(&mut Vec::new()).await;

            Ok(since.elapsed())
        })
    }
}
