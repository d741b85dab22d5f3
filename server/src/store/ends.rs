//! How TAs ended: retirements and deaths.

use ops_proto::{Digest, PublicKey, Time};

use super::column::{digest_back, instant, key_back, units, units_back};
use super::sql::{self, Row};
use super::{StoreError, Unit};

/// A TA that retired.
#[derive(Clone, Copy, Debug)]
pub struct RetirementRow {
    /// The hash of its Retire.
    pub hash: Digest,
    /// What its owner got, in minor units.
    pub paid: u64,
    /// When it was booked.
    pub at: Time,
    /// The row number of the answer.
    pub answer: i64,
}

/// A TA that is dead.
#[derive(Clone, Copy, Debug)]
pub struct DeathRow {
    /// From when on what waits is paid to its owner.
    pub payable_from: Time,
    /// What was paid, in minor units.
    pub paid: u64,
}

impl Unit<'_> {
    /// Returns how a TA retired.
    pub(crate) async fn retirement(
        &mut self,
        ta: &PublicKey,
    ) -> Result<Option<RetirementRow>, StoreError> {
        let row = sql::query("SELECT hash, paid, at_ms, answer FROM retirements WHERE ta = $1")
            .bind(ta.0.as_slice())
            .fetch_optional(self.sql())
            .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some(RetirementRow {
            hash: digest_back(row.try_get("hash")?)?,
            paid: units_back(row.try_get("paid")?)?,
            at: time_back(&row, "at_ms")?,
            answer: row.try_get("answer")?,
        }))
    }

    /// Notes how a TA retired.
    pub(crate) async fn put_retirement(
        &mut self,
        ta: &PublicKey,
        row: &RetirementRow,
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO retirements (ta, hash, paid, at_ms, answer) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(ta.0.as_slice())
        .bind(row.hash.0.as_slice())
        .bind(units(row.paid)?)
        .bind(instant(row.at))
        .bind(row.answer)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns what is known of a TA's death.
    pub(crate) async fn death(&mut self, ta: &PublicKey) -> Result<Option<DeathRow>, StoreError> {
        let row = sql::query("SELECT payable_from_ms, paid FROM deaths WHERE ta = $1")
            .bind(ta.0.as_slice())
            .fetch_optional(self.sql())
            .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some(DeathRow {
            payable_from: time_back(&row, "payable_from_ms")?,
            paid: units_back(row.try_get("paid")?)?,
        }))
    }

    /// Notes a TA's death.
    pub(crate) async fn put_death(
        &mut self,
        ta: &PublicKey,
        at: Time,
        payable_from: Time,
    ) -> Result<(), StoreError> {
        sql::query("INSERT INTO deaths (ta, at_ms, payable_from_ms) VALUES ($1, $2, $3)")
            .bind(ta.0.as_slice())
            .bind(instant(at))
            .bind(instant(payable_from))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Notes what was paid of what a dead TA held, in minor units.
    pub(crate) async fn add_paid(&mut self, ta: &PublicKey, paid: u64) -> Result<(), StoreError> {
        sql::query("UPDATE deaths SET paid = paid + $2 WHERE ta = $1")
            .bind(ta.0.as_slice())
            .bind(units(paid)?)
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns up to `limit` dead TAs for whose owners money waits that is payable now.
    pub(crate) async fn payable(
        &mut self,
        now: Time,
        limit: i64,
    ) -> Result<Vec<PublicKey>, StoreError> {
        let keys: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT deaths.ta FROM deaths
             JOIN accounts ON accounts.kind = 5 AND accounts.owner = deaths.ta
             WHERE deaths.payable_from_ms <= $1 AND accounts.balance > 0
             ORDER BY deaths.payable_from_ms, deaths.ta LIMIT $2",
        )
        .bind(instant(now))
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        keys.iter().map(|key| key_back(key)).collect()
    }

    /// Writes how a TA stands.
    pub(crate) async fn set_standing(
        &mut self,
        ta: &PublicKey,
        standing: super::TaStanding,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE tas SET standing = $2 WHERE key = $1")
            .bind(ta.0.as_slice())
            .bind(standing.code())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns the bytes of an answer, by its row number.
    pub(crate) async fn answer_bytes(&mut self, id: i64) -> Result<Vec<u8>, StoreError> {
        sql::query_scalar("SELECT bytes FROM answers WHERE id = $1")
            .bind(id)
            .fetch_one(self.sql())
            .await
    }
}

fn time_back(row: &Row, column: &str) -> Result<Time, StoreError> {
    units_back(row.try_get(column)?).map(Time::from_ms)
}
