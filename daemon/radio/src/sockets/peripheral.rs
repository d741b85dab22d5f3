//! The payee's side of the simulated air.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ble_proto::gatt::RequestTag;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Air;
use super::connection::{Arrived, Connection, Side};
use crate::peripheral::{EventSender, PeripheralCommand, PeripheralTask};
use crate::{LinkId, RadioError, limits};

/// A device that serves: its socket and its beacon, both removed when dropped.
pub(super) struct ServingDevice {
    air: Arc<Air>,
    info: Vec<u8>,
    listener: UnixListener,
    socket: PathBuf,
    beacon: PathBuf,
}

impl ServingDevice {
    pub(super) fn open(air: Arc<Air>, info: Vec<u8>) -> Result<Self, RadioError> {
        let mut address = [0; 6];
        host::entropy::fill(&mut address).map_err(|error| RadioError::Failed(error.to_string()))?;
        let address = hex::encode(address);
        let socket = air.path(&address, "sock");
        let listener =
            UnixListener::bind(&socket).map_err(|error| RadioError::Failed(error.to_string()))?;

        Ok(Self {
            beacon: air.path(&address, "tags"),
            air,
            info,
            listener,
            socket,
        })
    }

    /// Writes the beacon anew, so that who scans hears it once more.
    fn transmit_beacon(&self, tags: &[RequestTag]) {
        let lines: String = tags
            .iter()
            .take(limits::ADVERTISED_TAGS_MAX)
            .map(|RequestTag(tag)| hex::encode(tag) + "\n")
            .collect();
        let next = self.beacon.with_extension("next");
        let written =
            std::fs::write(&next, lines).and_then(|()| std::fs::rename(&next, &self.beacon));
        if let Err(error) = written {
            tracing::warn!(%error, "Cannot advertise on the simulated air");
        }
    }

    fn end_beacon(&self) {
        // There is none before the first.
        let _missing = std::fs::remove_file(&self.beacon);
    }
}

impl Drop for ServingDevice {
    fn drop(&mut self) {
        self.end_beacon();
        // A directory that is gone has no socket to remove.
        let _missing = std::fs::remove_file(&self.socket);
    }
}

/// A link's way in.
struct LinkHandle {
    sends: mpsc::Sender<Send>,
    stop: CancellationToken,
    /// Whether the central has greeted.
    is_up: Arc<AtomicBool>,
}

impl LinkHandle {
    fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }
}

/// One frame to notify, and who waits for it.
struct Send {
    bytes: Vec<u8>,
    done: oneshot::Sender<Result<(), RadioError>>,
}

/// Serves until the peripheral is dropped.
pub(super) async fn run(device: ServingDevice, mut task: PeripheralTask, tasks: &TaskTracker) {
    let mut tags = Vec::new();
    let mut links = BTreeMap::new();
    let (ended_in, mut ended) = mpsc::channel(limits::LINKS_MAX);
    let mut beacons = tokio::time::interval(device.air.beacon_interval());
    loop {
        tokio::select! {
            biased; // a stop is never starved by a chatty peer
            () = task.stop.cancelled() => break,
            Some(link) = ended.recv() => { links.remove(&link); }
            command = task.commands.recv() => match command {
                Some(PeripheralCommand::SetAdvertised(wanted)) => {
                    tags = wanted;
                    device.end_beacon();
                    beacons.reset_immediately();
                }
                Some(PeripheralCommand::Send { link, bytes, done }) => send(&links, link, Send { bytes, done }),
                Some(PeripheralCommand::Disconnect { link, done }) => disconnect(&links, link, done),
                None => break,
            },
            Ok((stream, _address)) = device.listener.accept(), if has_room(&links) => {
                make_room(&mut links);
                let (id, link, way) = open_link(&device, &task);
                links.insert(id, link);
                let ended = ended_in.clone();
                tasks.spawn(async move {
                    serve_link(id, stream, way).await;
                    // Nobody minds when the device is off the air.
                    let _gone = ended.send(id).await;
                });
            }
            _tick = beacons.tick(), if !tags.is_empty() => {
                if !device.air.is_cut() {
                    device.transmit_beacon(&tags);
                }
            }
        }
    }
}

