//! The server's lives: a restore begins a new one.

use ops_proto::{PublicKey, Time};

use super::column::{instant, units_back};
use super::{StoreError, Unit, sql};

impl Unit<'_> {
    /// Begins a new life, after a restore or a promotion that is not proven complete; returns its number.
    pub(crate) async fn raise_incarnation(&mut self, now: Time) -> Result<u32, StoreError> {
        sql::query_scalar(
            "UPDATE life SET incarnation = incarnation + 1, raised_ms = $1 WHERE id = 1
             RETURNING incarnation",
        )
        .bind(instant(now))
        .fetch_one(self.sql())
        .await
    }

    /// Returns when this life began, if it is not the first.
    pub(crate) async fn raised(&mut self) -> Result<Option<Time>, StoreError> {
        let raised: i64 = sql::query_scalar("SELECT raised_ms FROM life WHERE id = 1")
            .fetch_one(self.sql())
            .await?;
        let raised = units_back(raised).map(Time::from_ms)?;

        Ok(Some(raised).filter(|raised| *raised > Time::from_ms(0)))
    }

    /// Returns when a key was registered.
    pub(crate) async fn registered(&mut self, key: &PublicKey) -> Result<Option<Time>, StoreError> {
        let at: Option<i64> =
            sql::query_scalar("SELECT registered_ms FROM subjects WHERE key = $1")
                .bind(key.0.as_slice())
                .fetch_optional(self.sql())
                .await?;

        at.map(|ms| units_back(ms).map(Time::from_ms)).transpose()
    }

    /// Notes what was put right of a TA against the loss account, in minor units.
    pub(crate) async fn add_corrected(
        &mut self,
        ta: &PublicKey,
        by: i64,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE tas SET corrected = corrected + $2 WHERE key = $1")
            .bind(ta.0.as_slice())
            .bind(by)
            .execute(self.sql())
            .await?;

        Ok(())
    }
}
