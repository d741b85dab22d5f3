//! The GATT application: `INFO`, `C2S` and `S2C`, and what comes in through them.

use std::num::NonZeroU16;
use std::time::Duration;

use ble_proto::gatt::{C2S_UUID, INFO_UUID, S2C_UUID, SERVICE_UUID};
use bluer::gatt::local::{
    Application, ApplicationHandle, Characteristic, CharacteristicControl,
    CharacteristicControlHandle, CharacteristicNotify, CharacteristicNotifyMethod,
    CharacteristicRead, CharacteristicWrite, CharacteristicWriteMethod, ReqError, Service,
    characteristic_control,
};
use futures::FutureExt;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::limits;

/// What a central did, as BlueZ tells it.
#[derive(Debug)]
pub(super) enum Inbound {
    /// It read `INFO`.
    Read { address: bluer::Address },
    /// It wrote a frame to `C2S`.
    Written {
        address: bluer::Address,
        mtu: u16,
        bytes: Vec<u8>,
    },
}

/// The application as long as BlueZ has it.
pub(super) struct Registered {
    /// Hands out a writer when a central subscribes to `S2C`.
    pub(super) subscriptions: CharacteristicControl,
    pub(super) inbound: mpsc::Receiver<Inbound>,
    _unregisters_when_dropped: ApplicationHandle,
}

/// Registers the application with the adapter, always with the same table of attributes.
///
/// BlueZ as a client keeps a server's table by its address, and an unpaired one never hears that the
/// table changed: it would read the handle of `C2S` for that of `INFO`. So the service has a handle of
/// its own choice, and since bluer hands over the characteristics in random order, it is registered
/// again until they are in order.
///
/// Writes come by method calls, not by BlueZ's faster sockets: before 5.76 it has one write socket for
/// all centrals and keeps it when its first one leaves, so nobody could tell who wrote.
pub(super) async fn register(adapter: &bluer::Adapter, info: &[u8]) -> bluer::Result<Registered> {
    let mut handle = Some(SERVICE_HANDLE);
    let mut refusals = 0_u32;
    let mut attempt = 0_u32;
    loop {
        attempt = attempt.saturating_add(1);
        match register_once(adapter, info, handle).await {
            Ok((registered, in_order)) if in_order || attempt >= ORDER_ATTEMPTS_MAX => {
                tracing::debug!(attempt, in_order, ?handle, "Registered the service");
                return Ok(registered);
            }
            Ok((_unordered, _)) => {}
            Err(error) if refusals >= REFUSALS_MAX && handle.is_none() => return Err(error),
            Err(error) => {
                // The one before may still be there, or another program has the handle.
                tracing::debug!(%error, "BlueZ refused the service at its handle");
                refusals = refusals.saturating_add(1);
                if refusals >= REFUSALS_MAX {
                    handle = None;
                }
                tokio::time::sleep(REGISTER_PAUSE).await;
            }
        }
        // Unregisters the one before first, in a task of bluer's.
        tokio::task::yield_now().await;
    }
}

/// Registers the application and says whether its characteristics are in order.
async fn register_once(
    adapter: &bluer::Adapter,
    info: &[u8],
    handle: Option<NonZeroU16>,
) -> bluer::Result<(Registered, bool)> {
    let (inbound_in, inbound) = mpsc::channel(limits::PERIPHERAL_EVENTS_MAX);
    let (info_control, info_control_handle) = characteristic_control();
    let (c2s_control, c2s_control_handle) = characteristic_control();
    let (subscriptions, s2c_control_handle) = characteristic_control();
    let application = Application {
        services: vec![Service {
            uuid: Uuid::from_u128(SERVICE_UUID),
            handle,
            primary: true,
            characteristics: vec![
                info_characteristic(info.to_vec(), inbound_in.clone(), info_control_handle),
                write_characteristic(inbound_in, c2s_control_handle),
                notify_characteristic(s2c_control_handle),
            ],
            ..Default::default()
        }],
        ..Default::default()
    };
    let registered = adapter.serve_gatt_application(application).await?;
    let handles =
        [&info_control, &c2s_control, &subscriptions].map(|control| control.handle().ok());
    let registered = Registered {
        subscriptions,
        inbound,
        _unregisters_when_dropped: registered,
    };

    Ok((registered, handles.is_sorted()))
}

fn info_characteristic(
    info: Vec<u8>,
    inbound: mpsc::Sender<Inbound>,
    control_handle: CharacteristicControlHandle,
) -> Characteristic {
    let read = CharacteristicRead {
        read: true,
        fun: Box::new(move |request| {
            let address = request.device_address;
            // A full queue has other links' frames, and the read needs no answer from there.
            let _full = inbound.try_send(Inbound::Read { address });
            let rest = info
                .get(usize::from(request.offset)..)
                .map(<[u8]>::to_vec)
                .ok_or(ReqError::InvalidOffset);
            async move { rest }.boxed()
        }),
        ..Default::default()
    };

    Characteristic {
        uuid: Uuid::from_u128(INFO_UUID),
        read: Some(read),
        control_handle,
        ..Default::default()
    }
}

fn write_characteristic(
    inbound: mpsc::Sender<Inbound>,
    control_handle: CharacteristicControlHandle,
) -> Characteristic {
    let write = CharacteristicWrite {
        write_without_response: true,
        method: CharacteristicWriteMethod::Fun(Box::new(move |bytes, request| {
            // Sent before the first await, so that frames stay in order.
            let sent = inbound.try_send(Inbound::Written {
                address: request.device_address,
                mtu: request.mtu,
                bytes,
            });
            async move { sent.map_err(|_full| ReqError::Failed) }.boxed()
        })),
        ..Default::default()
    };

    Characteristic {
        uuid: Uuid::from_u128(C2S_UUID),
        write: Some(write),
        control_handle,
        ..Default::default()
    }
}

fn notify_characteristic(control_handle: CharacteristicControlHandle) -> Characteristic {
    let notify = CharacteristicNotify {
        notify: true,
        method: CharacteristicNotifyMethod::Io,
        ..Default::default()
    };

    Characteristic {
        uuid: Uuid::from_u128(S2C_UUID),
        notify: Some(notify),
        control_handle,
        ..Default::default()
    }
}

/// Where the service lies in every payee's table: just above what BlueZ and its plugins put there.
///
/// Not far above: beyond a wide gap (0x0200 was tried) BlueZ 5.66 as a client loses its way when the
/// payee's BlueZ runs with `--experimental`.
const SERVICE_HANDLE: NonZeroU16 = NonZeroU16::new(0x0040).expect("not zero");

/// One in six orders is right: so many attempts fail one time in fifteen hundred.
const ORDER_ATTEMPTS_MAX: u32 = 40;

/// After so many refusals the service goes wherever BlueZ puts it; payers who know another table then
/// look again.
const REFUSALS_MAX: u32 = 5;

const REGISTER_PAUSE: Duration = Duration::from_millis(20);
