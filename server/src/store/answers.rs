//! Answers: signed over (incarnation, sequence), stored, sent after the commit.

use ops_proto::message::{AnswerStamp, DepositAnswer, SyncToken};
use ops_proto::signed::{Body, Signed};
use ops_proto::{Digest, PublicKey};
use sqlx::Row as _;

use super::column::signed_back;
use super::{StoreError, Unit};

/// What an answer answers. The numbers stand in the rows and never change.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AnswerKind {
    Deposit,
    Batch,
    Token,
    Account,
}

impl AnswerKind {
    const fn code(self) -> i64 {
        match self {
            Self::Deposit => 0,
            Self::Batch => 1,
            Self::Token => 2,
            Self::Account => 3,
        }
    }
}

impl Unit<'_> {
    /// Begins the server's first life.
    pub(crate) async fn begin_life(&mut self) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO life (id, incarnation, sequence) VALUES (1, 1, 0)")
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns the stamp of the next answer.
    pub(crate) async fn next_stamp(&mut self) -> Result<AnswerStamp, StoreError> {
        let row = sqlx::query(
            "UPDATE life SET sequence = sequence + 1 WHERE id = 1 RETURNING incarnation, sequence",
        )
        .fetch_one(self.sql())
        .await?;
        let sequence: i64 = row.try_get("sequence")?;

        Ok(AnswerStamp {
            incarnation: row.try_get("incarnation")?,
            sequence: u64::try_from(sequence)
                .map_err(|_| StoreError::Damaged("the sequence is below zero"))?,
        })
    }

    /// Stores an answer and returns its row number.
    pub(crate) async fn put_answer<T: Body>(
        &mut self,
        kind: AnswerKind,
        stamp: AnswerStamp,
        answer: &Signed<T>,
    ) -> Result<i64, StoreError> {
        let sequence = i64::try_from(stamp.sequence)
            .map_err(|_| StoreError::Damaged("the sequence does not fit"))?;
        let id = sqlx::query_scalar(
            "INSERT INTO answers (incarnation, sequence, kind, bytes) VALUES ($1, $2, $3, $4)
             RETURNING id",
        )
        .bind(i64::from(stamp.incarnation))
        .bind(sequence)
        .bind(kind.code())
        .bind(answer.to_wire())
        .fetch_one(self.sql())
        .await?;

        Ok(id)
    }

    /// Returns the answer that was given to a deposit, by its row number.
    pub(crate) async fn deposit_answer(
        &mut self,
        id: i64,
    ) -> Result<Signed<DepositAnswer>, StoreError> {
        let bytes: Vec<u8> = sqlx::query_scalar("SELECT bytes FROM answers WHERE id = $1")
            .bind(id)
            .fetch_one(self.sql())
            .await?;

        signed_back(&bytes)
    }

    /// Returns the token that was given for a status.
    pub(crate) async fn token(
        &mut self,
        status: &Digest,
    ) -> Result<Option<Signed<SyncToken>>, StoreError> {
        let bytes: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT bytes FROM answers JOIN tokens ON tokens.answer = answers.id
             WHERE tokens.status = $1",
        )
        .bind(status.0.as_slice())
        .fetch_optional(self.sql())
        .await?;

        bytes.as_deref().map(signed_back).transpose()
    }

    /// Stores which answer is the token for a status.
    pub(crate) async fn put_token(
        &mut self,
        ta: &PublicKey,
        status: &Digest,
        answer: i64,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO tokens (status, ta, answer) VALUES ($1, $2, $3)")
            .bind(status.0.as_slice())
            .bind(ta.0.as_slice())
            .bind(answer)
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns up to `limit` answers (row number, kind, bytes) after the one with number `after`.
    pub(crate) async fn answers(
        &mut self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, i64, Vec<u8>)>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT id, kind, bytes FROM answers WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        Ok(rows)
    }
}
