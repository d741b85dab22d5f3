//! What other providers signed: their answers, and the certificates that stand behind them.

use ops_proto::certificate::Certificate;
use ops_proto::id::KeyId;
use ops_proto::signed::Signed;
use ops_proto::{Digest, ProviderId};

use super::column::{counter, provider_back, signed_back};
use super::{StoreError, Unit, sql};

/// What an answer of another provider answers. The numbers stand in the rows and never change.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PeerAnswerKind {
    Forward,
    Settlement,
}

impl PeerAnswerKind {
    const fn code(self) -> i64 {
        match self {
            Self::Forward => 0,
            Self::Settlement => 1,
        }
    }
}

impl Unit<'_> {
    /// Stores what another provider signed, and returns its row number.
    pub(crate) async fn put_peer_answer(
        &mut self,
        provider: &ProviderId,
        kind: PeerAnswerKind,
        bytes: Vec<u8>,
    ) -> Result<i64, StoreError> {
        sql::query_scalar(
            "INSERT INTO peer_answers (provider, kind, bytes) VALUES ($1, $2, $3) RETURNING id",
        )
        .bind(provider.0.as_slice())
        .bind(kind.code())
        .bind(bytes)
        .fetch_one(self.sql())
        .await
    }

    /// Returns up to `limit` answers of other providers after the one with number `after`.
    pub(crate) async fn peer_answers(
        &mut self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, ProviderId, i64, Vec<u8>)>, StoreError> {
        let rows = sql::query("SELECT * FROM peer_answers WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(limit)
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get("id")?,
                    provider_back(row.try_get("provider")?)?,
                    row.try_get("kind")?,
                    row.try_get("bytes")?,
                ))
            })
            .collect()
    }

    /// Returns whether a provider's certificate is stored.
    pub(crate) async fn has_provider_certificate(
        &mut self,
        hash: &Digest,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sql::query_scalar("SELECT 1 FROM provider_certificates WHERE hash = $1")
                .bind(hash.0.as_slice())
                .fetch_optional(self.sql())
                .await?;

        Ok(found.is_some())
    }

    /// Stores a provider's certificate that was checked up to the root.
    pub(crate) async fn put_provider_certificate(
        &mut self,
        certificate: &Signed<Certificate>,
    ) -> Result<(), StoreError> {
        let body = certificate.body();
        sql::query(
            "INSERT INTO provider_certificates (hash, provider, issuer, number, bytes)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(certificate.hash().0.as_slice())
        .bind(body.provider.0.as_slice())
        .bind(body.subject.id().0.as_slice())
        .bind(counter(body.number))
        .bind(certificate.to_wire())
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns every certificate of other providers.
    pub(crate) async fn foreign_certificates(
        &mut self,
    ) -> Result<Vec<Signed<Certificate>>, StoreError> {
        let rows: Vec<Vec<u8>> =
            sql::query_scalar("SELECT bytes FROM provider_certificates ORDER BY provider, number")
                .fetch_all(self.sql())
                .await?;

        rows.iter().map(|bytes| signed_back(bytes)).collect()
    }

    /// Returns the certificates of another provider, newest first.
    pub(crate) async fn provider_certificates(
        &mut self,
        provider: &ProviderId,
    ) -> Result<Vec<Signed<Certificate>>, StoreError> {
        let rows: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT bytes FROM provider_certificates WHERE provider = $1 ORDER BY number DESC",
        )
        .bind(provider.0.as_slice())
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(|bytes| signed_back(bytes)).collect()
    }

    /// Returns the certificates of other providers whose certifying key has this name.
    pub(crate) async fn issuer_certificates(
        &mut self,
        issuer: &KeyId,
    ) -> Result<Vec<Signed<Certificate>>, StoreError> {
        let rows: Vec<Vec<u8>> = sql::query_scalar(
            "SELECT bytes FROM provider_certificates WHERE issuer = $1 ORDER BY number DESC",
        )
        .bind(issuer.0.as_slice())
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(|bytes| signed_back(bytes)).collect()
    }
}