fn has_room(links: &BTreeMap<LinkId, LinkHandle>) -> bool {
    links.len() < limits::LINKS_MAX || links.values().any(|link| !link.is_up())
}

/// Ends the link of the central that came first of those that have said nothing, if there is no room otherwise.
fn make_room(links: &mut BTreeMap<LinkId, LinkHandle>) {
    if links.len() < limits::LINKS_MAX {
        return;
    }
    let silent = links.iter().find(|(_, link)| !link.is_up());
    if let Some(id) = silent.map(|(id, _)| *id)
        && let Some(link) = links.remove(&id)
    {
        link.stop.cancel();
    }
}

fn send(links: &BTreeMap<LinkId, LinkHandle>, link: LinkId, send: Send) {
    let refused = match links.get(&link) {
        Some(link) => match link.sends.try_send(send) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(send)) => (send.done, RadioError::TimedOut),
            Err(mpsc::error::TrySendError::Closed(send)) => (send.done, RadioError::PeerGone),
        },
        None => (send.done, RadioError::PeerGone),
    };
    // Who asked may have stopped waiting.
    let _gone = refused.0.send(Err(refused.1));
}

fn disconnect(
    links: &BTreeMap<LinkId, LinkHandle>,
    link: LinkId,
    done: oneshot::Sender<Result<(), RadioError>>,
) {
    let found = links.get(&link).ok_or(RadioError::PeerGone);
    // Who asked may have stopped waiting.
    let _gone = done.send(found.map(|link| link.stop.cancel()));
}

/// A link's task's end.
struct LinkWay {
    air: Arc<Air>,
    info: Vec<u8>,
    sends: mpsc::Receiver<Send>,
    events: EventSender,
    stop: CancellationToken,
    is_up: Arc<AtomicBool>,
}

fn open_link(device: &ServingDevice, task: &PeripheralTask) -> (LinkId, LinkHandle, LinkWay) {
    let (sends_in, sends) = mpsc::channel(limits::COMMANDS_MAX);
    let stop = task.stop.child_token();
    let is_up = Arc::new(AtomicBool::new(false));
    let link = LinkHandle {
        sends: sends_in,
        stop: stop.clone(),
        is_up: Arc::clone(&is_up),
    };
    let way = LinkWay {
        air: Arc::clone(&device.air),
        info: device.info.clone(),
        sends,
        events: task.events.clone(),
        stop,
        is_up,
    };

    (LinkId::fresh(), link, way)
}

async fn serve_link(id: LinkId, stream: UnixStream, mut way: LinkWay) {
    let greeting = Connection::greet(way.air, stream, Side::Peripheral, &way.info);
    let greeting = tokio::time::timeout(limits::SILENCE_MAX, greeting);
    let Some(Ok(Ok(mut connection))) = way.stop.run_until_cancelled(greeting).await else {
        return;
    };
    way.is_up.store(true, Ordering::Relaxed);
    let events = way.events.link_up(id, connection.chunk_max()).await;
    loop {
        tokio::select! {
            biased; // a stop is never starved by a chatty peer
            () = way.stop.cancelled() => break,
            send = way.sends.recv() => {
                let Some(send) = send else { break };
                let sent = connection.send(send.bytes).await;
                let broken = sent == Err(RadioError::PeerGone);
                // Who asked may have stopped waiting.
                let _gone = send.done.send(sent);
                if broken {
                    break;
                }
            }
            arrived = connection.next() => match arrived {
                // as BlueZ does with a longer write
                Arrived::Frame(bytes) if bytes.len() > limits::WRITE_SIZE_MAX => {}
                Arrived::Frame(bytes) => events.received(bytes),
                Arrived::End => break,
            },
        }
    }
    drop(connection);
    events.down().await;
}
