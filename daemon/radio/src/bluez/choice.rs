//! Which adapter is used, of those that BlueZ shows.

use std::collections::HashMap;

use zbus::{OwnedObjectPath, OwnedVariant};

use crate::AbsentReason;

pub(super) type Properties = HashMap<String, OwnedVariant>;
pub(super) type Interfaces = HashMap<String, Properties>;

pub(super) const ADAPTER_INTERFACE: &str = "org.bluez.Adapter1";
pub(super) const GATT_INTERFACE: &str = "org.bluez.GattManager1";
pub(super) const ADVERTISING_INTERFACE: &str = "org.bluez.LEAdvertisingManager1";

/// By what an adapter is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    /// The one that the settings name.
    pub(super) wanted: Option<&'a str>,
    /// The one in use: as long as no other is fitter, it stays.
    pub(super) current: Option<&'a str>,
}

/// How much an adapter can do, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    /// It hears others and can be seen.
    Full,
    /// It is on; BlueZ says that it cannot serve or advertise.
    HearsOnly,
    /// It is off.
    Off,
}

impl Fitness {
    fn of(interfaces: &Interfaces) -> Option<Self> {
        let powered = interfaces.get(ADAPTER_INTERFACE)?.get("Powered");
        let is_on = powered.and_then(|powered| bool::try_from(powered).ok()) == Some(true);
        let is_seen = [GATT_INTERFACE, ADVERTISING_INTERFACE]
            .iter()
            .all(|interface| interfaces.contains_key(*interface));

        Some(match (is_on, is_seen) {
            (true, true) => Self::Full,
            (true, false) => Self::HearsOnly,
            (false, _) => Self::Off,
        })
    }
}

impl Choice<'_> {
    /// Returns the fittest adapter, of several the one in use, else the first by name.
    pub(super) fn of(
        self,
        objects: &HashMap<OwnedObjectPath, Interfaces>,
    ) -> Result<String, AbsentReason> {
        let (fitness, _, name) = objects
            .keys()
            .filter_map(|path| {
                let fitness = Fitness::of(objects.get(path)?)?;
                let name = path.as_str().rsplit('/').next()?;
                Some((fitness, self.current != Some(name), name))
            })
            .filter(|(_, _, name)| self.wanted.is_none_or(|wanted| wanted == *name))
            .min()
            .ok_or(AbsentReason::NoAdapter)?;
        if fitness == Fitness::Off {
            return Err(AbsentReason::AdapterOff);
        }

        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fittest_adapter_is_chosen_and_kept() {
        let all = HashMap::from([
            adapter("hci0", false, true),
            adapter("hci1", true, false),
            adapter("hci2", true, true),
            adapter("hci3", true, true),
        ]);
        let choose = |wanted, current| Choice { wanted, current }.of(&all);

        assert_eq!(choose(None, None).as_deref(), Ok("hci2"));
        assert_eq!(choose(None, Some("hci3")).as_deref(), Ok("hci3"));
        assert_eq!(choose(None, Some("hci1")).as_deref(), Ok("hci2"));
        assert_eq!(choose(Some("hci1"), None).as_deref(), Ok("hci1"));
        assert_eq!(choose(Some("hci0"), None), Err(AbsentReason::AdapterOff));
        assert_eq!(choose(Some("hci9"), None), Err(AbsentReason::NoAdapter));
    }

    fn adapter(name: &str, powered: bool, seen: bool) -> (OwnedObjectPath, Interfaces) {
        let path = format!("/org/bluez/{name}");
        let properties = Properties::from([("Powered".to_owned(), OwnedVariant::from(powered))]);
        let mut interfaces = Interfaces::from([(ADAPTER_INTERFACE.to_owned(), properties)]);
        if seen {
            for interface in [GATT_INTERFACE, ADVERTISING_INTERFACE] {
                interfaces.insert(interface.to_owned(), Properties::new());
            }
        }

        (OwnedObjectPath::try_from(path).expect("a path"), interfaces)
    }
}
