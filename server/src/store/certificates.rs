//! Certificates of clients and TAs, every number of them, and which TAs may have one.

use ops_proto::certificate::Certificate;
use ops_proto::signed::Signed;
use ops_proto::{Digest, PublicKey, Time};

use super::column::{digest_back, instant, signed_back, units};
use super::{StoreError, SubjectKind, Unit, sql};

impl Unit<'_> {
    /// Returns a subject's renewed certificate of this number.
    pub(crate) async fn renewed(
        &mut self,
        subject: &PublicKey,
        number: u64,
    ) -> Result<Option<Signed<Certificate>>, StoreError> {
        // A number that does not fit was never given.
        let Ok(number) = units(number) else {
            return Ok(None);
        };
        let bytes: Option<Vec<u8>> =
            sql::query_scalar("SELECT bytes FROM certificates WHERE subject = $1 AND number = $2")
                .bind(subject.0.as_slice())
                .bind(number)
                .fetch_optional(self.sql())
                .await?;

        bytes.as_deref().map(signed_back).transpose()
    }

    /// Makes a certificate the newest of its subject.
    pub(crate) async fn renew(
        &mut self,
        kind: SubjectKind,
        certificate: &Signed<Certificate>,
    ) -> Result<(), StoreError> {
        let body = certificate.body();
        sql::query("INSERT INTO certificates (subject, number, bytes) VALUES ($1, $2, $3)")
            .bind(body.subject.0.as_slice())
            .bind(units(body.number)?)
            .bind(certificate.to_wire())
            .execute(self.sql())
            .await?;
        let update = match kind {
            SubjectKind::Provider => {
                return Err(StoreError::Damaged("a provider's key stands for a leaf"));
            }
            SubjectKind::Client => "UPDATE clients SET certificate = $2 WHERE key = $1",
            SubjectKind::Ta => "UPDATE tas SET certificate = $2 WHERE key = $1",
        };
        sql::query(update)
            .bind(body.subject.0.as_slice())
            .bind(certificate.to_wire())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns whether a client was revoked.
    pub(crate) async fn is_client_revoked(
        &mut self,
        client: &PublicKey,
    ) -> Result<bool, StoreError> {
        let revoked: Option<bool> =
            sql::query_scalar("SELECT revoked FROM clients WHERE key = $1")
                .bind(client.0.as_slice())
                .fetch_optional(self.sql())
                .await?;

        Ok(revoked.unwrap_or(false))
    }

    /// Notes that a client is revoked.
    pub(crate) async fn revoke_client(&mut self, client: &PublicKey) -> Result<(), StoreError> {
        sql::query("UPDATE clients SET revoked = 1 WHERE key = $1")
            .bind(client.0.as_slice())
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns what was said of a measurement beside `server.toml`: whether it is allowed.
    pub(crate) async fn measurement(
        &mut self,
        digest: &Digest,
    ) -> Result<Option<bool>, StoreError> {
        sql::query_scalar("SELECT allowed FROM measurements WHERE digest = $1")
            .bind(digest.0.as_slice())
            .fetch_optional(self.sql())
            .await
    }

    /// Returns everything that was said of measurements beside `server.toml`, by digest.
    pub(crate) async fn measurements(&mut self) -> Result<Vec<(Digest, bool)>, StoreError> {
        let rows = sql::query("SELECT digest, allowed FROM measurements ORDER BY digest")
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| Ok((digest_back(row.try_get("digest")?)?, row.try_get("allowed")?)))
            .collect()
    }

    /// Says whether a measurement is allowed.
    pub(crate) async fn put_measurement(
        &mut self,
        digest: &Digest,
        allowed: bool,
        now: Time,
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO measurements (digest, allowed, at_ms) VALUES ($1, $2, $3)
             ON CONFLICT (digest) DO UPDATE SET allowed = $2, at_ms = $3",
        )
        .bind(digest.0.as_slice())
        .bind(allowed)
        .bind(instant(now))
        .execute(self.sql())
        .await?;

        Ok(())
    }
}
