//! Connecting to a payee, and the link that comes of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ble_proto::gatt::{C2S_UUID, INFO_UUID, S2C_UUID, SERVICE_UUID};
use btleplug::api::{CharPropFlags, Characteristic, Peripheral as _, ValueNotification, WriteType};
use btleplug::platform::Peripheral;
use futures::stream::{Stream, StreamExt};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use uuid::Uuid;

use super::adapter::Adapter;
use super::order::{FrameOrder, Ordered};
use super::shared::Shared;
use super::signals::{DeviceChange, DeviceNow};
use crate::limits::MISSING_MAX;
use crate::link::{LinkTask, Write};
use crate::{AbsentReason, CentralLink, PeerAddress, RadioError, limits};

/// Connects on behalf of the task that holds the other end of `done`, then runs the link until it ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    peer: PeerAddress,
    mut done: oneshot::Sender<Result<CentralLink, RadioError>>,
) {
    let Some(peripheral) = shared.peers.find(&peer) else {
        // Who asked may have stopped waiting.
        let _gone = done.send(Err(RadioError::PeerGone));
        return;
    };
    // From before the first attempt until after the disconnect.
    let _dialled = shared.adapters.dialled.enter(address(&peripheral));
    let connected = tokio::select! {
        biased; // a stop is never starved
        () = shared.stop.cancelled() => Err(RadioError::Stopped),
        () = done.closed() => Err(RadioError::Stopped),
        connected = connect(&shared, &peer, &peripheral) => connected,
    };
    let connected = match connected {
        Ok(connected) => connected,
        Err(error) => {
            let _gone = done.send(Err(error));
            // Giving up on a connect does not cancel it.
            let _leaving = shared.leaving.enter(&peer);
            disconnect(&peripheral).await;
            return;
        }
    };
    shared.peers.is_fine(&peer);
    let (link, task) = CentralLink::new(connected.info.clone(), connected.chunk_max);
    // If nobody waits, the link is dropped here and with it disconnected below.
    let _gone = done.send(Ok(link));
    carry(&shared, &peer, &peripheral, connected, task).await;
}

/// A connection that is ready: `INFO` read, subscribed.
struct Ready {
    info: Vec<u8>,
    chunk_max: usize,
    c2s: Characteristic,
    notifications: Notifications,
    adapter: watch::Receiver<Option<Arc<Adapter>>>,
    devices: broadcast::Receiver<DeviceChange>,
}

type Notifications = Pin<Box<dyn Stream<Item = ValueNotification> + Send>>;

/// Waits for the turn to connect and for the scan to pause; then tries, and tries again.
async fn connect(
    shared: &Shared,
    peer: &PeerAddress,
    peripheral: &Peripheral,
) -> Result<Ready, RadioError> {
    let mut adapter = shared.adapters.current.clone();
    if adapter.borrow_and_update().is_none() {
        return Err(RadioError::Absent(AbsentReason::NoAdapter));
    }
    let connecting = async {
        shared.leaving.wait_for(peer).await;
        let _turn = shared.connect_turn.acquire().await;
        let _pause = Pause::begin(&shared.pauses);
        let mut scanning = shared.scanning.subscribe();
        // The sender lives as long as the radio.
        drop(scanning.wait_for(|scanning| !scanning).await);

        attempt_again_and_again(shared, peer, peripheral).await
    };
    tokio::select! {
        biased; // an adapter that is gone answers nothing
        _changed = adapter.changed() => Err(RadioError::Absent(AbsentReason::NoAdapter)),
        connected = tokio::time::timeout(limits::CONNECT_TIMEOUT, connecting) => {
            connected.map_err(|_elapsed| RadioError::TimedOut)?
        }
    }
}

async fn attempt_again_and_again(
    shared: &Shared,
    peer: &PeerAddress,
    peripheral: &Peripheral,
) -> Result<Ready, RadioError> {
    let mut pauses = RETRY_PAUSES.iter();
    loop {
        let attempt = tokio::time::timeout(ATTEMPT_TIMEOUT, attempt(shared, peripheral)).await;
        let error = match attempt {
            Ok(Ok(ready)) => return Ok(ready),
            Ok(Err(AttemptError::Final(error))) => return Err(error),
            Ok(Err(AttemptError::Stale(error))) => {
                return Err(forget_table(shared, peer, peripheral, error).await);
            }
            Ok(Err(AttemptError::Passing(error))) => error.to_string(),
            Err(_elapsed) => "took too long".to_owned(),
        };
        tracing::debug!(error, "Could not connect");
        disconnect(peripheral).await;
        let Some(pause) = pauses.next() else {
            return Err(RadioError::PeerGone);
        };
        tokio::time::sleep(*pause).await;
    }
}

