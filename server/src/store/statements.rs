//! Statements of TAs, and what convicts one.

use ops_proto::signed::{decode_canonical, encode};
use ops_proto::statement::{Evidence, Statement};
use ops_proto::{Digest, PublicKey, Time};

use super::column::{counter, instant};
use super::{StoreError, Unit, sql};

impl Unit<'_> {
    /// Returns whether this very statement is stored.
    pub(crate) async fn has_statement(
        &mut self,
        statement: &Statement,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sql::query_scalar("SELECT 1 FROM statements WHERE ta = $1 AND n = $2 AND hash = $3")
                .bind(statement.ta().0.as_slice())
                .bind(counter(statement.position().n))
                .bind(statement.hash().0.as_slice())
                .fetch_optional(self.sql())
                .await?;

        Ok(found.is_some())
    }

    /// Stores a statement whose signature was checked. Storing it again changes nothing.
    pub(crate) async fn put_statement(&mut self, statement: &Statement) -> Result<(), StoreError> {
        let position = statement.position();
        sql::query(
            "INSERT INTO statements (ta, n, hash, kind, i, j, bytes)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(statement.ta().0.as_slice())
        .bind(counter(position.n))
        .bind(statement.hash().0.as_slice())
        .bind(kind(statement))
        .bind(counter(position.i))
        .bind(counter(position.j))
        .bind(encode(statement))
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Looks for a stored statement that cannot lie on one chain with this one, whose signature was
    /// checked. The neighbours in n and those with the same i or j are all that can tell.
    pub(crate) async fn contradiction(
        &mut self,
        statement: &Statement,
    ) -> Result<Option<Evidence>, StoreError> {
        let position = statement.position();
        let stored: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT bytes FROM (SELECT bytes FROM statements WHERE ta = $1 AND n < $2
                                ORDER BY n DESC LIMIT 2) AS before
             UNION ALL SELECT bytes FROM (SELECT bytes FROM statements WHERE ta = $1 AND n >= $2
                                          ORDER BY n LIMIT 3) AS after
             UNION ALL SELECT bytes FROM (SELECT bytes FROM statements
                                          WHERE ta = $1 AND i = $3 AND kind IN (0, 1) LIMIT 2) AS same_i
             UNION ALL SELECT bytes FROM (SELECT bytes FROM payments JOIN statements
                                              ON statements.ta = payments.sender
                                                  AND statements.n = payments.n
                                                  AND statements.hash = payments.hash
                                          WHERE sender = $1 AND payments.j = $4 LIMIT 2) AS same_j",
        )
        .bind(statement.ta().0.as_slice())
        .bind(counter(position.n))
        .bind(counter(position.i))
        .bind(counter(position.j))
        .fetch_all(self.sql())
        .await?;
        for bytes in stored {
            let first: Statement = decode_canonical(&bytes)
                .map_err(|_| StoreError::Damaged("a stored statement does not decode"))?;
            if first.hash() == statement.hash() {
                continue;
            }
            let evidence = Evidence {
                first,
                second: statement.clone(),
            };
            if evidence.contradiction().is_some() {
                return Ok(Some(evidence));
            }
        }

        Ok(None)
    }

    /// Stores why a TA is suspended.
    pub(crate) async fn put_finding(
        &mut self,
        ta: &PublicKey,
        reason: &str,
        evidence: Option<&Evidence>,
        now: Time,
    ) -> Result<(), StoreError> {
        let digest = evidence.map_or(Digest::ZERO, |evidence| {
            Digest::of(&[&encode(&evidence.first), &encode(&evidence.second)])
        });
        sql::query(
            "INSERT INTO findings (ta, at_ms, reason, evidence, digest) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(ta.0.as_slice())
        .bind(instant(now))
        .bind(reason)
        .bind(evidence.map(encode))
        .bind(digest.0.as_slice())
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns why a TA is suspended: reasons, with the evidence where there is any.
    pub(crate) async fn findings(
        &mut self,
        ta: &PublicKey,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, StoreError> {
        let rows = sql::query("SELECT reason, evidence FROM findings WHERE ta = $1 ORDER BY id")
            .bind(ta.0.as_slice())
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| Ok((row.try_get("reason")?, row.try_get("evidence")?)))
            .collect()
    }
}

const fn kind(statement: &Statement) -> i64 {
    match statement {
        Statement::DepositOpen(_) => 0,
        Statement::Withdraw(_) => 1,
        Statement::Payment(_) => 2,
        Statement::Status(_) => 3,
        Statement::Retire(_) => 4,
    }
}
