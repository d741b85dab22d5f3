//! The devices that are connected to the adapter, as the payee's side of the radio deals with them.

use std::time::Duration;

use super::dialled::DialledAddresses;
use super::errand::{self, Errand, Whose};

/// The adapter's devices.
pub(super) struct Devices {
    adapter: bluer::Adapter,
    dialled: DialledAddresses,
}

impl Devices {
    pub(super) fn new(adapter: bluer::Adapter, dialled: DialledAddresses) -> Self {
        Self { adapter, dialled }
    }

    /// Returns whether this radio dials the device itself.
    pub(super) fn is_dialled(&self, address: bluer::Address) -> bool {
        self.dialled.contains(address)
    }

    /// Returns whether a connected device that became no link came to this payee.
    pub(super) fn is_ours(
        &self,
        address: bluer::Address,
        errand: Errand,
    ) -> impl Future<Output = bool> + Send + use<> {
        let (device, dialled) = (self.adapter.device(address), self.dialled.clone());
        async move {
            // a device that is unknown is gone
            let Ok(device) = device else { return false };
            let whose = errand::whose(&device, errand).await;

            matches!(whose, Ok(Whose::Ours)) && !dialled.contains(address)
        }
    }

    pub(super) async fn is_connected(&self, address: bluer::Address) -> bool {
        match self.adapter.device(address) {
            Ok(device) => matches!(device.is_connected().await, Ok(true)),
            Err(_unknown) => false,
        }
    }

    /// Disconnects a device; BlueZ takes two seconds for it, and sometimes has to be asked again.
    pub(super) fn disconnect(
        &self,
        address: bluer::Address,
    ) -> impl Future<Output = ()> + Send + use<> {
        let device = self.adapter.device(address);
        async move {
            let Ok(device) = device else { return };
            for _ in 0..DISCONNECTS_MAX {
                let Err(error) = device.disconnect().await else {
                    return;
                };
                tracing::debug!(%error, "Could not disconnect a central");
                if !matches!(device.is_connected().await, Ok(true)) {
                    return;
                }
                tokio::time::sleep(DISCONNECT_PAUSE).await;
            }
        }
    }
}

const DISCONNECTS_MAX: u32 = 3;

const DISCONNECT_PAUSE: Duration = Duration::from_secs(1);