/// Why one attempt failed.
enum AttemptError {
    /// As BlueZ aborts connections for reasons of its own.
    Passing(btleplug::Error),
    /// The peer's table of attributes is not what BlueZ remembers, or not ours.
    Stale(RadioError),
    Final(RadioError),
}

impl From<btleplug::Error> for AttemptError {
    fn from(error: btleplug::Error) -> Self {
        let text = error.to_string();
        // BlueZ has forgotten the device: only a scan finds it again.
        let forgotten = ["UnknownObject", "doesn't exist", "UnknownMethod"]
            .iter()
            .any(|sign| text.contains(sign));
        if forgotten || matches!(error, btleplug::Error::DeviceNotFound) {
            return Self::Final(RadioError::PeerGone);
        }

        Self::Passing(error)
    }
}

async fn attempt(shared: &Shared, peripheral: &Peripheral) -> Result<Ready, AttemptError> {
    let begun = Instant::now();
    let devices = shared.adapters.devices.subscribe();
    let mut adapter = shared.adapters.current.clone();
    adapter.mark_unchanged();
    peripheral.connect().await?;
    let connected = begun.elapsed();
    peripheral.discover_services().await?;
    let discovered = begun.elapsed();

    let info = find(peripheral, INFO_UUID, CharPropFlags::READ)?;
    let c2s = find(peripheral, C2S_UUID, CharPropFlags::WRITE_WITHOUT_RESPONSE)?;
    let s2c = find(peripheral, S2C_UUID, CharPropFlags::NOTIFY)?;
    let notifications = peripheral.notifications().await?;
    let info = peripheral.read(&info).await.map_err(gatt_error)?;
    peripheral.subscribe(&s2c).await.map_err(gatt_error)?;
    tracing::debug!(
        connected_ms = connected.as_millis(),
        discovered_ms = discovered.as_millis(),
        subscribed_ms = begun.elapsed().as_millis(),
        mtu = peripheral.mtu(),
        "Connected to a payee"
    );

    Ok(Ready {
        info,
        chunk_max: limits::write_chunk_max(peripheral.mtu().into()),
        c2s,
        notifications,
        adapter,
        devices,
    })
}

fn find(
    peripheral: &Peripheral,
    uuid: u128,
    property: CharPropFlags,
) -> Result<Characteristic, AttemptError> {
    let service = Uuid::from_u128(SERVICE_UUID);
    let uuid = Uuid::from_u128(uuid);

    peripheral
        .services()
        .into_iter()
        .filter(|found| found.uuid == service)
        .flat_map(|found| found.characteristics)
        .find(|found| found.uuid == uuid && found.properties.contains(property))
        .ok_or(AttemptError::Stale(RadioError::PeerIncompatible(
            "a characteristic is missing",
        )))
}

/// Sorts out what the peer itself refused: an attribute that is not what we take it for.
fn gatt_error(error: btleplug::Error) -> AttemptError {
    let text = error.to_string();
    let refused = ["not permitted", "ATT error", "NotPermitted", "NotSupported"]
        .iter()
        .any(|sign| text.contains(sign));
    if refused {
        return AttemptError::Stale(RadioError::PeerIncompatible("a characteristic refuses"));
    }

    error.into()
}

/// Makes BlueZ forget the peer, and with it the table of attributes that it remembers; says what to
/// tell who connects.
///
/// A payee heard again after that is looked at afresh. Once is enough: who is still wrong then is
/// wrong.
async fn forget_table(
    shared: &Shared,
    peer: &PeerAddress,
    peripheral: &Peripheral,
    error: RadioError,
) -> RadioError {
    if !shared.peers.forget(peer) {
        return error;
    }
    tracing::info!(%error, "A payee is not as BlueZ remembers it; looking again");
    let Some(adapter) = shared.adapters.current.borrow().clone() else {
        return RadioError::PeerGone;
    };
    let forgotten = adapter.peripheral.remove_device(address(peripheral)).await;
    if let Err(error) = forgotten {
        tracing::debug!(%error, "BlueZ did not forget a payee");
    }

    RadioError::PeerGone
}

