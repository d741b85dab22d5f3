//! What the system bus tells of bluetoothd, its adapters and its devices.

use zbus::{MatchRule, Message, OwnedObjectPath};

use super::choice::{
    ADAPTER_INTERFACE, ADVERTISING_INTERFACE, GATT_INTERFACE, Interfaces, Properties,
};

/// A device of an adapter has connected, disconnected, or been forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceChange {
    /// The adapter's name.
    pub(super) adapter: String,
    pub(super) address: bluer::Address,
    pub(super) now: DeviceNow,
}

/// What has become of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceNow {
    /// BlueZ heard of it by its connection.
    Appeared,
    /// BlueZ knew it, and it is connected now.
    Connected,
    Disconnected,
    Forgotten,
}

/// What a signal means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BusEvent {
    /// bluetoothd, an adapter, or its power has come.
    Gained,
    /// One of them has gone, and with it what was registered.
    Lost,
    Device(DeviceChange),
}

pub(super) fn rules() -> zbus::Result<[MatchRule<'static>; 4]> {
    let signal = || MatchRule::builder().msg_type(zbus::message::Type::Signal);
    let owner = signal()
        .sender("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(0, BLUEZ)
        .build()?;
    let objects = signal()
        .sender(BLUEZ)
        .interface("org.freedesktop.DBus.ObjectManager")
        .build()?;
    let adapters = signal()
        .sender(BLUEZ)
        .member("PropertiesChanged")
        .arg(0, ADAPTER_INTERFACE)
        .build()?;
    let devices = signal()
        .sender(BLUEZ)
        .member("PropertiesChanged")
        .arg(0, DEVICE_INTERFACE)
        .build()?;

    Ok([owner, objects, adapters, devices])
}

/// Says what a signal means; `None` for all that does not matter, or cannot be read.
pub(super) fn parse(signal: &Message) -> Option<BusEvent> {
    let header = signal.header();
    match header.member()?.as_str() {
        "NameOwnerChanged" => {
            let body = signal.body();
            let (_name, old, _new): (String, String, String) = body.deserialize().ok()?;
            Some(if old.is_empty() {
                BusEvent::Gained
            } else {
                BusEvent::Lost
            })
        }
        "InterfacesAdded" => {
            let body = signal.body();
            let (path, interfaces): (OwnedObjectPath, Interfaces) = body.deserialize().ok()?;
            let gained = [ADAPTER_INTERFACE, GATT_INTERFACE, ADVERTISING_INTERFACE];
            if gained.iter().any(|it| interfaces.contains_key(*it)) {
                return Some(BusEvent::Gained);
            }
            // of a property that changes before its object is shown BlueZ tells no change
            is_connected(interfaces.get(DEVICE_INTERFACE)?)?
                .then(|| device(path.as_str(), DeviceNow::Appeared))?
        }
        "InterfacesRemoved" => {
            let body = signal.body();
            let (path, interfaces): (OwnedObjectPath, Vec<String>) = body.deserialize().ok()?;
            let is_of = |wanted: &str| interfaces.iter().any(|interface| interface == wanted);
            if is_of(ADAPTER_INTERFACE) {
                return Some(BusEvent::Lost);
            }
            is_of(DEVICE_INTERFACE).then(|| device(path.as_str(), DeviceNow::Forgotten))?
        }
        "PropertiesChanged" => {
            let path = header.path()?.as_str();
            let body = signal.body();
            let (interface, changed, _invalidated): (String, Properties, Vec<String>) =
                body.deserialize().ok()?;
            match interface.as_str() {
                ADAPTER_INTERFACE => power_change(&changed),
                DEVICE_INTERFACE => match is_connected(&changed)? {
                    true => device(path, DeviceNow::Connected),
                    false => device(path, DeviceNow::Disconnected),
                },
                _another => None,
            }
        }
        _another => None,
    }
}

fn power_change(changed: &Properties) -> Option<BusEvent> {
    let powered = bool::try_from(changed.get("Powered")?).ok()?;

    Some(if powered {
        BusEvent::Gained
    } else {
        BusEvent::Lost
    })
}

fn is_connected(device: &Properties) -> Option<bool> {
    bool::try_from(device.get("Connected")?).ok()
}

/// Reads the adapter and the address in a device's path, as `/org/bluez/hci0/dev_00_1B_DC_0A_00_01`.
fn device(path: &str, now: DeviceNow) -> Option<BusEvent> {
    let (parent, device) = path.rsplit_once("/dev_")?;
    let change = DeviceChange {
        adapter: parent.rsplit('/').next()?.to_owned(),
        address: device.replace('_', ":").parse().ok()?,
        now,
    };

    Some(BusEvent::Device(change))
}

pub(super) const BLUEZ: &str = "org.bluez";
const DEVICE_INTERFACE: &str = "org.bluez.Device1";

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use zbus::{ObjectPath, Variant};

    use super::*;

    const DEVICE: &str = "/org/bluez/hci0/dev_00_1B_DC_0A_00_03";
    const OBJECTS: &str = "org.freedesktop.DBus.ObjectManager";

    #[test]
    fn a_device_that_appears_with_its_connection_is_told_from_one_that_was_known() {
        let [connected, idle] = [true, false].map(|is_connected| {
            let properties = HashMap::from([("Connected", Variant::from(is_connected))]);
            let path = ObjectPath::try_from(DEVICE).unwrap();
            let body = (path, HashMap::from([(DEVICE_INTERFACE, properties)]));
            parse(&signal("/", OBJECTS, "InterfacesAdded", &body))
        });
        let [dialled, gone] = [true, false].map(|is_connected| {
            let changed = HashMap::from([("Connected", Variant::from(is_connected))]);
            let invalidated: Vec<String> = Vec::new();
            let body = (DEVICE_INTERFACE, changed, invalidated);
            let properties = "org.freedesktop.DBus.Properties";
            parse(&signal(DEVICE, properties, "PropertiesChanged", &body))
        });

        assert_eq!(connected, Some(told(DeviceNow::Appeared)));
        assert_eq!(idle, None);
        assert_eq!(dialled, Some(told(DeviceNow::Connected)));
        assert_eq!(gone, Some(told(DeviceNow::Disconnected)));
    }

    #[test]
    fn a_device_and_an_adapter_that_go_are_told_apart() {
        let [device, adapter] = [DEVICE_INTERFACE, ADAPTER_INTERFACE].map(|interface| {
            let path = ObjectPath::try_from(DEVICE).unwrap();
            let body = (path, vec![interface]);
            parse(&signal("/", OBJECTS, "InterfacesRemoved", &body))
        });

        assert_eq!(device, Some(told(DeviceNow::Forgotten)));
        assert_eq!(adapter, Some(BusEvent::Lost));
    }

    fn told(now: DeviceNow) -> BusEvent {
        BusEvent::Device(DeviceChange {
            adapter: "hci0".to_owned(),
            address: bluer::Address::new([0x00, 0x1b, 0xdc, 0x0a, 0x00, 0x03]),
            now,
        })
    }

    fn signal<B>(
        path: &'static str,
        interface: &'static str,
        member: &'static str,
        body: &B,
    ) -> Message
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        Message::signal(path, interface, member)
            .build(body)
            .unwrap()
    }
}
