//! One scan at the adapter for all who listen.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ble_proto::gatt::{COMPANY_ID, RequestTag, SERVICE_UUID};
use btleplug::api::{Central as _, CentralEvent, Peripheral as _, ScanFilter};
use btleplug::platform::PeripheralId;
use futures::stream::{FuturesUnordered, Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::WaitForCancellationFutureOwned;
use uuid::Uuid;

use super::adapter::Adapter;
use super::refusals::ServeRefusals;
use super::shared::Shared;
use crate::scan::ScanTask;
use crate::{PeerAddress, Seen, limits};

/// Scans whenever somebody listens, there is an adapter, and nobody connects.
pub(super) async fn run(shared: Arc<Shared>, incoming: mpsc::Receiver<ScanTask>) {
    let mut listeners = Listeners::new(incoming);
    let mut upsets = Upsets::new(&shared);
    let mut refusals = ServeRefusals::of("to scan");
    loop {
        let adapter = upsets.look();
        if adapter.is_some() {
            refusals.begin(adapter.as_ref());
        }
        let used = match (&adapter, listeners.all.is_empty()) {
            (Some(adapter), false) => scan(&shared, adapter, &mut listeners, &mut upsets).await,
            (Some(_), true) | (None, _) => Ok(()),
        };
        let refused = used.is_err();
        match used {
            Ok(()) => refusals.forget(),
            Err(error) => {
                let _heard_by_nobody_else = refusals.add(error.to_string());
            }
        }
        tokio::select! {
            biased; // a stop is never starved
            () = shared.stop.cancelled() => return,
            () = upsets.next() => {}
            more = listeners.changed() => if more == More::Never { return },
            () = tokio::time::sleep(REFUSED_RETRY_INTERVAL), if refused => {}
        }
    }
}

/// Scans until nobody listens, or an upset, or somebody connects.
async fn scan(
    shared: &Shared,
    adapter: &Adapter,
    listeners: &mut Listeners,
    upsets: &mut Upsets,
) -> btleplug::Result<()> {
    shared.scanning.send_replace(true);
    let scanned = listen(shared, adapter, listeners, upsets).await;
    // Fails when the scan never began, or the adapter is gone; then there is nothing to stop.
    let _stopped = tokio::time::timeout(STOP_TIMEOUT, adapter.central.stop_scan()).await;
    shared.scanning.send_replace(false);

    scanned
}

async fn listen(
    shared: &Shared,
    adapter: &Adapter,
    listeners: &mut Listeners,
    upsets: &mut Upsets,
) -> btleplug::Result<()> {
    let begun = Instant::now();
    let mut ear = Ear::open(adapter).await?;
    let elapsed_ms = begun.elapsed().as_millis();
    tracing::debug!(elapsed_ms, "Scanning");
    loop {
        tokio::select! {
            biased; // a stop is never starved by a busy air
            () = shared.stop.cancelled() => return Ok(()),
            () = upsets.next() => return Ok(()),
            _more = listeners.changed() => {
                if listeners.all.is_empty() {
                    return Ok(());
                }
            }
            // BlueZ sometimes hears nothing after a restart, until the scan begins anew.
            () = tokio::time::sleep(SILENCE_MAX) => {
                let _stopped = tokio::time::timeout(STOP_TIMEOUT, adapter.central.stop_scan()).await;
                ear = Ear::open(adapter).await?;
            }
            event = ear.events.next() => {
                let Some(event) = event else { return Ok(()) };
                if let Some((peripheral, seen)) = ear.hear(adapter, event).await {
                    shared.peers.heard(seen.peer.clone(), peripheral);
                    listeners.tell(&seen);
                }
            }
        }
    }
}

/// One scan, and what it knows of the devices heard.
struct Ear {
    events: Pin<Box<dyn Stream<Item = CentralEvent> + Send>>,
    /// Devices that BlueZ remembers; btleplug shows them as if just heard.
    remembered: BTreeSet<PeripheralId>,
    /// Devices with our service.
    payees: BTreeMap<PeripheralId, HeardPayee>,
}

#[derive(Clone)]
struct HeardPayee {
    peripheral: btleplug::platform::Peripheral,
    tag: Option<RequestTag>,
    rssi: Option<i16>,
}

impl Ear {
    async fn open(adapter: &Adapter) -> btleplug::Result<Self> {
        let remembered = adapter.central.peripherals().await?;
        let events = adapter.central.events().await?;
        let filter = ScanFilter {
            services: vec![Uuid::from_u128(SERVICE_UUID)],
        };
        adapter.central.start_scan(filter).await?;

        Ok(Self {
            events,
            remembered: remembered
                .iter()
                .map(|peripheral| peripheral.id())
                .collect(),
            payees: BTreeMap::new(),
        })
    }

    /// Returns the payee whose advertisement an event is, if it is one, and fresh.
    async fn hear(
        &mut self,
        adapter: &Adapter,
        event: CentralEvent,
    ) -> Option<(btleplug::platform::Peripheral, Seen)> {
        let (payee, tag) = match event {
            CentralEvent::DeviceDiscovered(id) if !self.remembered.contains(&id) => {
                let payee = self.look_up(adapter, id).await?;
                let tag = payee.tag?;
                (payee, tag)
            }
            CentralEvent::ManufacturerDataAdvertisement {
                id,
                manufacturer_data,
            } => {
                let tag = parse_tag(&manufacturer_data)?;
                (self.look_up(adapter, id).await?, tag)
            }
            CentralEvent::DeviceDiscovered(_)
            | CentralEvent::DeviceUpdated(_)
            | CentralEvent::DeviceConnected(_)
            | CentralEvent::DeviceDisconnected(_)
            | CentralEvent::DeviceServicesModified(_)
            | CentralEvent::ServiceDataAdvertisement { .. }
            | CentralEvent::ServicesAdvertisement { .. }
            | CentralEvent::RssiUpdate { .. }
            | CentralEvent::StateUpdate(_) => return None,
        };
        let seen = Seen {
            peer: PeerAddress::new(payee.peripheral.id().to_string()),
            tag,
            rssi: payee.rssi,
            at: Instant::now(),
        };

        Some((payee.peripheral, seen))
    }

    async fn look_up(&mut self, adapter: &Adapter, id: PeripheralId) -> Option<HeardPayee> {
        if let Some(payee) = self.payees.get(&id) {
            return Some(payee.clone());
        }
        let peripheral = adapter.central.peripheral(&id).await.ok()?;
        let properties = peripheral.properties().await.ok()??;
        let tag = parse_tag(&properties.manufacturer_data);
        // BlueZ adds no advertised service to a device whose services it has read, as it has of whoever paid us.
        // The filter of the scan has matched the service in the advertisement itself.
        if tag.is_none() && !properties.services.contains(&Uuid::from_u128(SERVICE_UUID)) {
            return None;
        }
        let payee = HeardPayee {
            peripheral,
            tag,
            rssi: properties.rssi,
        };
        if self.payees.len() < limits::PEERS_MAX {
            self.payees.insert(id, payee.clone());
        }

        Some(payee)
    }
}

fn parse_tag(manufacturer_data: &HashMap<u16, Vec<u8>>) -> Option<RequestTag> {
    let tag = manufacturer_data.get(&COMPANY_ID)?;

    tag.as_slice().try_into().ok().map(RequestTag)
}

/// Who listens.
struct Listeners {
    all: Vec<ScanTask>,
    incoming: mpsc::Receiver<ScanTask>,
    leaving: FuturesUnordered<WaitForCancellationFutureOwned>,
}

/// Whether further listeners can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Perhaps,
    Never,
}

