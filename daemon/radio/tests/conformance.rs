//! The simulated air keeps what every radio promises; BlueZ is tried with the same by `cargo boards radio`.

use std::time::Duration;

use kit::conformance::{Pace, serve, visit};
use radio::sim::{SimAir, SimRadio};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const PACE: Pace = Pace {
    settles_in: Duration::from_millis(200),
    silence: Duration::from_millis(400),
    patience: Duration::from_secs(300),
};

#[tokio::test]
async fn the_simulated_air_keeps_what_every_radio_promises() {
    for mtu in [23, 185, 517] {
        let folder = tempfile::tempdir().expect("a folder");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let radio = |mtu| {
            let mut air = SimAir::new(folder.path());
            air.beacon_interval_ms = 20;
            air.mtu = mtu;
            SimRadio::start(air, &tasks, stop.clone())
        };
        let (server, visitor) = (radio(517), radio(mtu));

        let (served, kept) = tokio::join!(serve(&server), visit(&visitor, PACE));

        assert_eq!(served, Ok(()), "at MTU {mtu}");
        assert_eq!(kept.map(|kept| kept.len()), Ok(7), "at MTU {mtu}");
    }
}
