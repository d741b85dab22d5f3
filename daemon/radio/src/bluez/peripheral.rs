//! The payee's side: serves on whichever adapter there is, until the peripheral is dropped.

use std::sync::Arc;
use std::time::Duration;

use ble_proto::gatt::RequestTag;
use tokio::sync::watch;

use super::adapter::Adapter;
use super::advertise::advertise;
use super::alias::Alias;
use super::gatt;
use super::presence::Adapters;
use super::refusals::ServeRefusals;
use super::serving::{Served, Serving};
use crate::RadioError;
use crate::peripheral::{PeripheralCommand, PeripheralTask};

/// Serves until the peripheral is dropped, on one adapter after the other.
pub(super) async fn run(mut adapters: Adapters, info: Vec<u8>, mut task: PeripheralTask) {
    let wanted = watch::Sender::new(Vec::new());
    let mut refusals = ServeRefusals::of("to serve");
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
                Some(PeripheralCommand::SetAdvertised(tags)) => { wanted.send_replace(tags); }
                Some(PeripheralCommand::Send { done, .. } | PeripheralCommand::Disconnect { done, .. }) => {
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
    (wanted, refusals): (&watch::Sender<Vec<RequestTag>>, &mut ServeRefusals),
    task: &mut PeripheralTask,
) -> Served {
    let changes = adapters.devices.subscribe();
    let alias = Alias::put(&adapter.peripheral).await;
    let registered = match gatt::register(&adapter.peripheral, info).await {
        Ok(registered) => registered,
        Err(error) => {
            adapters.visibility.set(refusals.add(error.to_string()));
            // the next try would take our name for the owner's
            alias.restore(&adapter.peripheral).await;
            return Served::Refused;
        }
    };
    refusals.forget();
    adapters.visibility.set(None);
    tracing::info!(adapter = adapter.name, "Serving");
    let (wishes, seen) = (wanted.subscribe(), adapters.visibility.clone());
    let advertising = advertise(&adapter.peripheral, wishes, seen);
    let mut serving = Serving::new(adapter, adapters, wanted);
    let served = serving
        .run(
            &mut adapters.current,
            registered,
            changes,
            advertising,
            task,
        )
        .await;
    serving.end().await;
    alias.restore(&adapter.peripheral).await;

    served
}
