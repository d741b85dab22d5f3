//! The payee's side: serves on whichever adapter there is, until the peripheral is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ble_proto::gatt::{ADAPTER_ALIAS, RequestTag};
use bluer::gatt::CharacteristicWriter;
use bluer::gatt::local::CharacteristicControlEvent;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use tokio::sync::{broadcast, mpsc, watch};

use super::adapter::Adapter;
use super::advertise::advertise;
use super::gatt::{self, Inbound, Registered};
use super::notify::{Turn, Writers, take_turns};
use super::order::{FrameOrder, Ordered};
use super::presence::{Adapters, Connected, ConnectionChange};
use super::refusals::Refusals;
use crate::peripheral::{Command, LinkEvents, PeripheralTask};
use crate::{LinkId, RadioError, limits};

/// Serves until the peripheral is dropped, on one adapter after the other.
pub(super) async fn run(mut adapters: Adapters, info: Vec<u8>, mut task: PeripheralTask) {
    let wanted = watch::Sender::new(Vec::new());
    let mut refusals = Refusals::of("to serve");
    loop {
        let adapter = adapters.current.borrow_and_update().clone();
        refusals.begin(adapter.as_ref());
        let to_serve = (&wanted, &mut refusals);
        let served = match &adapter {
            Some(adapter) => serve(&mut adapters, adapter, &info, to_serve, &mut task).await,
            None => Served::Upset,
        };
        let retry = match served {
            Served::Ended => return,
            Served::Upset if adapter.is_some() => continue,
            Served::Upset => None,
            Served::Refused => Some(refusals.pause()),
        };
        if wait(&mut adapters, retry, &wanted, &mut task).await == Served::Ended {
            return;
        }
    }
}

/// Why serving came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// The owner is gone, or the daemon stops.
    Ended,
    /// The adapter is gone or has lost what was registered.
    Upset,
    /// BlueZ did not take the application.
    Refused,
}

