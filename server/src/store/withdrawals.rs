//! Withdrawals: each is booked once, and acknowledged with the same bytes whenever it is asked for.

use ops_proto::message::Withdraw;
use ops_proto::signed::Signed;
use ops_proto::{Digest, PublicKey};

use super::column::{amount, counter, digest_back, units_back};
use super::{StoreError, Unit, sql};

/// A withdrawal that is booked.
#[derive(Clone, Copy, Debug)]
pub struct WithdrawalRow {
    /// The hash of the Withdraw.
    pub hash: Digest,
    /// The row number of the acknowledgement, once there is one.
    pub answer: Option<i64>,
}

impl Unit<'_> {
    /// Returns the withdrawal that is booked for an i.
    pub(crate) async fn withdrawal(
        &mut self,
        ta: &PublicKey,
        i: u64,
    ) -> Result<Option<WithdrawalRow>, StoreError> {
        let row = sql::query("SELECT hash, answer FROM withdrawals WHERE ta = $1 AND i = $2")
            .bind(ta.0.as_slice())
            .bind(counter(i))
            .fetch_optional(self.sql())
            .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some(WithdrawalRow {
            hash: digest_back(row.try_get("hash")?)?,
            answer: row.try_get("answer")?,
        }))
    }

    /// Notes that a withdrawal is booked.
    pub(crate) async fn put_withdrawal(
        &mut self,
        withdraw: &Signed<Withdraw>,
        answer: Option<i64>,
    ) -> Result<(), StoreError> {
        let body = withdraw.body();
        sql::query(
            "INSERT INTO withdrawals (ta, i, n, hash, amount, answer)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(body.ta.0.as_slice())
        .bind(counter(body.position.i))
        .bind(counter(body.position.n))
        .bind(withdraw.hash().0.as_slice())
        .bind(amount(body.amount)?)
        .bind(answer)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Notes the acknowledgement of a withdrawal.
    pub(crate) async fn set_withdrawal_answer(
        &mut self,
        ta: &PublicKey,
        i: u64,
        answer: i64,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE withdrawals SET answer = $3 WHERE ta = $1 AND i = $2")
            .bind(ta.0.as_slice())
            .bind(counter(i))
            .bind(answer)
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns the sum of withdrawals that a TA signed after statement `n`, in minor units.
    pub(crate) async fn withdrawn_after(
        &mut self,
        ta: &PublicKey,
        n: u64,
    ) -> Result<u64, StoreError> {
        let sum: Option<i64> = sql::query_scalar(
            "SELECT CAST(sum(amount) AS BIGINT) FROM withdrawals WHERE ta = $1 AND n > $2",
        )
        .bind(ta.0.as_slice())
        .bind(counter(n))
        .fetch_one(self.sql())
        .await?;

        units_back(sum.unwrap_or(0))
    }
}
