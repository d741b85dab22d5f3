//! Payments that were credited to online accounts.

use ops_proto::signed::decode_canonical;
use ops_proto::statement::Statement;
use ops_proto::{Digest, PaymentPair, PublicKey};

use super::books::columns;
use super::column::digest_back;
use super::{StoreError, Unit, sql};
use crate::ledger::Account;

/// A payment that was credited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CreditedPayment {
    /// The number of its entry: what an account is credited later has a larger one.
    pub(crate) entry: u64,
    pub(crate) payment: Digest,
}

impl Unit<'_> {
    /// Returns up to `limit` payments that were credited to a client after the entry `after`, oldest first.
    pub(crate) async fn credited(
        &mut self,
        client: &PublicKey,
        after: u64,
        limit: i64,
    ) -> Result<Vec<CreditedPayment>, StoreError> {
        // A number that does not fit is behind all that there are.
        let Ok(after) = i64::try_from(after) else {
            return Ok(Vec::new());
        };
        let (kind, owner, number) = columns(&Account::Online(*client));
        let rows = sql::query(
            "SELECT id, cause FROM entries
             WHERE credited = (SELECT id FROM accounts WHERE kind = $1 AND owner = $2 AND number = $3)
               AND reason = 4 AND id > $4
             ORDER BY id LIMIT $5",
        )
        .bind(kind)
        .bind(owner)
        .bind(number)
        .bind(after)
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| {
                let id: i64 = row.try_get("id")?;
                let entry = u64::try_from(id)
                    .map_err(|_| StoreError::Damaged("the number of an entry is below zero"))?;
                let payment = digest_back(row.try_get("cause")?)?;

                Ok(CreditedPayment { entry, payment })
            })
            .collect()
    }

    /// Returns a payment that was credited, whole.
    pub(crate) async fn credited_pair(
        &mut self,
        credited: CreditedPayment,
    ) -> Result<Option<PaymentPair>, StoreError> {
        // What is credited comes from the shadow of the payment's sender, or from what its sender has in transit. The
        // newest statements are looked at first: who asks has mostly just been paid.
        let bytes: Option<Vec<u8>> = sql::query_scalar(
            "SELECT statements.bytes FROM entries
             JOIN accounts ON accounts.id = entries.debited AND accounts.kind IN (2, 4)
             JOIN statements ON statements.ta = accounts.owner AND statements.hash = entries.cause
             WHERE entries.id = $1 ORDER BY statements.n DESC LIMIT 1",
        )
        .bind(i64::try_from(credited.entry).unwrap_or(i64::MAX))
        .fetch_optional(self.sql())
        .await?;
        let Some(bytes) = bytes else { return Ok(None) };
        match decode_canonical(&bytes) {
            Ok(Statement::Payment(pair)) => Ok(Some(pair)),
            Ok(
                Statement::DepositOpen(_)
                | Statement::Withdraw(_)
                | Statement::Status(_)
                | Statement::Retire(_),
            )
            | Err(_) => Err(StoreError::Damaged(
                "a payment that was credited does not decode",
            )),
        }
    }
}
