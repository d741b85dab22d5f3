//! The radio of a Linux system: BlueZ, as peripheral through bluer and as central through btleplug.
//!
//! ```text
//!             NameOwnerChanged, adapters, Powered, Connected        (zbus)
//!                     │
//!               ┌─────▼──────┐  watch: Option<Adapter>, anew after every upset
//!               │ presence   ├──────┬──────────────────┬──────────────────┐
//!               └────────────┘      │                  │                  │
//!                             ┌─────▼──────┐     ┌─────▼──────┐     ┌─────▼──────┐
//!                             │ peripheral │     │ scan       │◄────┤ connect,   │
//!                             │ (bluer)    │     │ (btleplug) │pause│ link       │
//!                             └────────────┘     └────────────┘     └────────────┘
//! ```
//!
//! There are two libraries since btleplug makes no peripheral, which bluer does; and btleplug is what looks
//! for others and connects, since it also runs where there is no BlueZ: a payer is not bound to Linux by it.
//!
//! All of it runs on one thread with a scheduler of its own. bluer hands each write of a central to a
//! task of its own, and only a scheduler that is first in, first out keeps frames in order.

mod adapter;
mod advertise;
mod alias;
mod arrivals;
mod central;
mod choice;
mod connect;
mod devices;
mod dialled;
mod errand;
mod gatt;
mod newcomers;
mod notify;
mod order;
mod peripheral;
mod presence;
mod refusals;
mod scan;
mod serving;
mod shared;
mod signals;

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{
    AbsentReason, CentralLink, PeerAddress, Peripheral, Radio, RadioError, RadioState, Scan, limits,
};
use central::Central;

/// Which adapter to use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BluezConfig {
    /// The adapter's name, as `hci1`; without one `hci0`, or else the first.
    #[serde(default)]
    pub adapter: Option<String>,
}

/// The radio of a Linux system.
#[derive(Debug)]
pub struct BluezRadio {
    orders: mpsc::Sender<BluezOrder>,
    state: watch::Receiver<RadioState>,
}

/// What the owner asks for.
enum BluezOrder {
    Serve {
        info: Vec<u8>,
        done: oneshot::Sender<Result<Peripheral, RadioError>>,
    },
    Scan {
        done: oneshot::Sender<Result<Scan, RadioError>>,
    },
    Connect {
        peer: PeerAddress,
        done: oneshot::Sender<Result<CentralLink, RadioError>>,
    },
}

impl BluezRadio {
    /// Starts the radio's thread, which belongs to `tasks` and ends when `stop` is cancelled.
    ///
    /// Must be called within a tokio runtime. A missing bus or adapter is a state, not an error.
    #[must_use]
    pub fn start(config: BluezConfig, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let (orders_in, orders) = mpsc::channel(limits::ORDERS_MAX);
        let (state_in, state) = watch::channel(RadioState::Absent(AbsentReason::Starting));
        tasks.spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(run(config, orders, state_in, stop)),
                Err(error) => tracing::error!(%error, "Cannot start the radio's thread"),
            }
        });

        Self {
            orders: orders_in,
            state,
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, RadioError>>) -> BluezOrder + Send + 'static,
    ) -> BoxFuture<'_, Result<T, RadioError>> {
        async move {
            let (done, outcome) = oneshot::channel();
            self.orders
                .send(order(done))
                .await
                .map_err(|_closed| RadioError::Stopped)?;

            outcome.await.map_err(|_closed| RadioError::Stopped)?
        }
        .boxed()
    }
}

impl Radio for BluezRadio {
    fn serve(&self, info: Vec<u8>) -> BoxFuture<'_, Result<Peripheral, RadioError>> {
        self.ask(|done| BluezOrder::Serve { info, done })
    }

    fn scan(&self) -> BoxFuture<'_, Result<Scan, RadioError>> {
        self.ask(|done| BluezOrder::Scan { done })
    }

    fn connect(&self, peer: PeerAddress) -> BoxFuture<'_, Result<CentralLink, RadioError>> {
        self.ask(|done| BluezOrder::Connect { peer, done })
    }

    fn state(&self) -> watch::Receiver<RadioState> {
        self.state.clone()
    }
}

/// The radio's thread: answers orders until `stop`, then waits for its own tasks.
async fn run(
    config: BluezConfig,
    mut orders: mpsc::Receiver<BluezOrder>,
    state: watch::Sender<RadioState>,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let (presence, adapters) = presence::Presence::new(config, state);
    tasks.spawn(presence.run(stop.clone()));
    let central = Central::new(adapters.clone(), tasks.clone(), stop.clone());
    let mut peripheral = PeripheralTurn::default();
    loop {
        let order = tokio::select! {
            biased; // a stop is never starved
            () = stop.cancelled() => break,
            order = orders.recv() => order,
        };
        match order {
            Some(BluezOrder::Serve { info, done }) => {
                let served = peripheral.serve(info, &adapters, &tasks, &stop);
                // Who asked may have stopped waiting; the peripheral then stops by being dropped.
                let _gone = done.send(served);
            }
            Some(BluezOrder::Scan { done }) => {
                let _gone = done.send(Ok(central.scan().await));
            }
            Some(BluezOrder::Connect { peer, done }) => central.connect(peer, done),
            None => break,
        }
    }
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(STOP_TIMEOUT, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!("Bluetooth did not let go in time; the system cleans up after us");
    }
}

/// The one turn to serve.
#[derive(Default)]
struct PeripheralTurn(Option<tokio::task::JoinHandle<()>>);

impl PeripheralTurn {
    fn serve(
        &mut self,
        info: Vec<u8>,
        adapters: &presence::Adapters,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Peripheral, RadioError> {
        if info.len() > limits::VALUE_SIZE_MAX {
            return Err(RadioError::TooLong {
                size: info.len(),
                size_max: limits::VALUE_SIZE_MAX,
            });
        }
        if self.0.as_ref().is_some_and(|task| !task.is_finished()) {
            return Err(RadioError::Busy);
        }
        let (peripheral, task) = Peripheral::new(stop.child_token());
        self.0 = Some(tasks.spawn(peripheral::run(adapters.clone(), info, task)));

        Ok(peripheral)
    }
}

/// How long the radio waits at shutdown until BlueZ has taken back what was registered.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
