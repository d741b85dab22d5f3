//! Payments between providers: those presented to others, and those that others presented here.

use ops_proto::signed::decode_canonical;
use ops_proto::statement::{Evidence, Statement};
use ops_proto::{Digest, PaymentPair, ProviderId, PublicKey, Time};

use super::column::{counter, digest_back, instant, provider_back};
use super::payments::{PaymentRow, payment_back};
use super::sql::{self, Row};
use super::{StoreError, Unit};

/// A payment of another provider's TA.
#[derive(Clone, Copy, Debug)]
pub struct ForwardRow {
    /// The hash of the payment.
    pub payment: Digest,
    /// The provider of the sender: who owes.
    pub debtor: ProviderId,
    /// What became of it.
    pub state: ForwardState,
    /// Whether the position was debited for it.
    pub booked: bool,
    /// Why it was refused, as on the wire.
    pub refused: Option<i64>,
}

/// What became of a payment of another provider's TA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardState {
    /// Its provider has not answered.
    ToPresent,
    /// Its provider owes the amount.
    Accepted,
    /// Its provider does not honour it.
    Refused,
    /// Its provider owes as much as it may.
    KeptBack,
}

impl ForwardState {
    const fn code(self) -> i64 {
        match self {
            Self::ToPresent => 0,
            Self::Accepted => 1,
            Self::Refused => 2,
            Self::KeptBack => 3,
        }
    }

    fn back(code: i64) -> Result<Self, StoreError> {
        match code {
            0 => Ok(Self::ToPresent),
            1 => Ok(Self::Accepted),
            2 => Ok(Self::Refused),
            3 => Ok(Self::KeptBack),
            _ => Err(StoreError::Damaged("a forward has an unknown state")),
        }
    }
}