/// Carries frames until either side ends the link.
async fn carry(
    shared: &Shared,
    peer: &PeerAddress,
    peripheral: &Peripheral,
    ready: Ready,
    task: LinkTask,
) {
    let Ready {
        c2s,
        notifications,
        mut adapter,
        devices,
        ..
    } = ready;
    let ended = tokio::select! {
        biased; // a stop is never starved by a chatty peer
        () = shared.stop.cancelled() => LinkEnd::Here,
        () = task.stop.cancelled() => LinkEnd::Here,
        _changed = adapter.changed() => LinkEnd::There,
        () = gone(peripheral, devices) => LinkEnd::There,
        () = write(peripheral, &c2s, task.writes) => LinkEnd::Here,
        () = hear(notifications, &task.notifications) => LinkEnd::There,
    };
    // Tells the owner before the disconnect, which takes a while.
    drop(task.notifications);
    match ended {
        LinkEnd::Here => {
            let _leaving = shared.leaving.enter(peer);
            disconnect(peripheral).await;
        }
        LinkEnd::There => tracing::debug!("A payee has gone"),
    }
    drop(task.ended);
}

enum LinkEnd {
    Here,
    There,
}

/// Returns once the peer has disconnected.
async fn gone(peripheral: &Peripheral, mut devices: broadcast::Receiver<DeviceChange>) {
    let address = address(peripheral);
    loop {
        match devices.recv().await {
            Ok(change) if change.address != address => continue,
            Ok(change) => match change.now {
                DeviceNow::Appeared | DeviceNow::Connected => continue,
                DeviceNow::Disconnected | DeviceNow::Forgotten => {}
            },
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
        // The signal may be late and tell of the connection before.
        if !matches!(peripheral.is_connected().await, Ok(true)) {
            return;
        }
    }
}

/// Writes one frame after the other: BlueZ refuses writes that overlap.
async fn write(peripheral: &Peripheral, c2s: &Characteristic, mut writes: mpsc::Receiver<Write>) {
    while let Some(Write { bytes, done }) = writes.recv().await {
        let written = peripheral
            .write(c2s, &bytes, WriteType::WithoutResponse)
            .await;
        let broken = written.is_err();
        if let Err(error) = &written {
            tracing::debug!(%error, "Could not write");
        }
        // The writer may have stopped waiting.
        let _gone = done.send(written.map_err(|_broken| RadioError::PeerGone));
        if broken {
            return;
        }
    }
}

/// Hands notifications to the owner, in the order in which they were sent.
async fn hear(mut notifications: Notifications, owner: &mpsc::Sender<Vec<u8>>) {
    let s2c = Uuid::from_u128(S2C_UUID);
    let mut order = FrameOrder::default();
    let mut missing: Option<(u8, tokio::time::Instant)> = None;
    loop {
        let patience = async {
            match missing {
                Some((_counter, until)) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let due = tokio::select! {
            notification = notifications.next() => match notification {
                Some(notification) if notification.uuid == s2c => {
                    let (due, waits_for) = match order.push(notification.value) {
                        Ordered::Now(due) => (due, None),
                        Ordered::Held(due, counter) => {
                            tracing::trace!(counter, "A frame was overtaken");
                            (due, Some(counter))
                        }
                    };
                    missing = still_missing(missing, waits_for);
                    due
                }
                Some(_another) => continue,
                None => return,
            },
            () = patience => match missing.take() {
                Some((counter, _until)) => order.give_up(counter),
                None => continue,
            },
        };
        for bytes in due {
            if owner.try_send(bytes).is_err() {
                tracing::debug!("Dropped a notification: too many are unread");
            }
        }
    }
}

/// Returns what is missing and how long to wait for it: a frame missed before keeps its time.
fn still_missing(
    before: Option<(u8, tokio::time::Instant)>,
    counter: Option<u8>,
) -> Option<(u8, tokio::time::Instant)> {
    let counter = counter?;
    if let Some(before) = before.filter(|(missed, _until)| *missed == counter) {
        return Some(before);
    }
    let until = tokio::time::Instant::now().checked_add(MISSING_MAX)?;

    Some((counter, until))
}

fn address(peripheral: &Peripheral) -> bluer::Address {
    bluer::Address::new(peripheral.address().into_inner())
}

async fn disconnect(peripheral: &Peripheral) {
    match tokio::time::timeout(DISCONNECT_TIMEOUT, peripheral.disconnect()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "Could not disconnect"),
        Err(_elapsed) => tracing::debug!("Disconnecting takes long"),
    }
}

/// Holds the scan back while it lives.
struct Pause<'a>(&'a watch::Sender<usize>);

impl<'a> Pause<'a> {
    fn begin(pauses: &'a watch::Sender<usize>) -> Self {
        pauses.send_modify(|pauses| *pauses = pauses.saturating_add(1));

        Self(pauses)
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0
            .send_modify(|pauses| *pauses = pauses.saturating_sub(1));
    }
}

/// What BlueZ aborts for reasons of its own passes after a moment.
const RETRY_PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(900),
    Duration::from_millis(1250),
];

const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// BlueZ waits two seconds before it disconnects.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(4);
