//! What the people of a provider ask for, page by page.

use ops_proto::{PublicKey, Time};

use super::column::key_back;
use super::subjects::{client_back, ta_back};
use super::{ClientRow, StoreError, TaRow, Unit, sql};

/// Why a TA was suspended.
#[derive(Clone, Debug)]
pub struct FindingRow {
    /// Its number: findings are only ever added.
    pub id: i64,
    /// The TA.
    pub ta: PublicKey,
    /// When it was found.
    pub at: Time,
    /// One sentence.
    pub reason: String,
    /// The encoded evidence, where there is any.
    pub evidence: Option<Vec<u8>>,
}

impl Unit<'_> {
    /// Returns up to `limit` clients whose keys come after one.
    pub(crate) async fn clients_after(
        &mut self,
        after: Option<&PublicKey>,
        limit: i64,
    ) -> Result<Vec<ClientRow>, StoreError> {
        let after = after.map_or_else(Vec::new, |key| key.0.to_vec());
        let rows = sql::query(
            "SELECT key, name, certificate FROM clients WHERE key > $1 ORDER BY key LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(client_back).collect()
    }

    /// Returns all TAs of an owner, those that ended too.
    pub(crate) async fn tas_of(&mut self, owner: &PublicKey) -> Result<Vec<TaRow>, StoreError> {
        let rows = sql::query("SELECT * FROM tas WHERE owner = $1 ORDER BY key")
            .bind(owner.0.as_slice())
            .fetch_all(self.sql())
            .await?;

        rows.iter().map(ta_back).collect()
    }

    /// Lets a suspended TA live again.
    pub(crate) async fn unsuspend_ta(&mut self, ta: &PublicKey) -> Result<(), StoreError> {
        sql::query("UPDATE tas SET standing = 0 WHERE key = $1 AND standing = 1")
            .bind(ta.0.as_slice())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns up to `limit` findings after the one with number `after`.
    pub(crate) async fn findings_after(
        &mut self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<FindingRow>, StoreError> {
        let rows = sql::query(
            "SELECT id, ta, at_ms, reason, evidence FROM findings
             WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| {
                let at: i64 = row.try_get("at_ms")?;

                Ok(FindingRow {
                    id: row.try_get("id")?,
                    ta: key_back(row.try_get("ta")?)?,
                    at: Time::from_ms(u64::try_from(at).unwrap_or(0)),
                    reason: row.try_get("reason")?,
                    evidence: row.try_get("evidence")?,
                })
            })
            .collect()
    }

    /// Returns the accounts of one kind with their owners and balances, by owner.
    pub(crate) async fn balances_of_kind(
        &mut self,
        kind: i64,
    ) -> Result<Vec<(Vec<u8>, i64)>, StoreError> {
        let rows = sql::query("SELECT owner, balance FROM accounts WHERE kind = $1 ORDER BY owner")
            .bind(kind)
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| Ok((row.try_get("owner")?, row.try_get("balance")?)))
            .collect()
    }

    /// Returns how far the books go: the incarnation, and the numbers of the newest answer and entry.
    /// Stamps say less: they are drawn before there are answers.
    pub(crate) async fn reached(&mut self) -> Result<(i64, i64, i64), StoreError> {
        let row = sql::query(
            "SELECT incarnation, (SELECT COALESCE(max(id), 0) FROM answers) AS answers,
                 (SELECT COALESCE(max(id), 0) FROM entries) AS entries
             FROM life WHERE id = 1",
        )
        .fetch_one(self.sql())
        .await?;

        Ok((
            row.try_get("incarnation")?,
            row.try_get("answers")?,
            row.try_get("entries")?,
        ))
    }

    /// Returns whether a key is registered, as whatever.
    pub(crate) async fn has_subject(&mut self, key: &PublicKey) -> Result<bool, StoreError> {
        let found: Option<i64> = sql::query_scalar("SELECT 1 FROM subjects WHERE key = $1")
            .bind(key.0.as_slice())
            .fetch_optional(self.sql())
            .await?;

        Ok(found.is_some())
    }
}
