//! One application on one adapter, its links, and who has connected and is no link yet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ble_proto::gatt::RequestTag;
use bluer::gatt::CharacteristicWriter;
use bluer::gatt::local::CharacteristicControlEvent;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt, join_all};
use futures::stream::FuturesUnordered;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;

use super::adapter::Adapter;
use super::arrivals::Arrivals;
use super::devices::Devices;
use super::errand::Errand;
use super::gatt::{Inbound, Registered};
use super::newcomers::Newcomers;
use super::notify::{QueuedNotification, Writers, take_turns};
use super::order::{FrameOrder, Ordered};
use super::presence::Adapters;
use super::signals::{DeviceChange, DeviceNow};
use crate::limits::MISSING_MAX;
use crate::peripheral::{LinkEvents, PeripheralCommand, PeripheralTask};
use crate::{LinkId, RadioError, limits};

/// Why serving came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// The owner is gone, or the daemon stops.
    Ended,
    /// The adapter is gone or has lost what was registered.
    Upset,
    /// BlueZ did not take the application.
    Refused,
}

/// One application on one adapter, and its links.
pub(super) struct Serving<'a> {
    wanted: &'a watch::Sender<Vec<RequestTag>>,
    devices: Devices,
    arrivals: Arrivals,
    links: BTreeMap<bluer::Address, ServedLink>,
    newcomers: Newcomers,
    writers: Writers,
    turns: mpsc::Sender<QueuedNotification>,
    /// Taken when it starts to run.
    turns_out: Option<mpsc::Receiver<QueuedNotification>>,
    chores: FuturesUnordered<BoxFuture<'a, Chore>>,
}

/// The link of one central that has subscribed or written.
struct ServedLink {
    events: LinkEvents,
    chunk_max: usize,
    order: FrameOrder,
}

/// What came to an end in the background.
enum Chore {
    Done,
    Unsubscribed(Arc<CharacteristicWriter>),
    /// A device that became no link is ours to disconnect.
    Unwelcome(bluer::Address),
    /// A frame with this counter did not come, and others wait for it.
    Missing {
        address: bluer::Address,
        link: LinkId,
        counter: u8,
    },
}

