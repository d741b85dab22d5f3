//! Challenges: stored, for one key, single use, gone when they expire.

use ops_proto::{PublicKey, Time};

use super::column::instant;
use super::{StoreError, Unit};

impl Unit<'_> {
    /// Forgets the challenges that have expired.
    pub(crate) async fn expire_challenges(&mut self, now: Time) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM challenges WHERE expires_ms <= $1")
            .bind(instant(now))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns how many challenges are stored.
    pub(crate) async fn challenges_count(&mut self) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar("SELECT count(*) FROM challenges")
            .fetch_one(self.sql())
            .await?;

        Ok(count)
    }

    /// Stores a challenge and forgets the oldest of this key beyond `keep`.
    pub(crate) async fn put_challenge(
        &mut self,
        challenge: &[u8; 32],
        subject: &PublicKey,
        expires: Time,
        keep: i64,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO challenges (challenge, subject, expires_ms) VALUES ($1, $2, $3)")
            .bind(challenge.as_slice())
            .bind(subject.0.as_slice())
            .bind(instant(expires))
            .execute(self.sql())
            .await?;
        sqlx::query(
            "DELETE FROM challenges WHERE subject = $1 AND challenge NOT IN (
                 SELECT challenge FROM challenges WHERE subject = $1
                 ORDER BY expires_ms DESC, challenge LIMIT $2)",
        )
        .bind(subject.0.as_slice())
        .bind(keep)
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
        let used = sqlx::query(
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
