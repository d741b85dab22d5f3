//! A write that means nothing, to learn whether the books take anything.

use super::{StoreError, Unit, sql};

impl Unit<'_> {
    /// Writes the row of probes over, with so much in it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] when a newer program has changed the schema, or what keeps from writing.
    pub(crate) async fn probe(&mut self, filler: &[u8]) -> Result<(), StoreError> {
        self.check_schema().await?;
        sql::query(
            "INSERT INTO probe (id, filler) VALUES (1, $1)
             ON CONFLICT (id) DO UPDATE SET filler = excluded.filler",
        )
        .bind(filler)
        .execute(self.sql())
        .await?;

        Ok(())
    }
}
