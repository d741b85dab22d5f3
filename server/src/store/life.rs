//! The server's lives: a restore begins a new one.

use ops_proto::certificate::Certificate;
use ops_proto::message::{AnswerStamp, Status};
use ops_proto::signed::{Body, Signed, decode_canonical};
use ops_proto::statement::Statement;
use ops_proto::{Digest, ProviderId, PublicKey, Time};

use super::column::{counter, counter_back, instant, units_back};
use super::{AnswerKind, StoreError, Unit, sql};
use crate::life::Begun;

/// Statuses of earlier lives that are looked at: more than one an hour for as long as devices keep them.
const STATUSES_MAX: i64 = 4096;

impl Unit<'_> {
    /// Begins a new life, after a restore or a promotion that is not proven complete.
    pub(crate) async fn begin_next_life(
        &mut self,
        number: u32,
        now: Time,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE life SET incarnation = $1, raised_ms = $2 WHERE id = 1")
            .bind(i64::from(number))
            .bind(instant(now))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns how far lives have come in these books.
    pub(crate) async fn begun(&mut self, ours: &ProviderId) -> Result<Begun, StoreError> {
        let (life, _, _) = self.reached().await?;
        let list = self.list_version(ours).await?.number;

        Ok(Begun { life, list })
    }

    /// Returns when this life began, if it is not the first.
    pub(crate) async fn raised(&mut self) -> Result<Option<Time>, StoreError> {
        let raised: i64 = sql::query_scalar("SELECT raised_ms FROM life WHERE id = 1")
            .fetch_one(self.sql())
            .await?;
        let raised = units_back(raised).map(Time::from_ms)?;

        Ok(Some(raised).filter(|raised| *raised > Time::from_ms(0)))
    }

    /// Stores an answer of an earlier life, and returns its row number; nothing when another one has its
    /// stamp.
    pub(crate) async fn put_earlier_answer<T: Body>(
        &mut self,
        kind: AnswerKind,
        stamp: AnswerStamp,
        answer: &Signed<T>,
    ) -> Result<Option<i64>, StoreError> {
        let Ok(sequence) = i64::try_from(stamp.sequence) else {
            return Ok(None);
        };
        let known =
            sql::query("SELECT id, bytes FROM answers WHERE incarnation = $1 AND sequence = $2")
                .bind(i64::from(stamp.incarnation))
                .bind(sequence)
                .fetch_optional(self.sql())
                .await?;
        if let Some(known) = known {
            let bytes: Vec<u8> = known.try_get("bytes")?;
            let id = known.try_get("id")?;
            return Ok(Some(id).filter(|_| bytes == answer.to_wire()));
        }

        self.put_answer(kind, stamp, answer).await.map(Some)
    }

    /// Stores a TA that ended in an earlier life: its owner has another one.
    pub(crate) async fn put_dead_ta(
        &mut self,
        key: &PublicKey,
        owner: &PublicKey,
        certificate: &Signed<Certificate>,
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO tas (key, owner, certificate, standing, i, chain_n, chain_i, chain_j,
                 chain_hash, mark)
             VALUES ($1, $2, $3, 3, $4, $4, $4, $4, $5, $4)",
        )
        .bind(key.0.as_slice())
        .bind(owner.0.as_slice())
        .bind(certificate.to_wire())
        .bind(counter(0))
        .bind(Digest::ZERO.0.as_slice())
        .execute(self.sql())
        .await?;

        Ok(())
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

    /// Returns whether the books have the deposit or withdrawal with counter `i` of a TA.
    pub(crate) async fn has_money_item(
        &mut self,
        ta: &PublicKey,
        i: u64,
    ) -> Result<bool, StoreError> {
        let is_there: Option<i64> = sql::query_scalar(
            "SELECT 1 FROM deposits WHERE ta = $1 AND i = $2
             UNION SELECT 1 FROM withdrawals WHERE ta = $1 AND i = $2",
        )
        .bind(ta.0.as_slice())
        .bind(counter(i))
        .fetch_optional(self.sql())
        .await?;

        Ok(is_there.is_some())
    }

    /// Returns how many deposits and withdrawals of a TA the books have without a gap, of the first `most`.
    pub(crate) async fn money_items_known(
        &mut self,
        ta: &PublicKey,
        most: u64,
    ) -> Result<u64, StoreError> {
        let rows: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT i FROM deposits WHERE ta = $1 AND i <= $2
             UNION SELECT i FROM withdrawals WHERE ta = $1 AND i <= $2 ORDER BY i",
        )
        .bind(ta.0.as_slice())
        .bind(counter(most))
        .fetch_all(self.sql())
        .await?;
        let mut known = 0_u64;
        for row in rows {
            if counter_back(&row)? != known.saturating_add(1) {
                break;
            }
            known = known.saturating_add(1);
        }

        Ok(known)
    }

    /// Returns the statuses of a TA up to statement `n` that an earlier life gave a token for, newest first.
    pub(crate) async fn statuses_of_earlier_lives(
        &mut self,
        ta: &PublicKey,
        n: u64,
    ) -> Result<Vec<Status>, StoreError> {
        let rows: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT statements.bytes FROM statements
             JOIN tokens ON tokens.status = statements.hash
             JOIN answers ON answers.id = tokens.answer
             WHERE statements.ta = $1 AND statements.n <= $2 AND statements.kind = 3
                 AND answers.incarnation < (SELECT incarnation FROM life WHERE id = 1)
             ORDER BY statements.n DESC LIMIT $3",
        )
        .bind(ta.0.as_slice())
        .bind(counter(n))
        .bind(STATUSES_MAX)
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(|bytes| status_back(bytes)).collect()
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

fn status_back(bytes: &[u8]) -> Result<Status, StoreError> {
    match decode_canonical(bytes) {
        Ok(Statement::Status(status)) => Ok(status.body().clone()),
        Ok(
            Statement::DepositOpen(_)
            | Statement::Withdraw(_)
            | Statement::Payment(_)
            | Statement::Retire(_),
        ) => Err(StoreError::Damaged("a status is another statement")),
        Err(_) => Err(StoreError::Damaged("a stored statement does not decode")),
    }
}
