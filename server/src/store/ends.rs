//! How TAs ended: retirements and deaths, and what their owners were paid.

use ops_proto::{Balance, Digest, PublicKey, Time};

use super::column::{amount, balance_back, digest_back, instant, key_back, units, units_back};
use super::sql::{self, Row};
use super::{StoreError, Unit};
use crate::ledger::{Account, End, EndRepaid, Reason, Transfer};

/// A TA that retired.
#[derive(Clone, Copy, Debug)]
pub struct RetirementRow {
    /// The hash of its Retire.
    pub hash: Digest,
    /// What its owner got, in minor units.
    pub paid: u64,
    /// When it was booked.
    pub at: Time,
    /// The row number of the answer.
    pub answer: i64,
}

/// A TA that is dead.
#[derive(Clone, Copy, Debug)]
pub struct DeathRow {
    /// From when on what waits is paid to its owner.
    pub payable_from: Time,
}

impl Unit<'_> {
    /// Returns how a TA retired.
    pub(crate) async fn retirement(
        &mut self,
        ta: &PublicKey,
    ) -> Result<Option<RetirementRow>, StoreError> {
        let row = sql::query("SELECT hash, paid, at_ms, answer FROM retirements WHERE ta = $1")
            .bind(ta.0.as_slice())
            .fetch_optional(self.sql())
            .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some(RetirementRow {
            hash: digest_back(row.try_get("hash")?)?,
            paid: units_back(row.try_get("paid")?)?,
            at: time_back(&row, "at_ms")?,
            answer: row.try_get("answer")?,
        }))
    }

    /// Notes how a TA retired.
    pub(crate) async fn put_retirement(
        &mut self,
        ta: &PublicKey,
        row: &RetirementRow,
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO retirements (ta, hash, paid, at_ms, answer) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(ta.0.as_slice())
        .bind(row.hash.0.as_slice())
        .bind(units(row.paid)?)
        .bind(instant(row.at))
        .bind(row.answer)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns what is known of a TA's death.
    pub(crate) async fn death(&mut self, ta: &PublicKey) -> Result<Option<DeathRow>, StoreError> {
        let row = sql::query("SELECT payable_from_ms FROM deaths WHERE ta = $1")
            .bind(ta.0.as_slice())
            .fetch_optional(self.sql())
            .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some(DeathRow {
            payable_from: time_back(&row, "payable_from_ms")?,
        }))
    }

    /// Notes a TA's death.
    pub(crate) async fn put_death(
        &mut self,
        ta: &PublicKey,
        at: Time,
        payable_from: Time,
    ) -> Result<(), StoreError> {
        sql::query("INSERT INTO deaths (ta, at_ms, payable_from_ms) VALUES ($1, $2, $3)")
            .bind(ta.0.as_slice())
            .bind(instant(at))
            .bind(instant(payable_from))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Begins to note what the owner of a TA is paid at its end, unless that began before. What the owner stands
    /// in for is lacking to it from the first.
    pub(crate) async fn put_end(&mut self, ta: &PublicKey) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO ends (ta, returned) SELECT key, advanced_by_owner FROM tas WHERE key = $1
             ON CONFLICT (ta) DO NOTHING",
        )
        .bind(ta.0.as_slice())
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns what the owner of a TA was paid at its end, once that began.
    pub(crate) async fn end(&mut self, ta: &PublicKey) -> Result<Option<End>, StoreError> {
        let row = sql::query("SELECT paid, returned, borne FROM ends WHERE ta = $1")
            .bind(ta.0.as_slice())
            .fetch_optional(self.sql())
            .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some(End {
            paid: units_back(row.try_get("paid")?)?,
            returned: units_back(row.try_get("returned")?)?,
            borne: units_back(row.try_get("borne")?)?,
        }))
    }

    /// Notes what a transfer changes of the ends of TAs; a TA that has not ended has no row for it.
    pub(super) async fn note_ends(&mut self, transfer: &Transfer) -> Result<(), StoreError> {
        for (ta, change) in changes(transfer, amount(transfer.amount)?) {
            self.change_end(&ta, &change).await?;
        }

        Ok(())
    }

    /// Notes what the repayment of a debt changes of the end of its TA.
    pub(super) async fn note_repaid(&mut self, repaid: &EndRepaid) -> Result<(), StoreError> {
        let change = EndChange {
            paid: 0,
            returned: units(repaid.returned)?,
            borne: units(repaid.borne)?.saturating_neg(),
        };

        self.change_end(&repaid.ta, &change).await
    }

    async fn change_end(&mut self, ta: &PublicKey, by: &EndChange) -> Result<(), StoreError> {
        sql::query(
            "UPDATE ends SET paid = paid + $2, returned = returned + $3, borne = borne + $4
             WHERE ta = $1",
        )
        .bind(ta.0.as_slice())
        .bind(by.paid)
        .bind(by.returned)
        .bind(by.borne)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns the TAs of an owner that ended and are not newer than this one, and for whom something waits,
    /// each with how much; the oldest first.
    pub(crate) async fn older_held(
        &mut self,
        ta: &PublicKey,
        owner: &PublicKey,
    ) -> Result<Vec<(PublicKey, Balance)>, StoreError> {
        let rows = sql::query(
            "SELECT tas.key, accounts.balance FROM tas
             JOIN accounts ON accounts.kind = 5 AND accounts.owner = tas.key
             JOIN subjects ON subjects.key = tas.key
             WHERE tas.owner = $2 AND tas.key <> $1 AND tas.standing >= 2 AND accounts.balance > 0
                 AND subjects.registered_ms <= (SELECT registered_ms FROM subjects WHERE key = $1)
             ORDER BY subjects.registered_ms, tas.key",
        )
        .bind(ta.0.as_slice())
        .bind(owner.0.as_slice())
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| {
                let key = key_back(row.try_get("key")?)?;
                Ok((key, balance_back(row.try_get("balance")?)?))
            })
            .collect()
    }

    /// Returns whether anything waits for the owner of TAs that ended.
    pub(super) async fn waits(&mut self, owner: &PublicKey) -> Result<bool, StoreError> {
        let waits: Option<i64> = sql::query_scalar(
            "SELECT 1 FROM tas JOIN accounts ON accounts.kind = 5 AND accounts.owner = tas.key
             WHERE tas.owner = $1 AND tas.standing >= 2 AND accounts.balance > 0 LIMIT 1",
        )
        .bind(owner.0.as_slice())
        .fetch_optional(self.sql())
        .await?;

        Ok(waits.is_some())
    }

    /// Returns up to `limit` dead TAs for whose owners money waits that is payable now.
    pub(crate) async fn payable(
        &mut self,
        now: Time,
        limit: i64,
    ) -> Result<Vec<PublicKey>, StoreError> {
        let keys: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT deaths.ta FROM deaths
             JOIN accounts ON accounts.kind = 5 AND accounts.owner = deaths.ta
             WHERE deaths.payable_from_ms <= $1 AND accounts.balance > 0
             ORDER BY deaths.payable_from_ms, deaths.ta LIMIT $2",
        )
        .bind(instant(now))
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        keys.iter().map(|key| key_back(key)).collect()
    }

    /// Writes how a TA stands.
    pub(crate) async fn set_standing(
        &mut self,
        ta: &PublicKey,
        standing: super::TaStanding,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE tas SET standing = $2 WHERE key = $1")
            .bind(ta.0.as_slice())
            .bind(standing.code())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns the bytes of an answer, by its row number.
    pub(crate) async fn answer_bytes(&mut self, id: i64) -> Result<Vec<u8>, StoreError> {
        sql::query_scalar("SELECT bytes FROM answers WHERE id = $1")
            .bind(id)
            .fetch_one(self.sql())
            .await
    }
}

