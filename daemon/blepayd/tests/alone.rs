//! A provider with one device.

use kit::provider::Provider;
use kit::{Device, Kind};
use tempfile::TempDir;

/// A provider with one device, which has a TA.
pub(crate) struct Alone {
    pub(crate) device: Device,
    pub(crate) provider: Provider,
    pub(crate) _dir: TempDir,
}

impl Alone {
    pub(crate) async fn new() -> Self {
        let (provider, dir) = (Provider::new().await, TempDir::new().expect("a directory"));

        Self {
            device: provider.device(dir.path(), "Ada", Kind::WithTa).await,
            provider,
            _dir: dir,
        }
    }

    /// What the account holds.
    pub(crate) async fn online(&self) -> u64 {
        self.provider.online(&self.device).await
    }
}

/// Fails when facts of the device's journal contradict each other.
pub(crate) fn assert_sound(device: &Device) {
    let contradictions = device
        .wallet
        .journal()
        .view(|book| book.contradictions().to_vec());
    assert_eq!(contradictions, Vec::<u64>::new());
}