impl<'a> Serving<'a> {
    pub(super) fn new(
        adapter: &Adapter,
        adapters: &Adapters,
        wanted: &'a watch::Sender<Vec<RequestTag>>,
    ) -> Self {
        let (turns, turns_out) = mpsc::channel(limits::COMMANDS_MAX);

        Self {
            wanted,
            devices: Devices::new(adapter.peripheral.clone(), adapters.dialled.clone()),
            arrivals: adapters.arrivals.clone(),
            links: BTreeMap::new(),
            newcomers: Newcomers::default(),
            writers: Writers::default(),
            turns,
            turns_out: Some(turns_out),
            chores: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(
        &mut self,
        current: &mut watch::Receiver<Option<Arc<Adapter>>>,
        mut registered: Registered,
        mut changes: broadcast::Receiver<DeviceChange>,
        advertising: impl Future<Output = ()>,
        task: &mut PeripheralTask,
    ) -> Served {
        let turns = self.turns_out.take().expect("runs once");
        let turns = take_turns(turns, self.writers.clone());
        tokio::pin!(advertising, turns);
        loop {
            let overdue = self.newcomers.deadline();
            tokio::select! {
                biased; // a stop is never starved; a subscription comes before the writes that follow it
                () = task.stop.cancelled() => return Served::Ended,
                changed = current.changed() => {
                    return if changed.is_ok() { Served::Upset } else { Served::Ended };
                }
                command = task.commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => return Served::Ended,
                },
                () = &mut turns => return Served::Ended,
                Some(change) = registered.subscriptions.next() => {
                    self.handle_subscription(change, task).await;
                }
                Some(inbound) = registered.inbound.recv() => self.handle_inbound(inbound, task).await,
                change = changes.recv() => self.handle_device(change).await,
                () = sleep_until(overdue) => self.dismiss_overdue(),
                Some(chore) = self.chores.next() => self.handle_chore(chore),
                () = &mut advertising => return Served::Ended,
            }
        }
    }

    fn handle_command(&mut self, command: PeripheralCommand) {
        match command {
            PeripheralCommand::SetAdvertised(tags) => {
                self.wanted.send_replace(tags);
            }
            PeripheralCommand::Send { link, bytes, done } => {
                let refused = match self.find(link) {
                    Some((_, found)) if bytes.len() > found.chunk_max => RadioError::TooLong {
                        size: bytes.len(),
                        size_max: found.chunk_max,
                    },
                    Some((&address, _)) => {
                        // A full queue means that as many as can wait do; `done` says so by being dropped.
                        let turn = QueuedNotification {
                            address,
                            bytes,
                            done,
                        };
                        if self.turns.try_send(turn).is_err() {
                            tracing::debug!(%link, "Too many notifications wait");
                        }
                        return;
                    }
                    None => RadioError::PeerGone,
                };
                // Who asked may have stopped waiting.
                let _gone = done.send(Err(refused));
            }
            PeripheralCommand::Disconnect { link, done } => {
                let found = self.find(link).map(|(address, _)| *address);
                if let Some(address) = found {
                    self.disconnect(address);
                }
                // As above.
                let _gone = done.send(found.map(|_| ()).ok_or(RadioError::PeerGone));
            }
        }
    }

    fn find(&self, link: LinkId) -> Option<(&bluer::Address, &ServedLink)> {
        self.links
            .iter()
            .find(|(_address, known)| known.events.link() == link)
    }

    async fn handle_subscription(
        &mut self,
        event: CharacteristicControlEvent,
        task: &PeripheralTask,
    ) {
        match event {
            CharacteristicControlEvent::Notify(writer) => {
                let writer = Arc::new(writer);
                self.writers.add(&writer);
                let closing = Arc::clone(&writer);
                self.chores.push(
                    async move {
                        // Readable, or broken: either way BlueZ has let go of it.
                        let _closed = closing.closed().await;
                        Chore::Unsubscribed(closing)
                    }
                    .boxed(),
                );
                let payload_max = writer.mtu();
                self.link_up(writer.device_address(), payload_max, task)
                    .await;
            }
            CharacteristicControlEvent::Write(request) => {
                // We ask BlueZ for method calls; without an answer it falls back to them.
                drop(request);
            }
        }
    }

    async fn handle_inbound(&mut self, inbound: Inbound, task: &PeripheralTask) {
        match inbound {
            Inbound::Read { address } => self.connected(address, Errand::Asked),
            Inbound::Written {
                address,
                mtu,
                bytes,
            } => {
                if !self.links.contains_key(&address) {
                    let of_link = limits::notification_chunk_max(mtu.into());
                    let of_writer = self.writers.to(address).map(|writer| writer.mtu());
                    let payload_max = of_link.min(of_writer.unwrap_or(of_link));
                    self.link_up(address, payload_max, task).await;
                }
                self.received(address, bytes);
            }
        }
    }

    fn received(&mut self, address: bluer::Address, bytes: Vec<u8>) {
        let Some(known) = self.links.get_mut(&address) else {
            return;
        };
        let due = match known.order.push(bytes) {
            Ordered::Now(due) => due,
            Ordered::Held(due, counter) => {
                let link = known.events.link();
                tracing::trace!(%link, counter, "A frame was overtaken");
                let missing = move |()| Chore::Missing {
                    address,
                    link,
                    counter,
                };
                self.chores
                    .push(tokio::time::sleep(MISSING_MAX).map(missing).boxed());
                due
            }
        };
        for bytes in due {
            known.events.received(bytes);
        }
    }

    async fn link_up(
        &mut self,
        address: bluer::Address,
        payload_max: usize,
        task: &PeripheralTask,
    ) {
        self.newcomers.remove(address);
        if self.links.contains_key(&address) {
            return;
        }
        if !self.makes_room() {
            tracing::debug!("Disconnecting a central: all links are in use");
            return self.disconnect(address);
        }
        let chunk_max = payload_max.min(limits::VALUE_SIZE_MAX);
        let link = LinkId::fresh();
        tracing::debug!(%link, chunk_max, "A central has come");
        let events = task.events.link_up(link, chunk_max).await;
        self.links.insert(
            address,
            ServedLink {
                events,
                chunk_max,
                order: FrameOrder::default(),
            },
        );
    }

    async fn handle_device(&mut self, change: Result<DeviceChange, broadcast::error::RecvError>) {
        match change {
            Ok(DeviceChange { address, now, .. }) => match now {
                DeviceNow::Appeared => self.connected(address, Errand::Came),
                DeviceNow::Connected => self.connected(address, self.errand(address)),
                DeviceNow::Disconnected | DeviceNow::Forgotten => self.link_down(address).await,
            },
            Err(broadcast::error::RecvError::Lagged(_)) => self.look_around().await,
            Err(broadcast::error::RecvError::Closed) => {}
        }
    }

    fn errand(&self, address: bluer::Address) -> Errand {
        match self.arrivals.contains(address) {
            true => Errand::Came,
            false => Errand::Unclear,
        }
    }

    /// Gives a device that is no link its time to become one: it has one of the few connections of the controller.
    fn connected(&mut self, address: bluer::Address, errand: Errand) {
        if self.links.contains_key(&address) || self.devices.is_dialled(address) {
            return;
        }
        if !self.newcomers.contains(address) && !self.makes_room() {
            tracing::debug!("Dismissing a device: all links are in use");
            return self.dismiss(address, errand);
        }
        tracing::trace!(?errand, "A device has connected");
        self.newcomers.note(address, errand, Instant::now());
    }

    /// Returns whether one more finds room; who has said nothing yet makes it.
    fn makes_room(&mut self) -> bool {
        let connected = self.links.len().saturating_add(self.newcomers.len());
        if connected < limits::LINKS_MAX {
            return true;
        }
        let Some((address, errand)) = self.newcomers.take_least() else {
            return false;
        };
        tracing::debug!("A device that has said nothing makes room for another");
        self.dismiss(address, errand);

        true
    }

    fn dismiss_overdue(&mut self) {
        while let Some((address, errand)) = self.newcomers.take_overdue(Instant::now()) {
            self.dismiss(address, errand);
        }
    }

    /// Disconnects a device that became no link, unless it is somebody else's.
    fn dismiss(&self, address: bluer::Address, errand: Errand) {
        let looking = self.devices.is_ours(address, errand);
        let chore = looking.map(move |is_ours| match is_ours {
            true => Chore::Unwelcome(address),
            false => Chore::Done,
        });
        self.chores.push(chore.boxed());
    }

    /// Looks who is connected, after changes that were not read.
    async fn look_around(&mut self) {
        for address in self.links.keys().copied().collect::<Vec<_>>() {
            if !self.devices.is_connected(address).await {
                self.link_down(address).await;
            }
        }
        for address in self.arrivals.all() {
            if self.devices.is_connected(address).await {
                self.connected(address, Errand::Came);
            }
        }
    }

    async fn link_down(&mut self, address: bluer::Address) {
        self.newcomers.remove(address);
        if let Some(link) = self.links.remove(&address) {
            tracing::debug!(link = %link.events.link(), "A central has gone");
            link.events.down().await;
        }
    }

    fn handle_chore(&mut self, chore: Chore) {
        match chore {
            Chore::Done => {}
            Chore::Unsubscribed(writer) => self.writers.remove(&writer),
            Chore::Missing {
                address,
                link,
                counter,
            } => {
                let known = self.links.get_mut(&address);
                if let Some(known) = known.filter(|known| known.events.link() == link) {
                    for bytes in known.order.give_up(counter) {
                        known.events.received(bytes);
                    }
                }
            }
            // it may have become a link meanwhile, have come again, or be dialled by this radio
            Chore::Unwelcome(address)
                if self.links.contains_key(&address)
                    || self.newcomers.contains(address)
                    || self.devices.is_dialled(address) => {}
            Chore::Unwelcome(address) => {
                tracing::debug!("Disconnecting a central that says nothing");
                self.disconnect(address);
            }
        }
    }

    fn disconnect(&self, address: bluer::Address) {
        let disconnecting = self.devices.disconnect(address);
        self.chores
            .push(disconnecting.map(|()| Chore::Done).boxed());
    }

    /// Ends and reports every link, so that no central waits for a payee that has gone.
    pub(super) async fn end(&mut self) {
        let mut leaving = Vec::new();
        while let Some((address, link)) = self.links.pop_first() {
            link.events.down().await;
            leaving.push(self.devices.disconnect(address).boxed());
        }
        while let Some((address, errand)) = self.newcomers.take_least() {
            let looking = self.devices.is_ours(address, errand);
            let disconnecting = self.devices.disconnect(address);
            let dismissing = async move {
                if looking.await {
                    disconnecting.await;
                }
            };
            leaving.push(dismissing.boxed());
        }
        // without an adapter there is nothing to disconnect
        let _in_time = tokio::time::timeout(DISCONNECT_MAX, join_all(leaving)).await;
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// How long BlueZ may take to disconnect all centrals when the peripheral ends.
const DISCONNECT_MAX: Duration = Duration::from_secs(2);
