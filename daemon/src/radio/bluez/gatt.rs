//! The GATT application: `INFO`, `C2S` and `S2C`, and what comes in through them.

use ble_proto::gatt::{C2S_UUID, INFO_UUID, S2C_UUID, SERVICE_UUID};
use bluer::gatt::local::{
    Application, ApplicationHandle, Characteristic, CharacteristicControl, CharacteristicNotify,
    CharacteristicNotifyMethod, CharacteristicRead, CharacteristicWrite, CharacteristicWriteMethod,
    ReqError, Service, characteristic_control,
};
use futures::FutureExt;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::radio::limits;

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

/// Registers the application with the adapter.
///
/// Writes come by method calls, not by BlueZ's faster sockets: before 5.76 it has one write socket for
/// all centrals and keeps it when its first one leaves, so nobody could tell who wrote.
pub(super) async fn register(adapter: &bluer::Adapter, info: &[u8]) -> bluer::Result<Registered> {
    let (inbound_in, inbound) = mpsc::channel(limits::PERIPHERAL_EVENTS_MAX);
    let (subscriptions, control_handle) = characteristic_control();
    let notify = Characteristic {
        uuid: Uuid::from_u128(S2C_UUID),
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Io,
            ..Default::default()
        }),
        control_handle,
        ..Default::default()
    };
    let application = Application {
        services: vec![Service {
            uuid: Uuid::from_u128(SERVICE_UUID),
            primary: true,
            characteristics: vec![
                info_characteristic(info.to_vec(), inbound_in.clone()),
                write_characteristic(inbound_in),
                notify,
            ],
            ..Default::default()
        }],
        ..Default::default()
    };
    let registered = adapter.serve_gatt_application(application).await?;

    Ok(Registered {
        subscriptions,
        inbound,
        _unregisters_when_dropped: registered,
    })
}

fn info_characteristic(info: Vec<u8>, inbound: mpsc::Sender<Inbound>) -> Characteristic {
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
        ..Default::default()
    }
}

fn write_characteristic(inbound: mpsc::Sender<Inbound>) -> Characteristic {
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
        ..Default::default()
    }
}
