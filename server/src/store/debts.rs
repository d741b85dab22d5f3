//! What owners owe the provider for their TAs.

use ops_proto::{PublicKey, Time};

use super::column::{instant, key_back, units_back};
use super::sql::{self, Row};
use super::{StoreError, TaStanding, Unit};
use crate::ledger::{Account, Debt, Reason, Repaid, Transfer, repay};

/// Which debts for what a restore lost are paid back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    /// Those that have not ended.
    Until(Time),
    /// All: what comes is a TA's own, or what waited for its owner.
    Ever,
}

impl Unit<'_> {
    /// Returns how what a transfer brought pays debts back, if it reached somebody who has any.
    pub(super) async fn repayments(
        &mut self,
        brought: &Transfer,
        now: Time,
    ) -> Result<Repaid, StoreError> {
        let debts = match (brought.to, brought.reason) {
            // What an earlier life paid stays the owner's; what comes later pays for it.
            (_, Reason::RetireByLoss) => Vec::new(),
            (Account::Online(owner), Reason::Release | Reason::PassOn) => {
                debts_back(&self.debt_rows(&owner).await?, Owed::Ever)?
            }
            (Account::Online(owner), _) => self.debts_of(&owner, now).await?,
            (Account::Shadow(ta), Reason::Collect | Reason::CollectForeign) => {
                self.debts_of_ended(&ta).await?
            }
            _ => Vec::new(),
        };
        if debts.is_empty() {
            return Ok(Repaid::default());
        }
        let balance = self.balance(&brought.to).await?;

        Ok(repay(&debts, &brought.to, balance))
    }

    /// Returns what the owner of TAs owes for them. What a restore lost is owed until the claim window has
    /// closed, and for as long as anything waits for the owner.
    pub(crate) async fn debts_of(
        &mut self,
        owner: &PublicKey,
        now: Time,
    ) -> Result<Vec<Debt>, StoreError> {
        let rows = self.debt_rows(owner).await?;
        let debts = debts_back(&rows, Owed::Until(now))?;
        let all = debts_back(&rows, Owed::Ever)?;
        if debts == all || !self.waits(owner).await? {
            return Ok(debts);
        }

        Ok(all)
    }

    async fn debt_rows(&mut self, owner: &PublicKey) -> Result<Vec<Row>, StoreError> {
        sql::query(
            "SELECT tas.key, standing, advanced_by_loss, restored_by_loss, restored_until_ms,
                 coalesce(ends.borne, 0) AS borne
             FROM tas LEFT JOIN ends ON ends.ta = tas.key
             WHERE owner = $1
               AND (restored_by_loss > 0 OR (standing >= 2 AND advanced_by_loss > 0))
             ORDER BY tas.key",
        )
        .bind(owner.0.as_slice())
        .fetch_all(self.sql())
        .await
    }

    /// Returns what is owed for a TA, if it ended: what reaches it then pays for it, however late.
    async fn debts_of_ended(&mut self, ta: &PublicKey) -> Result<Vec<Debt>, StoreError> {
        let rows = sql::query(
            "SELECT tas.key, standing, advanced_by_loss, restored_by_loss, restored_until_ms,
                 coalesce(ends.borne, 0) AS borne
             FROM tas LEFT JOIN ends ON ends.ta = tas.key
             WHERE tas.key = $1 AND standing >= 2",
        )
        .bind(ta.0.as_slice())
        .fetch_all(self.sql())
        .await?;

        debts_back(&rows, Owed::Ever)
    }

    /// Says until when what the provider bears for a TA after a restore is paid back.
    pub(crate) async fn set_restored_until(
        &mut self,
        ta: &PublicKey,
        until: Time,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE tas SET restored_until_ms = $2 WHERE key = $1")
            .bind(ta.0.as_slice())
            .bind(instant(until))
            .execute(self.sql())
            .await?;

        Ok(())
    }
}

fn debts_back(rows: &[Row], owed: Owed) -> Result<Vec<Debt>, StoreError> {
    let mut debts = Vec::with_capacity(rows.len());
    for row in rows {
        let standing: i64 = row.try_get("standing")?;
        let until = Time::from_ms(units_back(row.try_get("restored_until_ms")?)?);
        let has_ended = standing >= TaStanding::Retired.code();
        let advanced = units_back(row.try_get("advanced_by_loss")?)?;
        let restored = units_back(row.try_get("restored_by_loss")?)?;
        let borne = units_back(row.try_get("borne")?)?;
        let is_owed = match owed {
            Owed::Until(now) => now <= until,
            Owed::Ever => true,
        };
        let debt = Debt {
            ta: key_back(row.try_get("key")?)?,
            advanced: if has_ended { advanced } else { 0 },
            restored: if is_owed { restored } else { 0 },
            borne: if is_owed { borne } else { 0 },
        };
        if debt.advanced > 0 || debt.restored > 0 {
            debts.push(debt);
        }
    }

    Ok(debts)
}
