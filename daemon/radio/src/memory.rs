//! The air of the world of tests: devices of one process, and a [`Weather`] that decides what arrives.
//!
//! It exists under `--cfg blepay_world` alone. What a radio promises (see [`super`]) it keeps, whatever the
//! weather, but for [`Fate::ArrivesTwice`]: that is a peer which repeats frames.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ble_proto::gatt::RequestTag;
use futures::future::{BoxFuture, FutureExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::link::LinkTask;
use super::peripheral::{PeripheralCommand, PeripheralTask};
use super::scan::ScanTask;
use super::{
    CentralLink, LinkId, PeerAddress, Peripheral, Radio, RadioError, RadioState, Scan, Seen, limits,
};

/// The time between two looks at what is advertised.
const BEACON_INTERVAL: Duration = Duration::from_millis(200);

/// A device, as the air tells them apart.
pub type Place = u32;

/// Decides what the air does.
pub trait Weather: Send + Sync + 'static {
    /// Whether `listener` hears the advertisements of `sender` now.
    fn hears(&self, listener: Place, sender: Place) -> bool;
    /// Returns the link that comes about; none when they do not reach each other.
    fn connects(&self, central: Place, peripheral: Place) -> Option<Reach>;
    /// Returns what becomes of a frame on a link.
    fn frame(&self, from: Place, to: Place) -> Fate;
}

/// A link that comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// What connecting takes.
    pub after: Duration,
    /// The ATT MTU that is agreed.
    pub mtu: usize,
    /// When the link breaks by itself.
    pub breaks_after: Option<Duration>,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives after a time, and never before one that was sent before it.
    Arrives(Duration),
    /// It arrives, and once more.
    ArrivesTwice(Duration),
    /// It vanishes.
    Vanishes,
    /// The link breaks instead.
    Breaks,
}

/// The air that all devices of a world share. Cloning it is cheap.
#[derive(Clone)]
pub struct MemoryAir {
    served: Arc<Mutex<AirState>>,
    weather: Arc<dyn Weather>,
}

impl std::fmt::Debug for MemoryAir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryAir").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct AirState {
    devices: BTreeMap<String, AirDevice>,
    addresses_given: u64,
}

#[derive(Debug)]
struct AirDevice {
    place: Place,
    tags: Vec<RequestTag>,
    info: Vec<u8>,
    centrals: mpsc::Sender<ArrivingCentral>,
}

/// A central that connects, and its two ways.
#[derive(Debug)]
struct ArrivingCentral {
    mtu: usize,
    out: Out,
    incoming: In,
}

impl MemoryAir {
    /// Makes an air without devices.
    #[must_use]
    pub fn new(weather: Arc<dyn Weather>) -> Self {
        Self {
            served: Arc::default(),
            weather,
        }
    }

    /// Returns the tags that a device advertises now.
    #[must_use]
    pub fn advertised(&self, place: Place) -> Vec<RequestTag> {
        let served = self.served();
        let of_place = served.devices.values().filter(|it| it.place == place);

        of_place.flat_map(|device| device.tags.clone()).collect()
    }

    fn served(&self) -> MutexGuard<'_, AirState> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn way(&self, from: Place, to: Place) -> (Out, In) {
        let (frames_in, frames) = mpsc::channel(limits::LINK_FRAMES_MAX);
        let out = Out {
            weather: Arc::clone(&self.weather),
            from,
            to,
            frames: frames_in,
            last: Instant::now(),
        };

        (out, In { frames, held: None })
    }
}

/// The radio of one device of the world.
#[derive(Debug)]
pub struct MemoryRadio {
    air: MemoryAir,
    place: Place,
    tasks: TaskTracker,
    stop: CancellationToken,
    state: watch::Sender<RadioState>,
}

impl MemoryRadio {
    /// Enters the air. Its tasks belong to `tasks` and end when `stop` is cancelled.
    #[must_use]
    pub fn start(
        air: MemoryAir,
        place: Place,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self {
            air,
            place,
            tasks: tasks.clone(),
            stop,
            state: watch::Sender::new(RadioState::Present {
                hidden: None,
                adapter: "memory".to_owned(),
            }),
        }
    }
}