/// Waits without an adapter, for another one or for `retry`, and goes on taking commands.
async fn wait(
    adapters: &mut Adapters,
    retry: Option<Duration>,
    wanted: &watch::Sender<Vec<RequestTag>>,
    task: &mut PeripheralTask,
) -> Served {
    let pause = async {
        match retry {
            Some(retry) => tokio::time::sleep(retry).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(pause);
    loop {
        tokio::select! {
            biased; // a stop is never starved
            () = task.stop.cancelled() => return Served::Ended,
            changed = adapters.current.changed() => {
                return if changed.is_ok() { Served::Upset } else { Served::Ended };
            }
            () = &mut pause => return Served::Upset,
            command = task.commands.recv() => match command {
                Some(Command::SetAdvertised(tags)) => { wanted.send_replace(tags); }
                Some(Command::Send { done, .. } | Command::Disconnect { done, .. }) => {
                    // Who asked may have stopped waiting.
                    let _gone = done.send(Err(RadioError::PeerGone));
                }
                None => return Served::Ended,
            },
        }
    }
}

/// Serves on one adapter until an upset.
async fn serve(
    adapters: &mut Adapters,
    adapter: &Arc<Adapter>,
    info: &[u8],
    (wanted, refusals): (&watch::Sender<Vec<RequestTag>>, &mut Refusals),
    task: &mut PeripheralTask,
) -> Served {
    let connections = adapters.connections.subscribe();
    let alias = Alias::put(&adapter.peripheral).await;
    let registered = match gatt::register(&adapter.peripheral, info).await {
        Ok(registered) => registered,
        Err(error) => {
            adapters.visibility.set(refusals.add(error.to_string()));
            return Served::Refused;
        }
    };
    refusals.forget();
    adapters.visibility.set(None);
    tracing::info!(adapter = adapter.name, "Serving");
    let (wishes, seen) = (wanted.subscribe(), adapters.visibility.clone());
    let advertising = advertise(&adapter.peripheral, wishes, seen);
    let mut serving = Serving::new(adapter, wanted);
    let served = serving
        .run(
            &mut adapters.current,
            registered,
            connections,
            advertising,
            task,
        )
        .await;
    serving.end().await;
    alias.restore(&adapter.peripheral).await;

    served
}

/// One application on one adapter, and its links.
struct Serving<'a> {
    adapter: &'a Adapter,
    wanted: &'a watch::Sender<Vec<RequestTag>>,
    links: BTreeMap<bluer::Address, ServedLink>,
    /// Who has read `INFO` and not written or subscribed yet.
    silent: BTreeSet<bluer::Address>,
    writers: Writers,
    turns: mpsc::Sender<Turn>,
    /// Taken when it starts to run.
    turns_out: Option<mpsc::Receiver<Turn>>,
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
    SilentTooLong(bluer::Address),
    /// A frame with this counter did not come, and others wait for it.
    Missing {
        address: bluer::Address,
        link: LinkId,
        counter: u8,
    },
}

impl<'a> Serving<'a> {
    fn new(adapter: &'a Adapter, wanted: &'a watch::Sender<Vec<RequestTag>>) -> Self {
        let (turns, turns_out) = mpsc::channel(limits::COMMANDS_MAX);

        Self {
            adapter,
            wanted,
            links: BTreeMap::new(),
            silent: BTreeSet::new(),
            writers: Writers::default(),
            turns,
            turns_out: Some(turns_out),
            chores: FuturesUnordered::new(),
        }
    }

    async fn run(
        &mut self,
        current: &mut watch::Receiver<Option<Arc<Adapter>>>,
        mut registered: Registered,
        mut connections: broadcast::Receiver<ConnectionChange>,
        advertising: impl Future<Output = ()>,
        task: &mut PeripheralTask,
    ) -> Served {
        let turns = self.turns_out.take().expect("runs once");
        let turns = take_turns(turns, self.writers.clone());
        tokio::pin!(advertising, turns);
        loop {
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
                change = connections.recv() => self.handle_connection(change).await,
                Some(chore) = self.chores.next() => self.handle_chore(chore),
                () = &mut advertising => return Served::Ended,
            }
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::SetAdvertised(tags) => {
                self.wanted.send_replace(tags);
            }
            Command::Send { link, bytes, done } => {
                let refused = match self.find(link) {
                    Some((_, found)) if bytes.len() > found.chunk_max => RadioError::TooLong {
                        size: bytes.len(),
                        size_max: found.chunk_max,
                    },
                    Some((&address, _)) => {
                        // A full queue means that as many as can wait do; `done` says so by being dropped.
                        let turn = Turn {
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
            Command::Disconnect { link, done } => {
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
            Inbound::Read { address } => {
                if !self.links.contains_key(&address) && self.silent.len() < limits::LINKS_MAX {
                    self.silent.insert(address);
                    let silence = tokio::time::sleep(SILENCE_MAX);
                    let chore = silence.map(move |()| Chore::SilentTooLong(address));
                    self.chores.push(chore.boxed());
                }
            }
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
        self.silent.remove(&address);
        if self.links.contains_key(&address) {
            return;
        }
        if self.links.len() >= limits::LINKS_MAX {
            tracing::info!("Disconnecting a central: all links are in use");
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

    async fn handle_connection(
        &mut self,
        change: Result<ConnectionChange, broadcast::error::RecvError>,
    ) {
        match change {
            Ok(ConnectionChange {
                address,
                connected: Connected::No,
            }) => self.link_down(address).await,
            Ok(ConnectionChange {
                connected: Connected::Yes,
                ..
            }) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => self.end_dead_links().await,
            Err(broadcast::error::RecvError::Closed) => {}
        }
    }

    async fn end_dead_links(&mut self) {
        let addresses: Vec<_> = self.links.keys().copied().collect();
        for address in addresses {
            let connected = match self.adapter.peripheral.device(address) {
                Ok(device) => device.is_connected().await,
                Err(error) => Err(error),
            };
            if !matches!(connected, Ok(true)) {
                self.link_down(address).await;
            }
        }
    }

    async fn link_down(&mut self, address: bluer::Address) {
        self.silent.remove(&address);
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
            Chore::SilentTooLong(address) => {
                if self.silent.remove(&address) {
                    tracing::debug!("Disconnecting a central that says nothing");
                    self.disconnect(address);
                }
            }
        }
    }

    fn disconnect(&self, address: bluer::Address) {
        let adapter = self.adapter.peripheral.clone();
        let chore = async move {
            let disconnected = match adapter.device(address) {
                Ok(device) => device.disconnect().await,
                Err(error) => Err(error),
            };
            if let Err(error) = disconnected {
                tracing::debug!(%error, "Could not disconnect a central");
            }
            Chore::Done
        };
        self.chores.push(chore.boxed());
    }

    /// Ends every link and reports it: nobody is left whom a central could wait for.
    async fn end(&mut self) {
        while let Some((address, link)) = self.links.pop_first() {
            link.events.down().await;
            let disconnecting = async {
                match self.adapter.peripheral.device(address) {
                    Ok(device) => device.disconnect().await,
                    Err(error) => Err(error),
                }
            };
            // without an adapter there is nothing to disconnect
            let _in_time = tokio::time::timeout(DISCONNECT_MAX, disconnecting).await;
        }
    }
}

/// How long BlueZ may take to disconnect a central when the peripheral ends.
const DISCONNECT_MAX: Duration = Duration::from_secs(2);

/// The alias of the adapter before ours.
struct Alias(Option<String>);

impl Alias {
    /// Puts the constant name in place: BlueZ lets anyone read it.
    async fn put(adapter: &bluer::Adapter) -> Self {
        let old = match adapter.alias().await {
            // Left by a process that was killed: an empty alias is the system's name.
            Ok(old) if old == ADAPTER_ALIAS => Some(String::new()),
            Ok(old) => Some(old),
            Err(_unreadable) => None,
        };
        if let Err(error) = adapter.set_alias(ADAPTER_ALIAS.to_owned()).await {
            tracing::info!(%error, "The adapter keeps its own name");
        }

        Self(old)
    }

    async fn restore(self, adapter: &bluer::Adapter) {
        let Some(old) = self.0 else { return };
        // After an upset there may be nothing to restore, or nobody who answers.
        let _gone = tokio::time::timeout(ALIAS_TIMEOUT, adapter.set_alias(old)).await;
    }
}

/// How long frames wait for one that was overtaken.
pub(super) const MISSING_MAX: Duration = Duration::from_secs(2);

/// A central that has read `INFO` writes soon.
const SILENCE_MAX: Duration = Duration::from_secs(5);

const ALIAS_TIMEOUT: Duration = Duration::from_millis(500);
