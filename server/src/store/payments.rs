//! Payments, and what statuses say of the ids that they pay.

use ops_proto::certificate::Kind;
use ops_proto::message::SettlementState;
use ops_proto::{Amount, Digest, ProviderId, PublicKey, RequestId, Time};

use super::column::{
    amount, amount_back, counter, counter_back, digest_back, instant, key_back, provider_back,
    units_back,
};
use super::sql::{self, Row};
use super::{StoreError, Unit};
use crate::ledger::IdState;

/// A payment that verified and was taken note of.
#[derive(Clone, Copy, Debug)]
pub struct PaymentRow {
    /// Its hash.
    pub hash: Digest,
    /// The key of the sender's TA.
    pub sender: PublicKey,
    /// Its counter.
    pub j: u64,
    /// Its statement's number.
    pub n: u64,
    /// The amount.
    pub amount: Amount,
    /// The provider of the receiver; of the sender, when that is another one.
    pub provider: ProviderId,
    /// Client or TA.
    pub receiver_kind: Kind,
    /// The receiver.
    pub receiver: PublicKey,
    /// The receiver's request.
    pub request_id: RequestId,
    /// Whether the receiver is another provider's: who has that key here is somebody else.
    pub elsewhere: bool,
    /// Whether there is money behind it.
    pub standing: Standing,
    /// Where that money is.
    pub state: PaymentState,
}

/// Whether there is money behind a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is.
    Honoured,
    /// Another payment has its sender and j.
    Conflict,
    /// It is beyond all that its sender can have had.
    BeyondLimit,
    /// Its sender's provider is another one, which has not accepted it.
    Foreign,
    /// The deny-list that its own request states named the sender.
    Listed,
}

/// Where the money of a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// In the receiver's online account.
    Credited,
    /// On the receiver's TA.
    Collected,
    /// Neither yet.
    Waiting,
}

impl PaymentState {
    /// Returns the state as answers name it.
    #[must_use]
    pub const fn settlement(self) -> SettlementState {
        match self {
            Self::Credited => SettlementState::Credited,
            Self::Collected => SettlementState::Collected,
            Self::Waiting => SettlementState::Waiting,
        }
    }
}