impl Radio for MemoryRadio {
    fn serve(&self, info: Vec<u8>) -> BoxFuture<'_, Result<Peripheral, RadioError>> {
        async move {
            let (peripheral, task) = Peripheral::new(self.stop.child_token());
            let (centrals_in, centrals) = mpsc::channel(limits::LINKS_MAX);
            let mut served = self.air.served();
            if served.devices.values().any(|it| it.place == self.place) {
                return Err(RadioError::Busy);
            }
            served.addresses_given = served.addresses_given.saturating_add(1);
            let address = format!("{:012x}", served.addresses_given);
            let device = AirDevice {
                place: self.place,
                tags: Vec::new(),
                info,
                centrals: centrals_in,
            };
            let _none_before = served.devices.insert(address.clone(), device);
            drop(served);
            let serving = MemoryPeripheral {
                air: self.air.clone(),
                address,
                tasks: self.tasks.clone(),
                links: BTreeMap::new(),
            };
            host::task::spawn(&self.tasks, serving.run(task, centrals));

            Ok(peripheral)
        }
        .boxed()
    }

    fn scan(&self) -> BoxFuture<'_, Result<Scan, RadioError>> {
        async move {
            let (scan, task) = Scan::new(self.stop.child_token());
            host::task::spawn(&self.tasks, listen(self.air.clone(), self.place, task));

            Ok(scan)
        }
        .boxed()
    }

    fn connect(&self, peer: PeerAddress) -> BoxFuture<'_, Result<CentralLink, RadioError>> {
        async move {
            let there = self
                .air
                .served()
                .devices
                .get(peer.as_str())
                .map(|it| it.place);
            let there = there.ok_or(RadioError::PeerGone)?;
            let reach = self
                .air
                .weather
                .connects(self.place, there)
                .ok_or(RadioError::PeerGone)?;
            sleep(reach.after).await;
            let (to_peer, from_central) = self.air.way(self.place, there);
            let (to_central, from_peer) = self.air.way(there, self.place);
            let central = ArrivingCentral {
                mtu: reach.mtu,
                out: to_central,
                incoming: from_central,
            };
            let served = self.air.served();
            let device = served.devices.get(peer.as_str());
            let device = device.ok_or(RadioError::PeerGone)?;
            let connected = device.centrals.try_send(central);
            connected.map_err(|_full_or_gone| RadioError::PeerGone)?;
            let chunk_max = limits::write_chunk_max(reach.mtu);
            let (link, task) = CentralLink::new(device.info.clone(), chunk_max);
            drop(served);
            let ends = reach.breaks_after;
            let running = run_central(task, to_peer, from_peer, ends, self.stop.clone());
            host::task::spawn(&self.tasks, running);

            Ok(link)
        }
        .boxed()
    }

    fn state(&self) -> watch::Receiver<RadioState> {
        self.state.subscribe()
    }
}

async fn listen(air: MemoryAir, place: Place, task: ScanTask) {
    let mut ticks = tokio::time::interval(BEACON_INTERVAL);
    loop {
        tokio::select! {
            biased; // a stop is never starved
            () = task.stop.cancelled() => return,
            _tick = ticks.tick() => {
                for (address, device) in &air.served().devices {
                    if !air.weather.hears(place, device.place) {
                        continue;
                    }
                    for tag in &device.tags {
                        task.seen(Seen {
                            peer: PeerAddress::new(address),
                            tag: *tag,
                            rssi: None,
                            at: Instant::now().into_std(),
                        });
                    }
                }
            }
        }
    }
}

/// Where the frames of one direction go in.
struct Out {
    weather: Arc<dyn Weather>,
    from: Place,
    to: Place,
    frames: mpsc::Sender<(Instant, Vec<u8>)>,
    last: Instant,
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out").finish_non_exhaustive()
    }
}

impl Out {
    fn send(&mut self, bytes: Vec<u8>) -> Result<(), RadioError> {
        host::trace("frame", &bytes);
        let (after, again) = match self.weather.frame(self.from, self.to) {
            Fate::Arrives(after) => (after, None),
            Fate::ArrivesTwice(after) => (after, Some(bytes.clone())),
            Fate::Vanishes => return Ok(()),
            Fate::Breaks => return Err(RadioError::PeerGone),
        };
        let at = Instant::now().checked_add(after).unwrap_or(self.last);
        self.last = self.last.max(at);
        for bytes in std::iter::once(bytes).chain(again) {
            match self.frames.try_send((self.last, bytes)) {
                // a flood loses frames
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => {}
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(RadioError::PeerGone),
            }
        }

        Ok(())
    }
}