/// What changes of the end of a TA. Amounts are minor units.
#[derive(Clone, Copy, Debug, Default)]
struct EndChange {
    paid: i64,
    returned: i64,
    borne: i64,
}

/// Returns what a transfer changes of the ends of TAs, if they have ended.
fn changes(transfer: &Transfer, by: i64) -> Vec<(PublicKey, EndChange)> {
    let paid = EndChange {
        paid: by,
        ..EndChange::default()
    };
    let returned = EndChange {
        returned: by,
        ..EndChange::default()
    };
    let borne = EndChange {
        borne: by,
        ..EndChange::default()
    };
    match (transfer.reason, &transfer.from, &transfer.to) {
        (
            Reason::Retire | Reason::RetireByLoss | Reason::Release | Reason::PassOn,
            Account::Shadow(ta) | Account::Held(ta),
            Account::Online(_),
        ) => vec![(*ta, paid)],
        (Reason::FromOlder, Account::Held(older), Account::Shadow(ta)) => {
            vec![(*older, paid), (*ta, returned)]
        }
        (Reason::FromOlder, Account::Held(older), _) => vec![(*older, paid)],
        (Reason::RetireByLoss, Account::Loss, Account::Shadow(ta)) => vec![(*ta, borne)],
        (Reason::AdvanceByOwner, _, Account::Shadow(ta)) => vec![(*ta, returned)],
        _ => Vec::new(),
    }
}

fn time_back(row: &Row, column: &str) -> Result<Time, StoreError> {
    units_back(row.try_get(column)?).map(Time::from_ms)
}
