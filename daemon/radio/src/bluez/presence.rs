//! Whether there is an adapter: watches the bus, bluetoothd, the adapters and their switches.
//!
//! Neither library tells of a restart of bluetoothd, nor of an adapter that was off for a moment; both
//! lose what we registered. Therefore each *loss* publishes the adapter again, even if nothing looks
//! different by the time we look. Mere appearances (bluetoothd's name, then its adapter, then its power)
//! only cause a new look.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use zbus::{Connection, MessageStream, OwnedObjectPath};

use super::BluezConfig;
use super::adapter::{Adapter, Libraries};
use super::arrivals::Arrivals;
use super::choice::{Choice, Interfaces};
use super::dialled::DialledAddresses;
use super::signals::{BLUEZ, BusEvent, DeviceChange, parse, rules};
use crate::{AbsentReason, RadioState};

/// What the other tasks know of the system.
#[derive(Clone)]
pub(super) struct Adapters {
    /// The adapter in use; a new value after every upset.
    pub(super) current: watch::Receiver<Option<Arc<Adapter>>>,
    /// What becomes of the adapter's devices, whoever dialled.
    pub(super) devices: broadcast::Sender<DeviceChange>,
    /// Whom this radio dials.
    pub(super) dialled: DialledAddresses,
    /// Who has come by itself.
    pub(super) arrivals: Arrivals,
    /// Whether others can see the adapter in use.
    pub(super) visibility: Visibility,
}

/// Tells whoever asks for the radio's state that BlueZ refuses to show the adapter, or shows it.
#[derive(Clone)]
pub(super) struct Visibility(watch::Sender<RadioState>);

impl Visibility {
    /// Takes note of what BlueZ refuses; `None` when it does not.
    pub(super) fn set(&self, why_hidden: Option<String>) {
        self.0.send_if_modified(|state| match state {
            RadioState::Present { hidden, .. } if *hidden != why_hidden => {
                *hidden = why_hidden;
                true
            }
            RadioState::Present { .. } | RadioState::Absent(_) => false,
        });
    }
}

/// Watches the system until stopped.
pub(super) struct Presence {
    config: BluezConfig,
    state: watch::Sender<RadioState>,
    current: watch::Sender<Option<Arc<Adapter>>>,
    devices: broadcast::Sender<DeviceChange>,
    arrivals: Arrivals,
    /// Counts what is worth a look.
    signs: watch::Sender<Signs>,
}

impl Presence {
    pub(super) fn new(config: BluezConfig, state: watch::Sender<RadioState>) -> (Self, Adapters) {
        let (current_in, current) = watch::channel(None);
        let (devices, _unread) = broadcast::channel(DEVICE_CHANGES_MAX);
        let adapters = Adapters {
            current,
            devices: devices.clone(),
            dialled: DialledAddresses::default(),
            arrivals: Arrivals::default(),
            visibility: Visibility(state.clone()),
        };
        let presence = Self {
            config,
            state,
            current: current_in,
            devices,
            arrivals: adapters.arrivals.clone(),
            signs: watch::Sender::new(Signs::default()),
        };

        (presence, adapters)
    }

