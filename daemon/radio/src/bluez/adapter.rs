//! The adapter in use, as both libraries see it.

use btleplug::api::{Central as _, Manager as _};

/// Why an adapter that BlueZ shows cannot be used; shown in `status`.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdapterError {
    #[error("bluer: {0}")]
    Bluer(#[from] bluer::Error),
    #[error("btleplug: {0}")]
    Btleplug(#[from] btleplug::Error),
    #[error("btleplug does not list it")]
    Unlisted,
}

/// The connections of the two libraries to the system bus: one each, for as long as the bus lives.
pub(super) struct Libraries {
    session: bluer::Session,
    manager: btleplug::platform::Manager,
}

impl Libraries {
    pub(super) async fn open() -> Result<Self, AdapterError> {
        Ok(Self {
            session: bluer::Session::new().await?,
            manager: btleplug::platform::Manager::new().await?,
        })
    }

    /// Looks the adapter up in both libraries.
    pub(super) async fn adapter(&self, name: &str) -> Result<Adapter, AdapterError> {
        let peripheral = self.session.adapter(name)?;
        for central in self.manager.adapters().await? {
            // "hci0 (usb:…)": the name comes first.
            let info = central.adapter_info().await?;
            if info.split_whitespace().next() == Some(name) {
                return Ok(Adapter {
                    name: name.to_owned(),
                    peripheral,
                    central,
                });
            }
        }

        Err(AdapterError::Unlisted)
    }
}

/// One adapter, from one upset to the next: what is registered with it is lost with it.
#[derive(Debug)]
pub(super) struct Adapter {
    pub(super) name: String,
    pub(super) peripheral: bluer::Adapter,
    pub(super) central: btleplug::platform::Adapter,
}
