//! Challenges: stored, for one key, single use, gone when they expire.

use ops_proto::{PublicKey, Time};

use super::column::instant;
use super::{StoreError, Unit, sql};

impl Unit<'_> {
    /// Forgets the challenges that have expired.
    pub(crate) async fn expire_challenges(&mut self, now: Time) -> Result<(), StoreError> {
        sql::query("DELETE FROM challenges WHERE expires_ms <= $1")
            .bind(instant(now))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Stores a challenge. The oldest beyond `keep` go.
    pub(crate) async fn put_challenge(
        &mut self,
        challenge: &[u8; 32],
        subject: &PublicKey,
        expires: Time,
        keep: i64,
    ) -> Result<(), StoreError> {
        let id: i64 = sql::query_scalar(
            "INSERT INTO challenges (challenge, subject, expires_ms) VALUES ($1, $2, $3)
             RETURNING id",
        )
        .bind(challenge.as_slice())
        .bind(subject.0.as_slice())
        .bind(instant(expires))
        .fetch_one(self.sql())
        .await?;
        sql::query("DELETE FROM challenges WHERE id <= $1")
            .bind(id.saturating_sub(keep))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Uses a challenge up; returns whether it was there for this key.
    pub(crate) async fn use_challenge(
        &mut self,
        challenge: &[u8; 32],
        subject: &PublicKey,
        now: Time,
    ) -> Result<bool, StoreError> {
        let used = sql::query(
            "DELETE FROM challenges WHERE challenge = $1 AND subject = $2 AND expires_ms > $3",
        )
        .bind(challenge.as_slice())
        .bind(subject.0.as_slice())
        .bind(instant(now))
        .execute(self.sql())
        .await?;

        Ok(used.rows_affected() == 1)
    }
}
