//! Answers: signed over (incarnation, sequence), stored where they say something new, sent after the commit.

use ops_proto::message::{AnswerStamp, DepositAnswer, SyncToken};
use ops_proto::signed::{Body, Signed};
use ops_proto::{Digest, PublicKey};

use super::column::signed_back;
use super::sql::{self, Row};
use super::{Store, StoreError, Unit};

/// What an answer answers. The numbers stand in the rows and never change; 3 and 7 were answers about accounts
/// and about what a device remembers, which books of before may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AnswerKind {
    Deposit,
    Batch,
    Token,
    Withdraw,
    Retire,
    Death,
    Forward,
    Settlement,
}

impl AnswerKind {
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Deposit => 0,
            Self::Batch => 1,
            Self::Token => 2,
            Self::Withdraw => 4,
            Self::Retire => 5,
            Self::Death => 6,
            Self::Forward => 8,
            Self::Settlement => 9,
        }
    }
}

/// Draws stamps.
pub(super) const DRAW: &str =
    "UPDATE life SET sequence = sequence + $1 WHERE id = 1 RETURNING incarnation, sequence";

/// How many stamps are drawn at a time, and how few are too few to begin with.
pub(super) const STAMPS_DRAWN: u32 = 4096;
pub(super) const STAMPS_MIN: u64 = 512;

/// Stamps of answers that were drawn for this connection alone, so that processes that answer beside
/// each other do not wait for each other. Those that are not used are left out.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    incarnation: u32,
    next: u64,
    end: u64,
}

impl Stamps {
    fn back(row: &Row, drawn: u32) -> Result<Self, StoreError> {
        Self::drawn(row.try_get("incarnation")?, row.try_get("sequence")?, drawn)
    }

    /// Returns the stamps that end with the one that was drawn last.
    pub(super) fn drawn(incarnation: u32, last: i64, drawn: u32) -> Result<Self, StoreError> {
        let end = u64::try_from(last)
            .ok()
            .and_then(|last| last.checked_add(1))
            .ok_or(StoreError::Damaged("the sequence is out of range"))?;

        Ok(Self {
            incarnation,
            next: end.saturating_sub(u64::from(drawn)),
            end,
        })
    }

    pub(super) fn next(&mut self, incarnation: u32) -> Option<AnswerStamp> {
        if self.next >= self.end || self.incarnation != incarnation {
            return None;
        }
        let sequence = self.next;
        self.next = self.next.saturating_add(1);

        Some(AnswerStamp {
            incarnation,
            sequence,
        })
    }

    pub(super) const fn left(&self) -> u64 {
        self.end.saturating_sub(self.next)
    }
}

impl Store {
    /// Draws stamps for the answers to come, unless there are enough.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    pub(crate) async fn draw_stamps(&mut self) -> Result<(), StoreError> {
        if self.stamps.left() >= STAMPS_MIN {
            return Ok(());
        }
        let mut unit = self.begin_drawing().await?;
        let row = sql::query(DRAW)
            .bind(STAMPS_DRAWN)
            .fetch_one(unit.sql())
            .await?;
        let drawn = Stamps::back(&row, STAMPS_DRAWN)?;
        // Stamps whose draw may have lasted, or not, are left out.
        unit.commit().await?;
        self.stamps = drawn;

        Ok(())
    }
}

impl Unit<'_> {
    /// Begins the server's first life; returns whether it had none.
    pub(crate) async fn begin_life(&mut self) -> Result<bool, StoreError> {
        let begun = sql::query(
            "INSERT INTO life (id, incarnation, sequence) VALUES (1, 1, 0) ON CONFLICT DO NOTHING",
        )
        .execute(self.sql())
        .await?;

        Ok(begun.rows_affected() == 1)
    }

    /// Returns the stamp of the next answer: one that was drawn, while the incarnation lasts.
    pub(crate) async fn next_stamp(&mut self) -> Result<AnswerStamp, StoreError> {
        let incarnation = match self.incarnation {
            Some(incarnation) => incarnation,
            None => self.read_incarnation().await?,
        };
        if let Some(stamp) = self.stamps.next(incarnation) {
            return Ok(stamp);
        }
        let row = sql::query(DRAW).bind(1_i64).fetch_one(self.sql()).await?;
        let mut stamps = Stamps::back(&row, 1)?;

        stamps
            .next(incarnation)
            .ok_or(StoreError::Damaged("the incarnation changed"))
    }

    async fn read_incarnation(&mut self) -> Result<u32, StoreError> {
        let incarnation = sql::query_scalar("SELECT incarnation FROM life WHERE id = 1")
            .fetch_one(self.sql())
            .await?;
        self.incarnation = Some(incarnation);

        Ok(incarnation)
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
        let id = sql::query_scalar(
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
        let bytes: Vec<u8> = sql::query_scalar("SELECT bytes FROM answers WHERE id = $1")
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
        let bytes: Option<Vec<u8>> = sql::query_scalar(
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
        sql::query("INSERT INTO tokens (status, ta, answer) VALUES ($1, $2, $3)")
            .bind(status.0.as_slice())
            .bind(ta.0.as_slice())
            .bind(answer)
            .execute(self.sql())
            .await?;

        Ok(())
    }
}
