//! BlueZ and what every radio promises.

use std::time::Duration;

use kit::conformance::{self, Pace};
use radio::bluez::{BluezConfig, BluezRadio};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Side;

/// Boards are emulated, and BlueZ tells of what it has heard a while ago.
const PACE: Pace = Pace {
    settles_in: Duration::from_secs(10),
    silence: Duration::from_secs(10),
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
        Side::Visit => conformance::visit(&radio, PACE)
            .await
            .map(|kept| kept.join("\n")),
    };
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    told
}
