//! The adapter's name while a payee serves: a constant, since BlueZ lets anyone read it.

use std::time::Duration;

use ble_proto::gatt::ADAPTER_ALIAS;

/// The alias of the adapter before ours.
pub(super) struct Alias(Option<String>);

impl Alias {
    /// Puts the constant name in place.
    pub(super) async fn put(adapter: &bluer::Adapter) -> Self {
        let old = match adapter.alias().await {
            // Left by a process that was killed: an empty alias is the system's name.
            Ok(old) if old == ADAPTER_ALIAS => Some(String::new()),
            Ok(old) => Some(old),
            Err(_unreadable) => None,
        };
        if let Err(error) = adapter.set_alias(ADAPTER_ALIAS.to_owned()).await {
            tracing::info!(%error, "The adapter keeps its own name");
        }

        Self(old)
    }

    pub(super) async fn restore(self, adapter: &bluer::Adapter) {
        let Some(old) = self.0 else { return };
        // After an upset there may be nothing to restore, or nobody who answers.
        let _gone = tokio::time::timeout(ALIAS_TIMEOUT, adapter.set_alias(old)).await;
    }
}

const ALIAS_TIMEOUT: Duration = Duration::from_millis(500);
