//! Payments that wait for a TA.

use ops_proto::signed::decode_canonical;
use ops_proto::statement::Statement;
use ops_proto::{Digest, PaymentPair, PublicKey};

use super::{StoreError, Unit, sql};

impl Unit<'_> {
    /// Puts a payment into the mailbox of its receiver.
    pub(crate) async fn put_mail(
        &mut self,
        receiver: &PublicKey,
        payment: &Digest,
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO mailbox (receiver, payment) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(receiver.0.as_slice())
        .bind(payment.0.as_slice())
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Takes a payment out of the mailbox.
    pub(crate) async fn take_mail(&mut self, payment: &Digest) -> Result<(), StoreError> {
        sql::query("DELETE FROM mailbox WHERE payment = $1")
            .bind(payment.0.as_slice())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns up to `limit` pairs that wait for a TA after the one with number `after`, each with its
    /// number.
    pub(crate) async fn mail(
        &mut self,
        receiver: &PublicKey,
        after: u64,
        limit: i64,
    ) -> Result<Vec<(u64, PaymentPair)>, StoreError> {
        // A number that does not fit is behind all that there are.
        let Ok(after) = i64::try_from(after) else {
            return Ok(Vec::new());
        };
        let rows = sql::query(
            "SELECT mailbox.id AS id, statements.bytes AS bytes FROM mailbox
             JOIN payments ON payments.hash = mailbox.payment AND payments.named = 1
             JOIN statements ON statements.ta = payments.sender AND statements.n = payments.n
                 AND statements.hash = payments.hash
             WHERE mailbox.receiver = $1 AND mailbox.id > $2 AND payments.state = 2
             ORDER BY mailbox.id LIMIT $3",
        )
        .bind(receiver.0.as_slice())
        .bind(after)
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| {
                let id: i64 = row.try_get("id")?;
                let id = u64::try_from(id)
                    .map_err(|_| StoreError::Damaged("a number in the mailbox is below zero"))?;
                match decode_canonical(row.try_get("bytes")?) {
                    Ok(Statement::Payment(pair)) => Ok((id, pair)),
                    Ok(
                        Statement::DepositOpen(_)
                        | Statement::Withdraw(_)
                        | Statement::Status(_)
                        | Statement::Retire(_),
                    )
                    | Err(_) => Err(StoreError::Damaged("a payment that waits does not decode")),
                }
            })
            .collect()
    }
}
