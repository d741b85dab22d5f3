//! What the books know of the time.

use ops_proto::Time;

use super::column::{instant, units_back};
use super::{StoreError, Unit, sql};
use crate::limits::{CHALLENGE_LIFE_MS, CLOCK_BEHIND_MS_MAX};

/// A clock that lay before what the books knew, and that the operator said was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AcceptedClock {
    /// What it showed.
    pub(crate) at: Time,
    /// The newest instant that the books knew.
    pub(crate) newest: Time,
}

impl Unit<'_> {
    /// Returns the instant at which the books were last written to, as far as they say: that of the newest entry, or
    /// of the newest challenge, without which nobody registers.
    async fn newest_instant(&mut self) -> Result<Time, StoreError> {
        let entry = "SELECT at_ms FROM entries ORDER BY id DESC LIMIT 1";
        let entry = self.newest(entry).await?;
        let challenge = "SELECT expires_ms FROM challenges ORDER BY id DESC LIMIT 1";
        let challenge = self.newest(challenge).await?;

        Ok(entry.max(challenge.saturating_sub_ms(CHALLENGE_LIFE_MS)))
    }

    /// Returns that instant, if a clock lies further before it than clocks differ and the operator has not accepted it.
    pub(crate) async fn written_after(&mut self, now: Time) -> Result<Option<Time>, StoreError> {
        let newest = self.newest_instant().await?;
        if newest.ms_since(now) <= CLOCK_BEHIND_MS_MAX {
            return Ok(None);
        }
        let accepted = self.accepted_clocks().await?;
        let is_accepted = accepted.last().is_some_and(|clock| clock.newest == newest);

        Ok((!is_accepted).then_some(newest))
    }

    async fn newest(&mut self, select: &'static str) -> Result<Time, StoreError> {
        let newest: Option<i64> = sql::query_scalar(select).fetch_optional(self.sql()).await?;

        units_back(newest.unwrap_or(0)).map(Time::from_ms)
    }

    /// Returns the clocks that the operator accepted, oldest first.
    pub(crate) async fn accepted_clocks(&mut self) -> Result<Vec<AcceptedClock>, StoreError> {
        let rows = sql::query("SELECT at_ms, newest_ms FROM clocks_accepted ORDER BY id")
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| {
                let (at, newest): (i64, i64) = (row.try_get("at_ms")?, row.try_get("newest_ms")?);

                Ok(AcceptedClock {
                    at: units_back(at).map(Time::from_ms)?,
                    newest: units_back(newest).map(Time::from_ms)?,
                })
            })
            .collect()
    }

    /// Notes that the operator accepts a clock.
    pub(crate) async fn accept_clock(&mut self, clock: AcceptedClock) -> Result<(), StoreError> {
        sql::query("INSERT INTO clocks_accepted (at_ms, newest_ms) VALUES ($1, $2)")
            .bind(instant(clock.at))
            .bind(instant(clock.newest))
            .execute(self.sql())
            .await?;

        Ok(())
    }
}
