//! The lives of other providers' servers, and of ours as they know it.

use ops_proto::{ProviderId, Time};

use super::column::instant;
use super::{StoreError, Unit, sql};

impl Unit<'_> {
    /// Returns in which life this server is.
    pub(crate) async fn incarnation(&mut self) -> Result<u32, StoreError> {
        sql::query_scalar("SELECT incarnation FROM life WHERE id = 1")
            .fetch_one(self.sql())
            .await
    }

    /// Notes in which life another provider's server is; returns whether it was restored since it was heard.
    pub(crate) async fn note_peer_life(
        &mut self,
        provider: &ProviderId,
        incarnation: u32,
    ) -> Result<bool, StoreError> {
        let before: Option<u32> =
            sql::query_scalar("SELECT incarnation FROM peers WHERE provider = $1")
                .bind(provider.0.as_slice())
                .fetch_optional(self.sql())
                .await?;
        // One that was never heard is in its first life, as far as anybody here knows.
        let Some(before) = before.map(|before| before.max(1)) else {
            return Ok(false);
        };
        if incarnation <= before {
            return Ok(false);
        }
        sql::query("UPDATE peers SET incarnation = $2 WHERE provider = $1")
            .bind(provider.0.as_slice())
            .bind(incarnation)
            .execute(self.sql())
            .await?;

        Ok(true)
    }

    /// Has everything said again that another provider may have forgotten, as far as it is not older than an
    /// instant: payments that it accepted, payments that were accepted from it, settlements.
    pub(crate) async fn say_again(
        &mut self,
        provider: &ProviderId,
        since: Time,
    ) -> Result<(), StoreError> {
        let statements = [
            "UPDATE forwards SET again = 1, due_ms = 0
             WHERE debtor = $1 AND state = 1 AND EXISTS (
                 SELECT 1 FROM payments WHERE payments.hash = forwards.payment
                     AND payments.named = 1 AND payments.received_ms >= $2)",
            "INSERT INTO deliveries (payment, creditor, due_ms)
             SELECT payment, creditor, 0 FROM presented WHERE creditor = $1 AND at_ms >= $2
             ON CONFLICT (payment) DO UPDATE SET done = 0, due_ms = 0",
        ];
        for statement in statements {
            sql::query(statement)
                .bind(provider.0.as_slice())
                .bind(instant(since))
                .execute(self.sql())
                .await?;
        }
        sql::query(
            "UPDATE settlements SET again = 1, due_ms = 0 WHERE creditor = $1 AND ack IS NOT NULL",
        )
        .bind(provider.0.as_slice())
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns whether another provider has still to tell what we had settled with it before a restore.
    pub(crate) async fn is_to_recall(&mut self, provider: &ProviderId) -> Result<bool, StoreError> {
        let found: Option<i64> = sql::query_scalar(
            "SELECT 1 FROM peers
             WHERE provider = $1 AND recalled < (SELECT incarnation FROM life WHERE id = 1)",
        )
        .bind(provider.0.as_slice())
        .fetch_optional(self.sql())
        .await?;

        Ok(found.is_some())
    }

    /// Notes that another provider told in this life what we had settled with it.
    pub(crate) async fn set_recalled(&mut self, provider: &ProviderId) -> Result<(), StoreError> {
        sql::query(
            "UPDATE peers SET recalled = (SELECT incarnation FROM life WHERE id = 1)
             WHERE provider = $1",
        )
        .bind(provider.0.as_slice())
        .execute(self.sql())
        .await?;

        Ok(())
    }
}