impl Unit<'_> {
    /// Returns what became of a payment of another provider's TA.
    pub(crate) async fn forward(
        &mut self,
        payment: &Digest,
    ) -> Result<Option<ForwardRow>, StoreError> {
        let row = sql::query("SELECT * FROM forwards WHERE payment = $1")
            .bind(payment.0.as_slice())
            .fetch_optional(self.sql())
            .await?;

        row.as_ref().map(forward_back).transpose()
    }

    /// Stores a payment of another provider's TA.
    pub(crate) async fn put_forward(&mut self, row: &ForwardRow) -> Result<(), StoreError> {
        sql::query("INSERT INTO forwards (payment, debtor, state, booked) VALUES ($1, $2, $3, $4)")
            .bind(row.payment.0.as_slice())
            .bind(row.debtor.0.as_slice())
            .bind(row.state.code())
            .bind(row.booked)
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Writes what may change of a forward.
    pub(crate) async fn update_forward(&mut self, row: &ForwardRow) -> Result<(), StoreError> {
        sql::query("UPDATE forwards SET state = $2, booked = $3, refused = $4 WHERE payment = $1")
            .bind(row.payment.0.as_slice())
            .bind(row.state.code())
            .bind(row.booked)
            .bind(row.refused)
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Presents a forward again that was refused, with its position debited: no answer decides on it.
    pub(crate) async fn reopen_forward(&mut self, payment: &Digest) -> Result<(), StoreError> {
        sql::query("UPDATE forwards SET state = 0, booked = 1, answer = NULL WHERE payment = $1")
            .bind(payment.0.as_slice())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Notes which answer decided on a forward.
    pub(crate) async fn set_forward_answer(
        &mut self,
        payment: &Digest,
        answer: i64,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE forwards SET answer = $2 WHERE payment = $1")
            .bind(payment.0.as_slice())
            .bind(answer)
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Presents a forward again, not before an instant.
    pub(crate) async fn put_off_forward(
        &mut self,
        payment: &Digest,
        due: Time,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE forwards SET due_ms = $2 WHERE payment = $1")
            .bind(payment.0.as_slice())
            .bind(instant(due))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns the pairs that are to be presented to a debtor now, oldest first.
    pub(crate) async fn pairs_to_present(
        &mut self,
        debtor: &ProviderId,
        now: Time,
        limit: i64,
    ) -> Result<Vec<PaymentPair>, StoreError> {
        let rows: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT statements.bytes FROM forwards
             JOIN payments ON payments.hash = forwards.payment AND payments.named = 1
             JOIN statements ON statements.ta = payments.sender AND statements.n = payments.n
                 AND statements.hash = payments.hash
             WHERE forwards.debtor = $1 AND forwards.state = 0 AND forwards.due_ms <= $2
             ORDER BY forwards.id LIMIT $3",
        )
        .bind(debtor.0.as_slice())
        .bind(instant(now))
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(|bytes| pair_back(bytes)).collect()
    }

    /// Returns the pairs that a debtor accepted and are to be presented to it again now, oldest first.
    pub(crate) async fn pairs_to_present_again(
        &mut self,
        debtor: &ProviderId,
        now: Time,
        limit: i64,
    ) -> Result<Vec<PaymentPair>, StoreError> {
        let rows: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT statements.bytes FROM forwards
             JOIN payments ON payments.hash = forwards.payment AND payments.named = 1
             JOIN statements ON statements.ta = payments.sender AND statements.n = payments.n
                 AND statements.hash = payments.hash
             WHERE forwards.debtor = $1 AND forwards.again = 1 AND forwards.due_ms <= $2
             ORDER BY forwards.id LIMIT $3",
        )
        .bind(debtor.0.as_slice())
        .bind(instant(now))
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(|bytes| pair_back(bytes)).collect()
    }

    /// Notes that a debtor accepted a payment again.
    pub(crate) async fn set_presented_again(&mut self, payment: &Digest) -> Result<(), StoreError> {
        sql::query("UPDATE forwards SET again = 0 WHERE payment = $1")
            .bind(payment.0.as_slice())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns the payment of a row with its request.
    pub(crate) async fn pair_of(
        &mut self,
        row: &PaymentRow,
    ) -> Result<Option<PaymentPair>, StoreError> {
        let bytes: Option<Vec<u8>> = sql::query_scalar(
            "SELECT bytes FROM statements WHERE ta = $1 AND n = $2 AND hash = $3",
        )
        .bind(row.sender.0.as_slice())
        .bind(counter(row.n))
        .bind(row.hash.0.as_slice())
        .fetch_optional(self.sql())
        .await?;

        bytes.as_deref().map(pair_back).transpose()
    }

    /// Returns the payments that are kept back because their debtor owes as much as it may.
    pub(crate) async fn payments_kept_back(
        &mut self,
        debtor: &ProviderId,
        limit: i64,
    ) -> Result<Vec<PaymentRow>, StoreError> {
        let rows = sql::query(
            "SELECT payments.* FROM forwards JOIN payments ON payments.hash = forwards.payment AND payments.named = 1
             WHERE forwards.debtor = $1 AND forwards.state = 3 ORDER BY forwards.id LIMIT $2",
        )
        .bind(debtor.0.as_slice())
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(payment_back).collect()
    }

    /// Returns up to `limit` forwards with their answers, after the one with number `after`.
    pub(crate) async fn forwards(
        &mut self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, ForwardRow)>, StoreError> {
        let rows = sql::query("SELECT * FROM forwards WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(limit)
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| Ok((row.try_get("id")?, forward_back(row)?)))
            .collect()
    }

    /// Returns the payment that has a sender and j, if one stands.
    pub(crate) async fn payment_for(
        &mut self,
        sender: &PublicKey,
        j: u64,
    ) -> Result<Option<PaymentRow>, StoreError> {
        let row =
            sql::query("SELECT * FROM payments WHERE sender = $1 AND j = $2 AND standing <> 1")
                .bind(sender.0.as_slice())
                .bind(counter(j))
                .fetch_optional(self.sql())
                .await?;

        row.as_ref().map(payment_back).transpose()
    }

    /// Returns a payment with another one that has its sender and j: what convicts the sender.
    pub(crate) async fn conflict(
        &mut self,
        pair: &PaymentPair,
    ) -> Result<Option<Evidence>, StoreError> {
        let stored: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT bytes FROM payments JOIN statements ON statements.ta = payments.sender
                 AND statements.n = payments.n AND statements.hash = payments.hash
             WHERE payments.sender = $1 AND payments.j = $2 ORDER BY id LIMIT 3",
        )
        .bind(pair.sender_key().0.as_slice())
        .bind(counter(pair.payment.body().position.j))
        .fetch_all(self.sql())
        .await?;
        for bytes in stored {
            let first = statement_back(&bytes)?;
            if first.hash() != pair.hash() {
                let second = Statement::Payment(pair.clone());
                return Ok(Some(Evidence { first, second }));
            }
        }

        Ok(None)
    }

    /// Returns whether a payment was presented and accepted, and by whom.
    pub(crate) async fn presented(
        &mut self,
        payment: &Digest,
    ) -> Result<Option<ProviderId>, StoreError> {
        let creditor: Option<Vec<u8>> =
            sql::query_scalar("SELECT creditor FROM presented WHERE payment = $1")
                .bind(payment.0.as_slice())
                .fetch_optional(self.sql())
                .await?;

        creditor.as_deref().map(provider_back).transpose()
    }

    /// Notes that a payment was presented and accepted.
    pub(crate) async fn put_presented(
        &mut self,
        payment: &Digest,
        creditor: &ProviderId,
        now: Time,
    ) -> Result<(), StoreError> {
        sql::query("INSERT INTO presented (payment, creditor, at_ms) VALUES ($1, $2, $3)")
            .bind(payment.0.as_slice())
            .bind(creditor.0.as_slice())
            .bind(instant(now))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Notes that a payment is to be handed to its receiver's provider.
    pub(crate) async fn put_delivery(
        &mut self,
        payment: &Digest,
        creditor: &ProviderId,
        due: Time,
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO deliveries (payment, creditor, due_ms) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(payment.0.as_slice())
        .bind(creditor.0.as_slice())
        .bind(instant(due))
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Notes that a payment's receiver's provider has it.
    pub(crate) async fn finish_delivery(&mut self, payment: &Digest) -> Result<(), StoreError> {
        sql::query("UPDATE deliveries SET done = 1 WHERE payment = $1")
            .bind(payment.0.as_slice())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Hands a payment over again, not before an instant.
    pub(crate) async fn put_off_delivery(
        &mut self,
        payment: &Digest,
        due: Time,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE deliveries SET due_ms = $2 WHERE payment = $1")
            .bind(payment.0.as_slice())
            .bind(instant(due))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns whether there is evidence against a TA.
    pub(crate) async fn is_convicted(&mut self, ta: &PublicKey) -> Result<bool, StoreError> {
        let found: Option<i64> = sql::query_scalar(
            "SELECT id FROM findings WHERE ta = $1 AND evidence IS NOT NULL LIMIT 1",
        )
        .bind(ta.0.as_slice())
        .fetch_optional(self.sql())
        .await?;

        Ok(found.is_some())
    }

    /// Returns the pairs that are to be handed to a provider now.
    pub(crate) async fn pairs_to_deliver(
        &mut self,
        creditor: &ProviderId,
        now: Time,
        limit: i64,
    ) -> Result<Vec<PaymentPair>, StoreError> {
        let rows: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT statements.bytes FROM deliveries
             JOIN payments ON payments.hash = deliveries.payment AND payments.named = 1
             JOIN statements ON statements.ta = payments.sender AND statements.n = payments.n
                 AND statements.hash = payments.hash
             WHERE deliveries.creditor = $1 AND deliveries.done = 0 AND deliveries.due_ms <= $2
             ORDER BY deliveries.due_ms, deliveries.payment LIMIT $3",
        )
        .bind(creditor.0.as_slice())
        .bind(instant(now))
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(|bytes| pair_back(bytes)).collect()
    }

    /// Returns the answer that decided on a forward.
    pub(crate) async fn forward_answer(
        &mut self,
        payment: &Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        sql::query_scalar(
            "SELECT peer_answers.bytes FROM forwards JOIN peer_answers ON peer_answers.id = forwards.answer
             WHERE forwards.payment = $1",
        )
        .bind(payment.0.as_slice())
        .fetch_optional(self.sql())
        .await
    }
}

fn statement_back(bytes: &[u8]) -> Result<Statement, StoreError> {
    decode_canonical(bytes).map_err(|_| StoreError::Damaged("a stored statement does not decode"))
}

fn pair_back(bytes: &[u8]) -> Result<PaymentPair, StoreError> {
    match statement_back(bytes)? {
        Statement::Payment(pair) => Ok(pair),
        Statement::DepositOpen(_)
        | Statement::Withdraw(_)
        | Statement::Status(_)
        | Statement::Retire(_) => Err(StoreError::Damaged("a payment is another statement")),
    }
}

fn forward_back(row: &Row) -> Result<ForwardRow, StoreError> {
    Ok(ForwardRow {
        payment: digest_back(row.try_get("payment")?)?,
        debtor: provider_back(row.try_get("debtor")?)?,
        state: ForwardState::back(row.try_get("state")?)?,
        booked: row.try_get("booked")?,
        refused: row.try_get("refused")?,
    })
}
