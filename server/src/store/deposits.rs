//! Deposits: one answer for each i of a TA.

use ops_proto::message::DepositOutcome;
use ops_proto::{Amount, Digest, PublicKey};

use super::column::{amount, amount_back, counter, counter_back, digest_back};
use super::sql::{self, Row};
use super::{StoreError, Unit};
use crate::ledger::{Grant, GrantPlace, LastGrant};

/// A deposit that was answered.
#[derive(Clone, Copy, Debug)]
pub struct DepositRow {
    /// The hash of the DepositOpen.
    pub hash: Digest,
    /// The row number of the answer.
    pub answer: i64,
}

impl Unit<'_> {
    /// Returns what was answered for an i.
    pub(crate) async fn deposit(
        &mut self,
        ta: &PublicKey,
        i: u64,
    ) -> Result<Option<DepositRow>, StoreError> {
        let row = sql::query("SELECT hash, answer FROM deposits WHERE ta = $1 AND i = $2")
            .bind(ta.0.as_slice())
            .bind(counter(i))
            .fetch_optional(self.sql())
            .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some(DepositRow {
            hash: digest_back(row.try_get("hash")?)?,
            answer: row.try_get("answer")?,
        }))
    }

    /// Stores what was answered for an i.
    pub(crate) async fn put_deposit(
        &mut self,
        ta: &PublicKey,
        i: u64,
        asked: Amount,
        row: &DepositRow,
        outcome: DepositOutcome,
    ) -> Result<(), StoreError> {
        let outcome = match outcome {
            DepositOutcome::Granted => 0_i64,
            DepositOutcome::Refused(_) => 1,
        };
        sql::query(
            "INSERT INTO deposits (ta, i, hash, amount, outcome, answer)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(ta.0.as_slice())
        .bind(counter(i))
        .bind(row.hash.0.as_slice())
        .bind(amount(asked)?)
        .bind(outcome)
        .bind(row.answer)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns the grants that a TA is not known to have taken, oldest first.
    pub(crate) async fn grants(&mut self, ta: &PublicKey) -> Result<Vec<Grant>, StoreError> {
        let rows = sql::query(
            "SELECT i, amount FROM deposits WHERE ta = $1 AND outcome = 0 AND taken = 0 ORDER BY i",
        )
        .bind(ta.0.as_slice())
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(grant_back).collect()
    }

    /// Returns the grants of a TA from counter `i` on, taken or not, oldest first.
    pub(crate) async fn grants_from(
        &mut self,
        ta: &PublicKey,
        i: u64,
    ) -> Result<Vec<LastGrant>, StoreError> {
        let rows = sql::query(
            "SELECT i, amount, taken FROM deposits
             WHERE ta = $1 AND i >= $2 AND outcome = 0 ORDER BY i",
        )
        .bind(ta.0.as_slice())
        .bind(counter(i))
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| {
                let taken: bool = row.try_get("taken")?;
                Ok(LastGrant {
                    grant: grant_back(row)?,
                    place: if taken {
                        GrantPlace::Shadow
                    } else {
                        GrantPlace::Open
                    },
                })
            })
            .collect()
    }

    /// Notes that a TA took a grant.
    pub(crate) async fn take_grant(&mut self, ta: &PublicKey, i: u64) -> Result<(), StoreError> {
        sql::query("UPDATE deposits SET taken = 1 WHERE ta = $1 AND i = $2")
            .bind(ta.0.as_slice())
            .bind(counter(i))
            .execute(self.sql())
            .await?;

        Ok(())
    }
}

fn grant_back(row: &Row) -> Result<Grant, StoreError> {
    Ok(Grant {
        i: counter_back(row.try_get("i")?)?,
        amount: amount_back(row.try_get("amount")?)?,
    })
}
