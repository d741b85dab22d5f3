//! Accounts and entries.

use ops_proto::{Amount, Balance, ProviderId, PublicKey, Time};

use super::column::{amount, amount_back, balance_back, counter, instant, key_back};
use super::sql;
use super::{StoreError, Unit};
use crate::ledger::{Account, Reason, Transfer};

/// The sum of balances of each kind of account, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Minus all that was issued.
    pub issued: i64,
    /// Online accounts.
    pub online: i64,
    /// On TAs, as far as the books know.
    pub shadow: i64,
    /// Granted and not known to be taken.
    pub open: i64,
    /// Known and not redeemed.
    pub transit: i64,
    /// Waiting for owners of dead or suspended TAs.
    pub held: i64,
    /// Minus what other providers owe.
    pub position: i64,
    /// Minus what the provider paid itself.
    pub loss: i64,
}

impl Unit<'_> {
    /// Returns the balance of an account that is never below zero.
    pub(crate) async fn balance(&mut self, account: &Account) -> Result<Balance, StoreError> {
        let (kind, owner, number) = columns(account);
        let balance: Option<i64> = sql::query_scalar(
            "SELECT balance FROM accounts WHERE kind = $1 AND owner = $2 AND number = $3",
        )
        .bind(kind)
        .bind(owner)
        .bind(number)
        .fetch_optional(self.sql())
        .await?;

        balance_back(balance.unwrap_or(0))
    }

    /// Adds an entry for each transfer, and moves the balances. `cause` names the message.
    pub(crate) async fn post(
        &mut self,
        transfers: &[Transfer],
        cause: &[u8],
        now: Time,
    ) -> Result<(), StoreError> {
        for transfer in transfers {
            self.post_one(transfer, cause, now).await?;
            // Who gets something pays what it owes first.
            let repaid = self.repayments(transfer, now).await?;
            for repayment in &repaid.transfers {
                self.post_one(repayment, cause, now).await?;
            }
            for end in &repaid.ends {
                self.note_repaid(end).await?;
            }
        }

        Ok(())
    }

    async fn post_one(
        &mut self,
        transfer: &Transfer,
        cause: &[u8],
        now: Time,
    ) -> Result<(), StoreError> {
        let amount = amount(transfer.amount)?;
        let debited = self
            .move_balance(&transfer.from, amount.saturating_neg())
            .await?;
        let credited = self.move_balance(&transfer.to, amount).await?;
        let ta = advanced_ta(transfer);
        sql::query(
            "INSERT INTO entries (at_ms, reason, debited, credited, amount, cause, ta)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(instant(now))
        .bind(transfer.reason.code())
        .bind(debited)
        .bind(credited)
        .bind(amount)
        .bind(cause.to_vec())
        .bind(ta.map(|ta| ta.0.to_vec()))
        .execute(self.sql())
        .await?;
        if let (Reason::TakeGrant, Account::Open { ta, i }) = (transfer.reason, &transfer.from) {
            self.take_grant(ta, *i).await?;
        }
        self.note_ends(transfer).await?;
        let Some(ta) = ta else { return Ok(()) };

        self.move_advance(&ta, transfer.reason, amount).await
    }

    async fn move_balance(&mut self, account: &Account, by: i64) -> Result<i64, StoreError> {
        let (kind, owner, number) = columns(account);
        // An account below zero breaks the table's check and so undoes the whole message.
        let id = sql::query_scalar(
            "INSERT INTO accounts (kind, owner, number) VALUES ($1, $2, $3)
             ON CONFLICT (kind, owner, number) DO UPDATE SET kind = accounts.kind RETURNING id",
        )
        .bind(kind)
        .bind(owner)
        .bind(number)
        .fetch_one(self.sql())
        .await?;
        sql::query("UPDATE accounts SET balance = balance + $2 WHERE id = $1")
            .bind(id)
            .bind(by)
            .execute(self.sql())
            .await?;

        Ok(id)
    }

    async fn move_advance(
        &mut self,
        ta: &PublicKey,
        reason: Reason,
        amount: i64,
    ) -> Result<(), StoreError> {
        let (by_owner, by_loss, restored) = advance_of(reason, amount);
        sql::query(
            "UPDATE tas SET advanced_by_owner = advanced_by_owner + $2,
                 advanced_by_loss = advanced_by_loss + $3,
                 restored_by_loss = restored_by_loss + $4
             WHERE key = $1",
        )
        .bind(ta.0.as_slice())
        .bind(by_owner)
        .bind(by_loss)
        .bind(restored)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Books a credit under its reference; returns what stands there when the reference was used.
    pub(crate) async fn put_credit(
        &mut self,
        reference: &str,
        client: &PublicKey,
        credit: Amount,
    ) -> Result<Option<(PublicKey, Amount)>, StoreError> {
        let put = sql::query(
            "INSERT INTO credits (reference, client, amount) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(reference)
        .bind(client.0.as_slice())
        .bind(amount(credit)?)
        .execute(self.sql())
        .await?;
        if put.rows_affected() == 1 {
            return Ok(None);
        }
        let row = sql::query("SELECT client, amount FROM credits WHERE reference = $1")
            .bind(reference)
            .fetch_one(self.sql())
            .await?;

        Ok(Some((
            key_back(row.try_get("client")?)?,
            amount_back(row.try_get("amount")?)?,
        )))
    }

    /// Returns the sum of balances of each kind of account.
    pub(crate) async fn totals(&mut self) -> Result<Totals, StoreError> {
        let rows = sql::query(
            "SELECT kind, CAST(sum(balance) AS BIGINT) AS total FROM accounts GROUP BY kind",
        )
        .fetch_all(self.sql())
        .await?;
        let mut totals = Totals::default();
        for row in rows {
            let total = row.try_get("total")?;
            match row.try_get("kind")? {
                0_i64 => totals.issued = total,
                1 => totals.online = total,
                2 => totals.shadow = total,
                3 => totals.open = total,
                4 => totals.transit = total,
                5 => totals.held = total,
                6 => totals.position = total,
                7 => totals.loss = total,
                _ => return Err(StoreError::Damaged("an account has an unknown kind")),
            }
        }

        Ok(totals)
    }
}

/// Returns what an entry of this reason adds to the advances of its TA: by the owner, by the provider, and
/// by the provider for what a restore lost.
const fn advance_of(reason: Reason, amount: i64) -> (i64, i64, i64) {
    match reason {
        Reason::AdvanceByOwner => (amount, 0, 0),
        Reason::RepayOwner => (amount.saturating_neg(), 0, 0),
        Reason::AdvanceByLoss => (0, amount, 0),
        Reason::RepayLoss => (0, amount.saturating_neg(), 0),
        Reason::GrantByLoss | Reason::RetireByLoss => (0, 0, amount),
        Reason::RepayRestored => (0, 0, amount.saturating_neg()),
        Reason::Issue
        | Reason::Grant
        | Reason::TakeGrant
        | Reason::Credit
        | Reason::Transit
        | Reason::Collect
        | Reason::CollectForeign
        | Reason::Withdraw
        | Reason::Hold
        | Reason::FromHeld
        | Reason::Release
        | Reason::Retire
        | Reason::RestoredShort
        | Reason::RestoredSurplus
        | Reason::CoverListed
        | Reason::PayDebt
        | Reason::FromOlder
        | Reason::PassOn
        | Reason::Present
        | Reason::TakeBack
        | Reason::Accept
        | Reason::CoverForeign
        | Reason::SettleOut
        | Reason::SettleIn => (0, 0, 0),
    }
}

/// The TA that a transfer is an advance or a debt for, or pays one back for.
const fn advanced_ta(transfer: &Transfer) -> Option<PublicKey> {
    match (transfer.reason, &transfer.from, &transfer.to) {
        (Reason::AdvanceByOwner | Reason::AdvanceByLoss, _, Account::Shadow(ta))
        | (
            Reason::RepayOwner | Reason::RepayLoss | Reason::RepayRestored,
            Account::Shadow(ta),
            _,
        )
        | (Reason::GrantByLoss, _, Account::Open { ta, .. })
        | (Reason::RetireByLoss, Account::Loss, Account::Shadow(ta)) => Some(*ta),
        _ => None,
    }
}

pub(super) fn columns(account: &Account) -> (i64, Vec<u8>, Vec<u8>) {
    match account {
        Account::Issued => (0, Vec::new(), Vec::new()),
        Account::Online(client) => (1, client.0.to_vec(), Vec::new()),
        Account::Shadow(ta) => (2, ta.0.to_vec(), Vec::new()),
        Account::Open { ta, i } => (3, ta.0.to_vec(), counter(*i)),
        Account::Transit { sender, j } => (4, sender.0.to_vec(), counter(*j)),
        Account::Held(ta) => (5, ta.0.to_vec(), Vec::new()),
        Account::Position(ProviderId(provider)) => (6, provider.to_vec(), Vec::new()),
        Account::Loss => (7, Vec::new(), Vec::new()),
    }
}
