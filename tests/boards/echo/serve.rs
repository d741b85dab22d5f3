//! The peripheral's side, through bluer, as a payee does it.

use bluer::adv::Advertisement;
use bluer::gatt::local::{
    Application, Characteristic, CharacteristicControl, CharacteristicControlEvent,
    CharacteristicControlHandle, CharacteristicNotify, CharacteristicNotifyMethod,
    CharacteristicWrite, CharacteristicWriteMethod, Service, characteristic_control,
};
use bluer::gatt::{CharacteristicReader, CharacteristicWriter};
use futures::StreamExt;
use serde_json::json;

use crate::flights::{Flight, Sender};
use crate::{Plan, SERVICE, TO_CENTRAL, TO_PERIPHERAL};

/// Serves until all rounds have been flown.
pub(crate) async fn serve(plan: &Plan) -> Result<String, String> {
    let session = bluer::Session::new().await.map_err(told("reach BlueZ"))?;
    let adapter = session
        .default_adapter()
        .await
        .map_err(told("take the adapter"))?;
    let (mut writes, write_handle) = characteristic_control();
    let (mut notifies, notify_handle) = characteristic_control();

    let application = application(write_handle, notify_handle);
    let _served = adapter
        .serve_gatt_application(application)
        .await
        .map_err(told("serve"))?;
    let advertisement = Advertisement {
        service_uuids: [SERVICE].into(),
        discoverable: Some(true),
        ..Default::default()
    };
    let _advertised = adapter
        .advertise(advertisement)
        .await
        .map_err(told("advertise"))?;

    let writer = subscriber(&mut notifies).await?;
    let reader = first_write(&mut writes).await?;
    let mut reader = Frames {
        reader,
        left_over: 0,
    };
    for _ in 0..plan.rounds {
        for flight in &plan.flights {
            match flight.sender {
                Sender::Central => reader.hear(flight.bytes()).await?,
                Sender::Peripheral => notify(&writer, flight).await?,
            }
        }
    }
    // The last notification may still be on its way; the central hangs up when it has it.
    drop(writer.closed().await);

    Ok(json!({ "rounds": plan.rounds, "mtu": writer.mtu() }).to_string())
}

/// What the central writes, frame by frame.
struct Frames {
    reader: CharacteristicReader,
    left_over: usize,
}

impl Frames {
    async fn hear(&mut self, bytes: usize) -> Result<(), String> {
        while self.left_over < bytes {
            let frame = self.reader.recv().await.map_err(told("receive"))?;
            if frame.is_empty() {
                return Err("the central went away".to_owned());
            }
            self.left_over = self.left_over.saturating_add(frame.len());
        }
        self.left_over = self.left_over.saturating_sub(bytes);

        Ok(())
    }
}

fn application(
    write: CharacteristicControlHandle,
    notify: CharacteristicControlHandle,
) -> Application {
    let to_peripheral = Characteristic {
        uuid: TO_PERIPHERAL,
        write: Some(CharacteristicWrite {
            write_without_response: true,
            method: CharacteristicWriteMethod::Io,
            ..Default::default()
        }),
        control_handle: write,
        ..Default::default()
    };
    let to_central = Characteristic {
        uuid: TO_CENTRAL,
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Io,
            ..Default::default()
        }),
        control_handle: notify,
        ..Default::default()
    };

    Application {
        services: vec![Service {
            uuid: SERVICE,
            primary: true,
            characteristics: vec![to_peripheral, to_central],
            ..Default::default()
        }],
        ..Default::default()
    }
}

async fn subscriber(control: &mut CharacteristicControl) -> Result<CharacteristicWriter, String> {
    loop {
        match control.next().await {
            Some(CharacteristicControlEvent::Notify(writer)) => return Ok(writer),
            Some(CharacteristicControlEvent::Write(_)) => {}
            None => return Err("BlueZ dropped the notify characteristic".to_owned()),
        }
    }
}

async fn first_write(control: &mut CharacteristicControl) -> Result<CharacteristicReader, String> {
    loop {
        match control.next().await {
            Some(CharacteristicControlEvent::Write(request)) => {
                return request.accept().map_err(told("accept the writes"));
            }
            Some(CharacteristicControlEvent::Notify(_)) => {}
            None => return Err("BlueZ dropped the write characteristic".to_owned()),
        }
    }
}

async fn notify(writer: &CharacteristicWriter, flight: &Flight) -> Result<(), String> {
    for frame in &flight.frames {
        writer
            .send(&vec![0xec; *frame])
            .await
            .map_err(told("notify"))?;
    }

    Ok(())
}

fn told<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> String {
    move |error| format!("{doing}: {error}")
}
