//! BlueZ and what every radio promises.

use std::time::{Duration, Instant};

use kit::conformance::{self, Pace, StandingBy, Stranger};
use radio::PeerAddress;
use radio::bluez::{BluezConfig, BluezRadio};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Side;

/// Boards are emulated, and BlueZ tells of what it has heard a while ago.
const PACE: Pace = Pace {
    settles_in: Duration::from_secs(10),
    silence: Duration::from_secs(10),
    parts_in: Duration::from_secs(20),
    patience: Duration::from_secs(600),
};

/// Tries it from one side, and returns a line for each promise that was kept.
pub(crate) async fn conform(side: Side) -> Result<String, String> {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let radio = BluezRadio::start(BluezConfig { adapter: None }, &tasks, stop.clone());
    let told = match side {
        Side::Serve => tokio::time::timeout(PACE.patience, conformance::serve(&radio))
            .await
            .map_err(|_elapsed| "nobody said that it was over".to_owned())?
            .map(|()| "served".to_owned()),
        Side::Visit => conformance::visit(&radio, &Dialler, PACE)
            .await
            .map(|kept| kept.join("\n")),
    };
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    told
}

/// Connects by way of bluetoothd alone, which looks at the services of the peer and touches none of them.
struct Dialler;

impl Stranger for Dialler {
    fn stand_by<'a>(&'a self, peer: &'a PeerAddress) -> StandingBy<'a> {
        Box::pin(async move { stand_by(peer).await.map_err(|error| error.to_string()) })
    }
}

async fn stand_by(peer: &PeerAddress) -> bluer::Result<Duration> {
    let session = bluer::Session::new().await?;
    let adapter = session.default_adapter().await?;
    let device = adapter.device(address(peer)?)?;
    let mut dials = 1..DIALS_MAX;
    while let Err(error) = device.connect().await {
        if dials.next().is_none() {
            return Err(error);
        }
        tokio::time::sleep(DIAL_PAUSE).await;
    }
    let since = Instant::now();
    while device.is_connected().await? {
        tokio::time::sleep(LOOK_PAUSE).await;
    }

    Ok(since.elapsed())
}

/// Reads the address in a peer as the radio writes it: `hci0/dev_00_1B_DC_0A_00_02`.
fn address(peer: &PeerAddress) -> bluer::Result<bluer::Address> {
    let name = peer.as_str();
    let digits = name.rsplit_once("dev_").map_or(name, |(_adapter, it)| it);

    Ok(digits.replace('_', ":").parse()?)
}

/// BlueZ aborts some connections for reasons of its own.
const DIALS_MAX: u32 = 5;
const DIAL_PAUSE: Duration = Duration::from_secs(1);
const LOOK_PAUSE: Duration = Duration::from_millis(100);
