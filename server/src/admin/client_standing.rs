//! Suspending a client with its TAs, letting it live again, and revoking it.

use ops_proto::PublicKey;
use ops_proto::message::DenyEntry;

use super::accounts::account_view;
use super::attempts::Attempts;
use super::standing::{Standing, revoke, suspend};
use super::{AccountView, AdminError, Office, check_reference};
use crate::provider::Provider;
use crate::store::{ClientRow, TaStanding, Unit};
use crate::writer::now;

impl Office {
    /// Returns whether a key is a client's.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the books cannot be read.
    pub async fn is_client(&mut self, key: &PublicKey) -> Result<bool, AdminError> {
        let mut unit = self.store.begin_reading().await?;

        Ok(unit.client(key).await?.is_some())
    }

    /// Suspends or revokes a client with its TAs: it gets no TA and no new certificate, and revoked it is on the
    /// deny-list. What it has, what it claims and what its TAs give back is its own as before. Letting it live
    /// again leaves its TAs as they are.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when there is no such client, or it is on the deny-list and is to live again.
    pub async fn set_client_standing(
        &mut self,
        client: &PublicKey,
        standing: Standing,
        reason: &str,
    ) -> Result<AccountView, AdminError> {
        check_reference(reason)?;
        let mut attempts = Attempts::default();
        loop {
            let tried = self.try_set_client_standing(client, standing, reason).await;
            if !attempts.again(tried.as_ref().err().and_then(AdminError::of_books)) {
                return tried;
            }
        }
    }

    async fn try_set_client_standing(
        &mut self,
        client: &PublicKey,
        standing: Standing,
        reason: &str,
    ) -> Result<AccountView, AdminError> {
        let provider = Provider::load(&self.data)?;
        let mut unit = self.store.begin().await?;
        let unknown = || AdminError::ClientUnknown(client.to_string());
        let row = unit.client(client).await?.ok_or_else(unknown)?;
        match standing {
            Standing::Suspended | Standing::Revoked => {
                unit.set_client_suspended(client, true).await?;
                for ta in unit.tas_of(client).await? {
                    match (ta.standing, standing) {
                        (TaStanding::Retired | TaStanding::Dead, _) => {}
                        (TaStanding::Live | TaStanding::Suspended, Standing::Revoked) => {
                            revoke(&mut unit, &provider, &ta, reason).await?;
                        }
                        (
                            TaStanding::Live | TaStanding::Suspended,
                            Standing::Suspended | Standing::Live,
                        ) => suspend(&mut unit, &ta, reason).await?,
                    }
                }
                if standing == Standing::Revoked {
                    list_client(&mut unit, &provider, &row).await?;
                }
                tracing::info!(client = %client.id(), %reason, "The provider suspended a client");
            }
            Standing::Live => {
                if unit.has_deny_entry(client).await? {
                    return Err(AdminError::ClientStanding {
                        is: "on the deny-list",
                        asked: "it cannot live again",
                    });
                }
                unit.set_client_suspended(client, false).await?;
                tracing::info!(client = %client.id(), %reason, "The provider let a client live again");
            }
        }
        let view = account_view(&mut unit, row).await?;
        unit.commit().await?;

        Ok(view)
    }
}

/// Puts a client on the deny-list, unless it is there.
async fn list_client(
    unit: &mut Unit<'_>,
    provider: &Provider,
    client: &ClientRow,
) -> Result<(), AdminError> {
    let entry = DenyEntry {
        key: client.key,
        not_after: client.certificate.body().not_after,
    };
    let (ours, epoch) = (provider.id(), provider.list_epoch());
    unit.revoke_key(&ours, epoch, &entry, now()).await?;

    Ok(())
}