    /// Watches until `stop`, through the death of the bus itself.
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased; // a stop is never starved
                () = stop.cancelled() => return,
                () = self.watch_bus() => {}
            }
            self.absent(AbsentReason::NoBus);
            tokio::select! {
                biased; // as above
                () = stop.cancelled() => return,
                () = tokio::time::sleep(BUS_RETRY_INTERVAL) => {}
            }
        }
    }

    /// Returns when the bus is lost.
    async fn watch_bus(&self) {
        let signals = match self.subscribe().await {
            Ok(signals) => signals,
            Err(error) => return tracing::debug!(%error, "No system bus"),
        };
        let (bus, signals) = signals;
        let libraries = match Libraries::open().await {
            Ok(libraries) => libraries,
            Err(error) => return tracing::debug!(%error, "No system bus"),
        };
        // Signals are read while we look: a full queue would hold back the answers that we wait for.
        tokio::select! {
            () = self.read_signals(signals) => {}
            () = self.look_after_signs(&bus, &libraries) => {}
        }
    }

    async fn subscribe(&self) -> zbus::Result<(Connection, MessageStream)> {
        let bus = Connection::system().await?;
        let mut all = MessageStream::from(&bus);
        all.set_max_queued(SIGNALS_MAX);
        for rule in rules()? {
            bus.call_method(
                Some("org.freedesktop.DBus"),
                "/org/freedesktop/DBus",
                Some("org.freedesktop.DBus"),
                "AddMatch",
                &rule.to_string(),
            )
            .await?;
        }

        Ok((bus, all))
    }

    async fn read_signals(&self, mut signals: MessageStream) {
        while let Some(Ok(signal)) = signals.next().await {
            if let Some(event) = parse(&signal) {
                self.handle(event);
            }
        }
    }

    fn handle(&self, event: BusEvent) {
        match event {
            BusEvent::Gained => self.signs.send_modify(Signs::gain),
            BusEvent::Lost => {
                self.arrivals.clear();
                self.signs.send_modify(Signs::lose);
            }
            BusEvent::Device(change) if self.is_current(&change.adapter) => {
                tracing::trace!(?change, "A device changed");
                self.arrivals.note(change.address, change.now);
                // Nobody has a link.
                let _unread = self.devices.send(change);
            }
            // of an adapter that is not in use
            BusEvent::Device(_) => {}
        }
    }

    /// Looks at the adapter now and after every sign; returns when the bus does not answer.
    async fn look_after_signs(&self, bus: &Connection, libraries: &Libraries) {
        let mut signs = self.signs.subscribe();
        // The losses up to when the current adapter was looked up.
        let mut losses_then = None;
        loop {
            let losses = signs.borrow_and_update().losses;
            let current = self.current.borrow().as_ref().map(|it| it.name.clone());
            let choice = Choice {
                wanted: self.config.adapter.as_deref(),
                current: current.as_deref(),
            };
            let found = match find_adapter(bus, choice).await {
                Ok(found) => found,
                Err(error) => return tracing::debug!(%error, "The system bus does not answer"),
            };
            match found {
                Ok(name) if self.is_current(&name) && losses_then == Some(losses) => {}
                Ok(name) => match libraries.adapter(&name).await {
                    Ok(adapter) => {
                        self.present(adapter);
                        losses_then = Some(losses);
                    }
                    Err(error) => self.absent(AbsentReason::AdapterFaulty(error.to_string())),
                },
                Err(reason) => self.absent(reason),
            }
            let faulty = matches!(
                *self.state.borrow(),
                RadioState::Absent(AbsentReason::AdapterFaulty(_))
            );
            tokio::select! {
                changed = signs.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(FAULTY_RETRY_INTERVAL), if faulty => {}
            }
        }
    }

    fn is_current(&self, name: &str) -> bool {
        let current = self.current.borrow();

        current.as_ref().is_some_and(|adapter| adapter.name == name)
    }

    fn present(&self, adapter: Adapter) {
        let state = RadioState::Present {
            adapter: adapter.name.clone(),
            hidden: None,
        };
        self.current.send_replace(Some(Arc::new(adapter)));
        self.set_state(state);
    }

    fn absent(&self, reason: AbsentReason) {
        self.current
            .send_if_modified(|current| current.take().is_some());
        self.set_state(RadioState::Absent(reason));
    }

    fn set_state(&self, state: RadioState) {
        self.state.send_if_modified(|old| {
            let changed = *old != state;
            if changed {
                tracing::info!(?state, "The state of the radio changed");
                *old = state;
            }
            changed
        });
    }
}

/// How often something came, and how often something went.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    gains: u64,
    losses: u64,
}

impl Signs {
    const fn gain(&mut self) {
        self.gains = self.gains.wrapping_add(1);
    }

    const fn lose(&mut self) {
        self.losses = self.losses.wrapping_add(1);
    }
}

/// Returns the adapter to use, or why there is none.
///
/// # Errors
///
/// When the bus itself does not answer.
async fn find_adapter(
    bus: &Connection,
    choice: Choice<'_>,
) -> zbus::Result<Result<String, AbsentReason>> {
    let owned = bus
        .call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "NameHasOwner",
            &BLUEZ,
        )
        .await?;
    if !owned.body().deserialize::<bool>()? {
        return Ok(Err(AbsentReason::NoBluetoothd));
    }
    let objects = bus
        .call_method(
            Some(BLUEZ),
            "/",
            Some("org.freedesktop.DBus.ObjectManager"),
            "GetManagedObjects",
            &(),
        )
        .await;
    let Ok(objects) = objects else {
        return Ok(Err(AbsentReason::NoBluetoothd));
    };
    let objects: HashMap<OwnedObjectPath, Interfaces> = objects.body().deserialize()?;

    Ok(choice.of(&objects))
}

/// Changes of devices that wait for a slow task, which then looks for itself.
const DEVICE_CHANGES_MAX: usize = 64;

/// Signals that wait: a busy air makes many while we scan.
const SIGNALS_MAX: std::num::NonZeroUsize = std::num::NonZeroUsize::new(1024).expect("not zero");

const BUS_RETRY_INTERVAL: Duration = Duration::from_secs(2);

const FAULTY_RETRY_INTERVAL: Duration = Duration::from_secs(2);