impl Listeners {
    fn new(incoming: mpsc::Receiver<ScanTask>) -> Self {
        Self {
            all: Vec::new(),
            incoming,
            leaving: FuturesUnordered::new(),
        }
    }

    /// Waits until somebody comes or goes. Cancel safe.
    async fn changed(&mut self) -> More {
        tokio::select! {
            task = self.incoming.recv() => {
                let Some(task) = task else { return More::Never };
                if self.all.len() < limits::SCANS_MAX {
                    self.leaving.push(task.stop.clone().cancelled_owned());
                    self.all.push(task);
                }
            }
            Some(()) = self.leaving.next() => self.all.retain(|task| !task.stop.is_cancelled()),
        }

        More::Perhaps
    }

    fn tell(&self, seen: &Seen) {
        for task in &self.all {
            task.seen(seen.clone());
        }
    }
}

/// What ends a scan from outside: another adapter, or somebody who connects.
struct Upsets {
    current: watch::Receiver<Option<Arc<Adapter>>>,
    pauses: watch::Receiver<usize>,
}

impl Upsets {
    fn new(shared: &Shared) -> Self {
        Self {
            current: shared.adapters.current.clone(),
            pauses: shared.pauses.subscribe(),
        }
    }

    /// Returns the adapter to scan with, unless somebody connects; [`Self::next`] waits for changes
    /// after this.
    fn look(&mut self) -> Option<Arc<Adapter>> {
        let adapter = self.current.borrow_and_update().clone();
        let paused = *self.pauses.borrow_and_update() > 0;

        adapter.filter(|_adapter| !paused)
    }

    /// Cancel safe. The senders live as long as the radio.
    async fn next(&mut self) {
        tokio::select! {
            _changed = self.current.changed() => {}
            _changed = self.pauses.changed() => {}
        }
    }
}

/// Payees advertise at least every 1.28 s; who hears nothing for several times that begins anew.
const SILENCE_MAX: Duration = Duration::from_secs(4);

const STOP_TIMEOUT: Duration = Duration::from_secs(2);

const REFUSED_RETRY_INTERVAL: Duration = Duration::from_secs(1);
