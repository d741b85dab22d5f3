//! Deny-lists: ours, row by row, and every provider's, in the pieces that were signed.

use std::collections::BTreeSet;

use ops_proto::limits::DENY_LIST_ENTRIES_MAX;
use ops_proto::message::{DenyEntry, DenyListPiece, ListVersion};
use ops_proto::signed::Signed;
use ops_proto::{ProviderId, PublicKey, Time};

use super::column::{instant, key_back, provider_back, signed_back, units_back};
use super::sql::{self, Row};
use super::{StoreError, Unit};

impl Unit<'_> {
    /// Returns the version of a provider's list; (0, 0) when there is none.
    pub(crate) async fn list_version(
        &mut self,
        provider: &ProviderId,
    ) -> Result<ListVersion, StoreError> {
        let row = sql::query("SELECT epoch, number FROM deny_lists WHERE provider = $1")
            .bind(provider.0.as_slice())
            .fetch_optional(self.sql())
            .await?;

        row.as_ref()
            .map_or(Ok(ListVersion::default()), version_back)
    }

    /// Returns every provider whose list there is, with its version, by provider.
    pub(crate) async fn list_versions(
        &mut self,
    ) -> Result<Vec<(ProviderId, ListVersion)>, StoreError> {
        let rows = sql::query("SELECT provider, epoch, number FROM deny_lists ORDER BY provider")
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| Ok((provider_back(row.try_get("provider")?)?, version_back(row)?)))
            .collect()
    }

    /// Says which version of a provider's list is the newest.
    pub(crate) async fn set_list_version(
        &mut self,
        provider: &ProviderId,
        version: ListVersion,
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO deny_lists (provider, epoch, number) VALUES ($1, $2, $3)
             ON CONFLICT (provider) DO UPDATE SET epoch = $2, number = $3",
        )
        .bind(provider.0.as_slice())
        .bind(version.epoch)
        .bind(version.number)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Puts a key on our list; returns whether it was not there.
    pub(crate) async fn put_deny_entry(&mut self, entry: &DenyEntry) -> Result<bool, StoreError> {
        let put = sql::query(
            "INSERT INTO deny_entries (key, not_after_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(entry.key.0.as_slice())
        .bind(instant(entry.not_after))
        .execute(self.sql())
        .await?;

        Ok(put.rows_affected() == 1)
    }

    /// Takes the keys off our list whose certificates have ended.
    pub(crate) async fn drop_expired_entries(&mut self, now: Time) -> Result<(), StoreError> {
        sql::query("DELETE FROM deny_entries WHERE not_after_ms < $1")
            .bind(instant(now))
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns how many keys our list has.
    pub(crate) async fn deny_entry_count(&mut self) -> Result<i64, StoreError> {
        sql::query_scalar("SELECT count(*) FROM deny_entries")
            .fetch_one(self.sql())
            .await
    }

    /// Returns our list, by key.
    pub(crate) async fn deny_entries(&mut self) -> Result<Vec<DenyEntry>, StoreError> {
        let rows = sql::query("SELECT key, not_after_ms FROM deny_entries ORDER BY key")
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| {
                Ok(DenyEntry {
                    key: key_back(row.try_get("key")?)?,
                    not_after: Time::from_ms(units_back(row.try_get("not_after_ms")?)?),
                })
            })
            .collect()
    }

    /// Puts a key on our list, in a version of its own; returns that version, or nothing when the key was
    /// there, its certificate has ended or the list is full.
    pub(crate) async fn revoke_key(
        &mut self,
        ours: &ProviderId,
        epoch: u32,
        entry: &DenyEntry,
        now: Time,
    ) -> Result<Option<ListVersion>, StoreError> {
        let put = self
            .revoke_keys(ours, epoch, std::slice::from_ref(entry), now)
            .await?;
        if put.is_empty() {
            return Ok(None);
        }

        self.list_version(ours).await.map(Some)
    }

    /// Puts keys on our list, in one version of their own; returns those that came onto it: not the ones that
    /// were there, whose certificates have ended, or for which there is no room.
    pub(crate) async fn revoke_keys(
        &mut self,
        ours: &ProviderId,
        epoch: u32,
        entries: &[DenyEntry],
        now: Time,
    ) -> Result<Vec<PublicKey>, StoreError> {
        self.drop_expired_entries(now).await?;
        let most = i64::try_from(DENY_LIST_ENTRIES_MAX).unwrap_or(i64::MAX);
        let mut room = most.saturating_sub(self.deny_entry_count().await?);
        let mut put = Vec::new();
        for entry in entries.iter().filter(|entry| entry.not_after >= now) {
            if room <= 0 {
                tracing::error!(key = %entry.key.id(), "The deny-list is full");
                break;
            }
            if self.put_deny_entry(entry).await? {
                room = room.saturating_sub(1);
                put.push(entry.key);
            }
        }
        if put.is_empty() {
            return Ok(put);
        }
        let newest = self.list_version(ours).await?;
        let version = ListVersion {
            epoch: newest.epoch.max(epoch),
            number: newest.number.saturating_add(1),
        };
        self.set_list_version(ours, version).await?;

        Ok(put)
    }

    /// Returns whether a key is on our list.
    pub(crate) async fn has_deny_entry(&mut self, key: &PublicKey) -> Result<bool, StoreError> {
        let found: Option<i64> = sql::query_scalar("SELECT 1 FROM deny_entries WHERE key = $1")
            .bind(key.0.as_slice())
            .fetch_optional(self.sql())
            .await?;

        Ok(found.is_some())
    }

    /// Returns whether a version of our list is one that a restore forgot.
    pub(crate) async fn is_forgotten_list(&mut self, number: u32) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sql::query_scalar("SELECT 1 FROM list_gaps WHERE known < $1 AND base > $1 LIMIT 1")
                .bind(i64::from(number))
                .fetch_optional(self.sql())
                .await?;

        Ok(found.is_some())
    }

    /// Begins our list of a new life with version `base`, above every one that a device may hold of earlier lives, and
    /// notes which of those the books do not know.
    pub(crate) async fn begin_list_of_life(
        &mut self,
        ours: &ProviderId,
        base: u32,
    ) -> Result<(), StoreError> {
        let newest = self.list_version(ours).await?;
        sql::query("INSERT INTO list_gaps (base, known) VALUES ($1, $2)")
            .bind(i64::from(base))
            .bind(i64::from(newest.number))
            .execute(self.sql())
            .await?;
        let version = ListVersion {
            number: base,
            ..newest
        };

        self.set_list_version(ours, version).await
    }

    /// Returns the newest version of our list that the books know and that says no more than this one.
    pub(crate) async fn known_list_number(&mut self, held: u32) -> Result<i64, StoreError> {
        let known: Option<i64> =
            sql::query_scalar("SELECT min(known) FROM list_gaps WHERE known < $1 AND base > $1")
                .bind(i64::from(held))
                .fetch_one(self.sql())
                .await?;

        Ok(known.unwrap_or_else(|| i64::from(held)))
    }

    /// Notes with which version a TA came onto our list.
    pub(crate) async fn set_listed(
        &mut self,
        ta: &PublicKey,
        version: ListVersion,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE tas SET listed_epoch = $2, listed_number = $3 WHERE key = $1")
            .bind(ta.0.as_slice())
            .bind(version.epoch)
            .bind(version.number)
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Stores a piece whose signature was checked.
    pub(crate) async fn put_piece(
        &mut self,
        piece: &Signed<DenyListPiece>,
    ) -> Result<(), StoreError> {
        let body = piece.body();
        sql::query(
            "INSERT INTO deny_pieces (provider, epoch, number, piece, bytes)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(body.provider.0.as_slice())
        .bind(body.version.epoch)
        .bind(body.version.number)
        .bind(i64::from(body.piece))
        .bind(piece.to_wire())
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Notes which keys another provider's list names, each with the first version here that does.
    pub(crate) async fn note_denied(
        &mut self,
        provider: &ProviderId,
        version: ListVersion,
    ) -> Result<(), StoreError> {
        let known: Vec<Vec<u8>> =
            sql::query_scalar("SELECT key FROM deny_since WHERE provider = $1")
                .bind(provider.0.as_slice())
                .fetch_all(self.sql())
                .await?;
        let known: BTreeSet<Vec<u8>> = known.into_iter().collect();
        let pieces = self.pieces(provider, version, 0, i64::MAX).await?;
        let entries = pieces.iter().flat_map(|piece| piece.body().entries.iter());
        for entry in entries.filter(|entry| !known.contains(entry.key.0.as_slice())) {
            sql::query(
                "INSERT INTO deny_since (provider, key, epoch, number) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            )
            .bind(provider.0.as_slice())
            .bind(entry.key.0.as_slice())
            .bind(version.epoch)
            .bind(version.number)
            .execute(self.sql())
            .await?;
        }

        Ok(())
    }

    /// Returns the first version here of another provider's list that named a key, if one did.
    pub(crate) async fn denied_since(
        &mut self,
        provider: &ProviderId,
        key: &PublicKey,
    ) -> Result<Option<ListVersion>, StoreError> {
        let row =
            sql::query("SELECT epoch, number FROM deny_since WHERE provider = $1 AND key = $2")
                .bind(provider.0.as_slice())
                .bind(key.0.as_slice())
                .fetch_optional(self.sql())
                .await?;

        row.as_ref().map(version_back).transpose()
    }

    /// Returns how many pieces of a version there are.
    pub(crate) async fn piece_count(
        &mut self,
        provider: &ProviderId,
        version: ListVersion,
    ) -> Result<i64, StoreError> {
        sql::query_scalar(
            "SELECT count(*) FROM deny_pieces WHERE provider = $1 AND epoch = $2 AND number = $3",
        )
        .bind(provider.0.as_slice())
        .bind(version.epoch)
        .bind(version.number)
        .fetch_one(self.sql())
        .await
    }

    /// Returns up to `limit` pieces of a version from number `from` on.
    pub(crate) async fn pieces(
        &mut self,
        provider: &ProviderId,
        version: ListVersion,
        from: i64,
        limit: i64,
    ) -> Result<Vec<Signed<DenyListPiece>>, StoreError> {
        let stored: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT bytes FROM deny_pieces
             WHERE provider = $1 AND epoch = $2 AND number = $3 AND piece >= $4
             ORDER BY piece LIMIT $5",
        )
        .bind(provider.0.as_slice())
        .bind(version.epoch)
        .bind(version.number)
        .bind(from)
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        stored.iter().map(|bytes| signed_back(bytes)).collect()
    }

    /// Forgets the pieces of versions before this one that never were whole.
    pub(crate) async fn drop_unfinished_pieces(
        &mut self,
        provider: &ProviderId,
        before: ListVersion,
    ) -> Result<(), StoreError> {
        let whole = self.list_version(provider).await?;
        sql::query(
            "DELETE FROM deny_pieces
             WHERE provider = $1 AND (epoch < $2 OR (epoch = $2 AND number < $3))
               AND NOT (epoch = $4 AND number = $5)",
        )
        .bind(provider.0.as_slice())
        .bind(before.epoch)
        .bind(before.number)
        .bind(whole.epoch)
        .bind(whole.number)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Forgets the pieces of a provider's older versions.
    pub(crate) async fn drop_older_pieces(
        &mut self,
        provider: &ProviderId,
        version: ListVersion,
    ) -> Result<(), StoreError> {
        sql::query(
            "DELETE FROM deny_pieces
             WHERE provider = $1 AND (epoch < $2 OR (epoch = $2 AND number < $3))",
        )
        .bind(provider.0.as_slice())
        .bind(version.epoch)
        .bind(version.number)
        .execute(self.sql())
        .await?;

        Ok(())
    }
}

fn version_back(row: &Row) -> Result<ListVersion, StoreError> {
    Ok(ListVersion {
        epoch: row.try_get("epoch")?,
        number: row.try_get("number")?,
    })
}
