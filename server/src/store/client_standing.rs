//! Clients that the provider suspended.

use ops_proto::PublicKey;

use super::{StoreError, Unit, sql};

impl Unit<'_> {
    /// Returns whether a client is suspended.
    pub(crate) async fn is_client_suspended(
        &mut self,
        key: &PublicKey,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sql::query_scalar("SELECT 1 FROM clients WHERE key = $1 AND suspended = 1")
                .bind(key.0.as_slice())
                .fetch_optional(self.sql())
                .await?;

        Ok(found.is_some())
    }

    /// Suspends a client, or lets it live again.
    pub(crate) async fn set_client_suspended(
        &mut self,
        key: &PublicKey,
        suspended: bool,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE clients SET suspended = $2 WHERE key = $1")
            .bind(key.0.as_slice())
            .bind(suspended)
            .execute(self.sql())
            .await?;

        Ok(())
    }
}
