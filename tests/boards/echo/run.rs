//! The central's side, through btleplug, as a payer does it.

use std::pin::Pin;
use std::time::{Duration, Instant};

use btleplug::api::{
    Central, CentralEvent, Characteristic, Manager as _, Peripheral as _, ScanFilter,
    ValueNotification, WriteType,
};
use btleplug::platform::{Adapter, Manager, Peripheral, PeripheralId};
use futures::{Stream, StreamExt};
use serde_json::json;
use uuid::Uuid;

use crate::flights::Sender;
use crate::{Plan, SERVICE, TO_CENTRAL, TO_PERIPHERAL};

/// Pauses after failed connects: BlueZ aborts some of them for no reason of ours.
const CONNECT_PAUSES_MS: [u64; 4] = [100, 250, 900, 1250];

type Notifications = Pin<Box<dyn Stream<Item = ValueNotification> + Send>>;

/// Flies all rounds and returns the times as JSON.
pub(crate) async fn run(plan: &Plan) -> Result<String, String> {
    let started = Instant::now();
    let manager = Manager::new().await.map_err(told("reach BlueZ"))?;
    let adapters = manager
        .adapters()
        .await
        .map_err(told("list the adapters"))?;
    let adapter = adapters.into_iter().next().ok_or("there is no adapter")?;

    let peripheral = find(&adapter, plan.address.as_deref()).await?;
    let found = started.elapsed();
    let attempts = connect(&peripheral).await?;
    let connected = started.elapsed();
    peripheral
        .discover_services()
        .await
        .map_err(told("discover services"))?;
    let to_peripheral = characteristic(&peripheral, TO_PERIPHERAL)?;
    let to_central = characteristic(&peripheral, TO_CENTRAL)?;
    let mut notifications = peripheral
        .notifications()
        .await
        .map_err(told("listen for notifications"))?;
    peripheral
        .subscribe(&to_central)
        .await
        .map_err(told("subscribe"))?;
    let subscribed = started.elapsed();

    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        let began = Instant::now();
        let mut flights = Vec::new();
        for flight in &plan.flights {
            let flight_began = Instant::now();
            match flight.sender {
                Sender::Central => write(&peripheral, &to_peripheral, &flight.frames).await?,
                Sender::Peripheral => hear(&mut notifications, flight.bytes()).await?,
            }
            flights.push(micros(flight_began.elapsed()));
        }
        rounds.push(json!({ "round_us": micros(began.elapsed()), "flights_us": flights }));
    }
    peripheral.disconnect().await.map_err(told("disconnect"))?;

    Ok(json!({
        "found_us": micros(found),
        "connect_attempts": attempts,
        "connected_us": micros(connected.saturating_sub(found)),
        "subscribed_us": micros(subscribed.saturating_sub(connected)),
        "mtu": peripheral.mtu(),
        "rounds": rounds,
    })
    .to_string())
}

async fn find(adapter: &Adapter, address: Option<&str>) -> Result<Peripheral, String> {
    let mut events = adapter.events().await.map_err(told("listen for devices"))?;
    let filter = ScanFilter {
        services: vec![SERVICE],
    };
    adapter.start_scan(filter).await.map_err(told("scan"))?;
    let found = loop {
        let event = events
            .next()
            .await
            .ok_or("BlueZ went away during the scan")?;
        let Some(id) = subject(event) else {
            continue;
        };
        let heard = adapter
            .peripheral(&id)
            .await
            .map_err(told("look at a device"))?;
        let properties = heard.properties().await.map_err(told("read a device"))?;
        // BlueZ forgets the RSSI when a scan ends, so a device that has one advertises now; and this
        // scan's filter lets only our service through. (BlueZ does not repeat the services of a
        // device that it knows from an earlier scan.)
        let is_fresh = properties.is_some_and(|known| {
            let is_named = address.is_some_and(|address| known.address.to_string() == address);
            known.rssi.is_some() && (is_named || known.services.contains(&SERVICE))
        });
        if is_fresh {
            break id;
        }
    };
    adapter.stop_scan().await.map_err(told("stop the scan"))?;

    adapter
        .peripheral(&found)
        .await
        .map_err(told("look at what was found"))
}

fn subject(event: CentralEvent) -> Option<PeripheralId> {
    match event {
        CentralEvent::DeviceDiscovered(id)
        | CentralEvent::DeviceUpdated(id)
        | CentralEvent::RssiUpdate { id, .. }
        | CentralEvent::ServicesAdvertisement { id, .. } => Some(id),
        CentralEvent::DeviceConnected(_)
        | CentralEvent::DeviceDisconnected(_)
        | CentralEvent::DeviceServicesModified(_)
        | CentralEvent::ManufacturerDataAdvertisement { .. }
        | CentralEvent::ServiceDataAdvertisement { .. }
        | CentralEvent::StateUpdate(_) => None,
    }
}

async fn connect(peripheral: &Peripheral) -> Result<u32, String> {
    let mut last = String::new();
    for (attempt, pause) in (1..).zip(CONNECT_PAUSES_MS) {
        match peripheral.connect().await {
            Ok(()) => return Ok(attempt),
            Err(error) => last = error.to_string(),
        }
        // Whatever is left of the attempt; there may be nothing.
        drop(peripheral.disconnect().await);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    Err(format!("connect: {last}"))
}

async fn write(
    peripheral: &Peripheral,
    to: &Characteristic,
    frames: &[usize],
) -> Result<(), String> {
    for frame in frames {
        peripheral
            .write(to, &vec![0xec; *frame], WriteType::WithoutResponse)
            .await
            .map_err(told("write"))?;
    }

    Ok(())
}

async fn hear(notifications: &mut Notifications, mut bytes_left: usize) -> Result<(), String> {
    while bytes_left > 0 {
        let heard = notifications
            .next()
            .await
            .ok_or("the peripheral went away")?;
        if heard.uuid == TO_CENTRAL {
            bytes_left = bytes_left.saturating_sub(heard.value.len());
        }
    }

    Ok(())
}

fn characteristic(peripheral: &Peripheral, uuid: Uuid) -> Result<Characteristic, String> {
    peripheral
        .characteristics()
        .into_iter()
        .find(|known| known.uuid == uuid)
        .ok_or_else(|| format!("the peripheral has no characteristic {uuid}"))
}

fn told<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> String {
    move |error| format!("{doing}: {error}")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
