//! The payer's side of the simulated air.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use ble_proto::gatt::{REQUEST_TAG_SIZE, RequestTag};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Air;
use super::connection::{Arrived, Connection, Side};
use crate::link::LinkTask;
use crate::scan::ScanTask;
use crate::{CentralLink, PeerAddress, RadioError, Seen, limits};

/// Listens to the beacons in the air's directory until the scan is dropped.
pub(super) async fn scan(air: Arc<Air>, task: ScanTask) {
    let mut heard = BTreeMap::new();
    // Twice as often as a beacon is written: each is heard, and soon.
    let mut ticks = tokio::time::interval(air.beacon_interval().div_f32(2.0));
    let begun = SystemTime::now();
    loop {
        tokio::select! {
            biased; // a stop is never starved
            () = task.stop.cancelled() => return,
            _tick = ticks.tick() => {
                if !air.is_cut() {
                    hear(&air, begun, &mut heard, &task);
                }
            }
        }
    }
}

/// Reports each beacon that was written after `begun` and since the last look.
fn hear(air: &Air, begun: SystemTime, heard: &mut BTreeMap<String, SystemTime>, task: &ScanTask) {
    let Ok(entries) = std::fs::read_dir(&air.config.dir) else {
        return;
    };
    for entry in entries.flatten().take(limits::PEERS_MAX.saturating_mul(4)) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(address) = name.strip_suffix(".tags") else {
            continue;
        };
        let Ok(written) = entry.metadata().and_then(|metadata| metadata.modified()) else {
            continue;
        };
        // The clock of files may lag behind the system's by a tick.
        let fresh_since = begun.checked_sub(air.beacon_interval()).unwrap_or(begun);
        if written < fresh_since || heard.get(address) == Some(&written) {
            continue;
        }
        heard.insert(address.to_owned(), written);
        let Ok(beacon) = std::fs::read_to_string(entry.path()) else {
            continue;
        };
        for tag in beacon.lines().filter_map(parse_tag) {
            task.seen(Seen {
                peer: PeerAddress::new(address),
                tag,
                rssi: None,
                at: Instant::now(),
            });
        }
    }
}

fn parse_tag(line: &str) -> Option<RequestTag> {
    let mut tag = [0; REQUEST_TAG_SIZE];
    hex::decode_to_slice(line, &mut tag).ok()?;

    Some(RequestTag(tag))
}

/// Connects to a device of the air and starts the link's task.
pub(super) async fn connect(
    air: Arc<Air>,
    peer: &PeerAddress,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Result<CentralLink, RadioError> {
    let is_address = peer.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_address || air.is_cut() {
        return Err(RadioError::PeerGone);
    }
    let stream = UnixStream::connect(air.path(peer.as_str(), "sock"))
        .await
        .map_err(|_nobody| RadioError::PeerGone)?;
    let connection = Connection::greet(air, stream, Side::Central, &[]).await?;
    let (link, task) = CentralLink::new(connection.info(), connection.chunk_max());
    tasks.spawn(run(connection, task, stop.clone()));

    Ok(link)
}

async fn run(mut connection: Connection, mut task: LinkTask, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased; // a stop is never starved by a chatty peer
            () = stop.cancelled() => break,
            () = task.stop.cancelled() => break,
            write = task.writes.recv() => {
                let Some(write) = write else { break };
                let sent = connection.send(write.bytes).await;
                let broken = sent == Err(RadioError::PeerGone);
                // The writer may have stopped waiting.
                let _gone = write.done.send(sent);
                if broken {
                    break;
                }
            }
            arrived = connection.next() => match arrived {
                Arrived::Frame(bytes) => {
                    if task.notifications.try_send(bytes).is_err() {
                        tracing::debug!("Dropped a notification: too many are unread");
                    }
                }
                Arrived::End => break,
            },
        }
    }
    drop(connection);
    drop(task.ended);
}