impl Unit<'_> {
    /// Returns a payment by its name alone. One that was credited to a client at once is not found so:
    /// nobody names it without its sender.
    pub(crate) async fn payment(
        &mut self,
        hash: &Digest,
    ) -> Result<Option<PaymentRow>, StoreError> {
        let row = sql::query("SELECT * FROM payments WHERE hash = $1 AND named = 1")
            .bind(hash.0.as_slice())
            .fetch_optional(self.sql())
            .await?;

        row.as_ref().map(payment_back).transpose()
    }

    /// Returns a payment by its sender, j and name.
    pub(crate) async fn payment_of(
        &mut self,
        sender: &PublicKey,
        j: u64,
        hash: &Digest,
    ) -> Result<Option<PaymentRow>, StoreError> {
        // The first of a (sender, j) is found by them; its rivals, of which there may be thousands, by name.
        let row = sql::query(
            "SELECT * FROM payments WHERE sender = $1 AND j = $2 AND rival = 0 AND hash = $3
             UNION ALL
             SELECT * FROM payments WHERE hash = $3 AND named = 1 AND sender = $1 AND rival > 0",
        )
        .bind(sender.0.as_slice())
        .bind(counter(j))
        .bind(hash.0.as_slice())
        .fetch_optional(self.sql())
        .await?;

        row.as_ref().map(payment_back).transpose()
    }

    /// Returns whether another payment than a conflicting one has this sender and j.
    pub(crate) async fn has_payment_for(
        &mut self,
        sender: &PublicKey,
        j: u64,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> = sql::query_scalar(
            "SELECT 1 FROM payments WHERE sender = $1 AND j = $2 AND standing <> 1",
        )
        .bind(sender.0.as_slice())
        .bind(counter(j))
        .fetch_optional(self.sql())
        .await?;

        Ok(found.is_some())
    }

    /// Stores a payment, which can be found by its name. Those with one sender and j are numbered.
    pub(crate) async fn put_payment(
        &mut self,
        payment: &PaymentRow,
        now: Time,
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO payments (hash, sender, j, amount, provider, receiver_kind, receiver,
                 request_id, standing, state, received_ms, n, elsewhere, named, rival)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1,
                 (SELECT coalesce(max(rival) + 1, 0) FROM payments WHERE sender = $2 AND j = $3))",
        )
        .bind(payment.hash.0.as_slice())
        .bind(payment.sender.0.as_slice())
        .bind(counter(payment.j))
        .bind(amount(payment.amount)?)
        .bind(payment.provider.0.as_slice())
        .bind(kind_code(payment.receiver_kind))
        .bind(payment.receiver.0.as_slice())
        .bind(counter(payment.request_id.0))
        .bind(standing_code(payment.standing))
        .bind(state_code(payment.state))
        .bind(instant(now))
        .bind(counter(payment.n))
        .bind(payment.elsewhere)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns the sum of honoured payments that a TA signed after statement `n`, in minor units.
    pub(crate) async fn paid_after(&mut self, ta: &PublicKey, n: u64) -> Result<u64, StoreError> {
        let sum: Option<i64> = sql::query_scalar(
            "SELECT CAST(sum(payments.amount) AS BIGINT) FROM statements
             JOIN payments ON payments.sender = statements.ta AND payments.j = statements.j
                 AND payments.hash = statements.hash
             WHERE statements.ta = $1 AND statements.n > $2 AND statements.kind = 2
               AND payments.standing = 0",
        )
        .bind(ta.0.as_slice())
        .bind(counter(n))
        .fetch_one(self.sql())
        .await?;

        units_back(sum.unwrap_or(0))
    }

    /// Writes what may change of a payment: standing and state.
    pub(crate) async fn update_payment(&mut self, payment: &PaymentRow) -> Result<(), StoreError> {
        sql::query("UPDATE payments SET standing = $2, state = $3 WHERE hash = $1 AND named = 1")
            .bind(payment.hash.0.as_slice())
            .bind(standing_code(payment.standing))
            .bind(state_code(payment.state))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns the payments of a TA of ours that are beyond its limit, or came while the books did not know
    /// it after a restore, as it signed them.
    pub(crate) async fn payments_beyond_limit(
        &mut self,
        sender: &PublicKey,
    ) -> Result<Vec<PaymentRow>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM payments WHERE sender = $1 AND standing IN (2, 3) ORDER BY n",
        )
        .bind(sender.0.as_slice())
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(payment_back).collect()
    }

    /// Moves a payment to another state.
    pub(crate) async fn set_payment_state(
        &mut self,
        hash: &Digest,
        state: PaymentState,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE payments SET state = $2 WHERE hash = $1 AND named = 1")
            .bind(hash.0.as_slice())
            .bind(state_code(state))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns the payments that wait for a receiver here, oldest first.
    pub(crate) async fn payments_waiting(
        &mut self,
        receiver: &PublicKey,
    ) -> Result<Vec<PaymentRow>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM payments WHERE receiver = $1 AND state = 2 AND elsewhere = 0
             ORDER BY received_ms, hash",
        )
        .bind(receiver.0.as_slice())
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(payment_back).collect()
    }

    /// Returns what the accepted statuses of a TA, whose last mark is `mark`, say of a request id.
    pub(crate) async fn id_state(
        &mut self,
        ta: &PublicKey,
        id: RequestId,
        mark: u64,
        payment: &Digest,
    ) -> Result<IdState, StoreError> {
        if let Some(collected) = self.collected(ta, id).await? {
            return Ok(if collected == *payment {
                IdState::CollectedThis
            } else {
                IdState::CollectedOther
            });
        }
        if id.0 >= mark {
            return Ok(IdState::Open);
        }
        let open: Option<i64> =
            sql::query_scalar("SELECT 1 FROM requests_open WHERE ta = $1 AND request_id = $2")
                .bind(ta.0.as_slice())
                .bind(counter(id.0))
                .fetch_optional(self.sql())
                .await?;

        Ok(match open {
            Some(_) => IdState::Open,
            None => IdState::Closed,
        })
    }

    /// Returns the payment with which a TA collected a request id.
    pub(crate) async fn collected(
        &mut self,
        ta: &PublicKey,
        id: RequestId,
    ) -> Result<Option<Digest>, StoreError> {
        let payment: Option<Vec<u8>> =
            sql::query_scalar("SELECT payment FROM collected WHERE ta = $1 AND request_id = $2")
                .bind(ta.0.as_slice())
                .bind(counter(id.0))
                .fetch_optional(self.sql())
                .await?;

        payment.as_deref().map(digest_back).transpose()
    }

    /// Notes the payment with which a TA collected a request id.
    pub(crate) async fn put_collected(
        &mut self,
        ta: &PublicKey,
        id: RequestId,
        payment: &Digest,
    ) -> Result<(), StoreError> {
        sql::query("INSERT INTO collected (ta, request_id, payment) VALUES ($1, $2, $3)")
            .bind(ta.0.as_slice())
            .bind(counter(id.0))
            .bind(payment.0.as_slice())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Replaces the list of a TA's open request ids.
    pub(crate) async fn set_requests_open(
        &mut self,
        ta: &PublicKey,
        open: &[RequestId],
    ) -> Result<(), StoreError> {
        sql::query("DELETE FROM requests_open WHERE ta = $1")
            .bind(ta.0.as_slice())
            .execute(self.sql())
            .await?;
        for id in open {
            sql::query(
                "INSERT INTO requests_open (ta, request_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .bind(ta.0.as_slice())
            .bind(counter(id.0))
            .execute(self.sql())
            .await?;
        }

        Ok(())
    }
}

pub(super) const fn kind_code(kind: Kind) -> i64 {
    match kind {
        Kind::Provider => 0,
        Kind::Client => 1,
        Kind::Ta => 2,
    }
}

pub(super) const fn standing_code(standing: Standing) -> i64 {
    match standing {
        Standing::Honoured => 0,
        Standing::Conflict => 1,
        Standing::BeyondLimit => 2,
        Standing::Foreign => 3,
        Standing::Listed => 4,
    }
}

pub(super) const fn state_code(state: PaymentState) -> i64 {
    match state {
        PaymentState::Credited => 0,
        PaymentState::Collected => 1,
        PaymentState::Waiting => 2,
    }
}

pub(super) fn payment_back(row: &Row) -> Result<PaymentRow, StoreError> {
    Ok(PaymentRow {
        hash: digest_back(row.try_get("hash")?)?,
        sender: key_back(row.try_get("sender")?)?,
        j: counter_back(row.try_get("j")?)?,
        n: counter_back(row.try_get("n")?)?,
        amount: amount_back(row.try_get("amount")?)?,
        provider: provider_back(row.try_get("provider")?)?,
        receiver_kind: match row.try_get("receiver_kind")? {
            0_i64 => Kind::Provider,
            1 => Kind::Client,
            2 => Kind::Ta,
            _ => return Err(StoreError::Damaged("a receiver has an unknown kind")),
        },
        receiver: key_back(row.try_get("receiver")?)?,
        request_id: RequestId(counter_back(row.try_get("request_id")?)?),
        elsewhere: row.try_get("elsewhere")?,
        standing: standing_back(row.try_get("standing")?)?,
        state: state_back(row.try_get("state")?)?,
    })
}

pub(super) const fn standing_back(code: i64) -> Result<Standing, StoreError> {
    match code {
        0 => Ok(Standing::Honoured),
        1 => Ok(Standing::Conflict),
        2 => Ok(Standing::BeyondLimit),
        3 => Ok(Standing::Foreign),
        4 => Ok(Standing::Listed),
        _ => Err(StoreError::Damaged("a payment has an unknown standing")),
    }
}

pub(super) const fn state_back(code: i64) -> Result<PaymentState, StoreError> {
    match code {
        0 => Ok(PaymentState::Credited),
        1 => Ok(PaymentState::Collected),
        2 => Ok(PaymentState::Waiting),
        _ => Err(StoreError::Damaged("a payment has an unknown state")),
    }
}