/// Where the frames of one direction come out.
#[derive(Debug)]
struct In {
    frames: mpsc::Receiver<(Instant, Vec<u8>)>,
    held: Option<(Instant, Vec<u8>)>,
}

impl In {
    /// Returns the next frame when it arrives; `None` at the end. Cancel safe.
    async fn next(&mut self) -> Option<Vec<u8>> {
        if self.held.is_none() {
            self.held = Some(self.frames.recv().await?);
        }
        if let Some((at, _)) = &self.held {
            sleep_until(*at).await;
        }

        self.held.take().map(|(_, bytes)| bytes)
    }
}

async fn run_central(
    mut task: LinkTask,
    mut out: Out,
    mut incoming: In,
    breaks_after: Option<Duration>,
    stop: CancellationToken,
) {
    let breaking = async {
        match breaks_after {
            Some(after) => sleep(after).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(breaking);
    loop {
        tokio::select! {
            biased; // a stop is never starved by a chatty peer
            () = stop.cancelled() => break,
            () = task.stop.cancelled() => break,
            () = &mut breaking => break,
            write = task.writes.recv() => {
                let Some(write) = write else { break };
                let sent = out.send(write.bytes);
                let is_broken = sent.is_err();
                let _gone = write.done.send(sent);
                if is_broken {
                    break;
                }
            }
            frame = incoming.next() => {
                let Some(bytes) = frame else { break };
                let _unread = task.notifications.try_send(bytes);
            }
        }
    }
    drop(task.ended);
}

/// A device that serves; off the air when dropped.
struct MemoryPeripheral {
    air: MemoryAir,
    address: String,
    tasks: TaskTracker,
    links: BTreeMap<LinkId, (Out, CancellationToken)>,
}

impl Drop for MemoryPeripheral {
    fn drop(&mut self) {
        let _device = self.air.served().devices.remove(&self.address);
    }
}

impl MemoryPeripheral {
    async fn run(
        mut self,
        mut task: PeripheralTask,
        mut centrals: mpsc::Receiver<ArrivingCentral>,
    ) {
        let (ended_in, mut ended) = mpsc::channel(limits::LINKS_MAX);
        loop {
            tokio::select! {
                biased; // a stop is never starved by a chatty peer
                () = task.stop.cancelled() => break,
                Some(link) = ended.recv() => { let _ended = self.links.remove(&link); }
                command = task.commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => break,
                },
                Some(central) = centrals.recv() => self.connected(central, &task, &ended_in),
            }
        }
    }

    fn command(&mut self, command: PeripheralCommand) {
        match command {
            PeripheralCommand::SetAdvertised(tags) => {
                if let Some(device) = self.air.served().devices.get_mut(&self.address) {
                    device.tags = tags;
                    device.tags.truncate(limits::ADVERTISED_TAGS_MAX);
                }
            }
            PeripheralCommand::Send { link, bytes, done } => {
                let sent = match self.links.get_mut(&link) {
                    Some((out, stop)) => out.send(bytes).inspect_err(|_broken| stop.cancel()),
                    None => Err(RadioError::PeerGone),
                };
                let _gone = done.send(sent);
            }
            PeripheralCommand::Disconnect { link, done } => {
                let found = self.links.get(&link).ok_or(RadioError::PeerGone);
                let _gone = done.send(found.map(|(_, stop)| stop.cancel()));
            }
        }
    }

    fn connected(
        &mut self,
        central: ArrivingCentral,
        task: &PeripheralTask,
        ended: &mpsc::Sender<LinkId>,
    ) {
        if self.links.len() >= limits::LINKS_MAX {
            return; // dropping its ways disconnects
        }
        let ArrivingCentral {
            mtu,
            out,
            mut incoming,
        } = central;
        let (link, stop) = (LinkId::fresh(), task.stop.child_token());
        let _none_before = self.links.insert(link, (out, stop.clone()));
        let (events, ended) = (task.events.clone(), ended.clone());
        let serving = async move {
            let chunk_max = limits::notification_chunk_max(mtu);
            let events = events.link_up(link, chunk_max).await;
            loop {
                tokio::select! {
                    biased; // a stop is never starved by a chatty peer
                    () = stop.cancelled() => break,
                    frame = incoming.next() => match frame {
                        Some(bytes) => events.received(bytes),
                        None => break,
                    },
                }
            }
            drop(incoming);
            let _off_the_air = ended.send(link).await;
            events.down().await;
        };
        host::task::spawn(&self.tasks, serving);
    }
}
