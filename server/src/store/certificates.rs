//! Certificates of clients and TAs, every number of them.

use ops_proto::PublicKey;
use ops_proto::certificate::Certificate;
use ops_proto::signed::Signed;

use super::column::{signed_back, units};
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
}
