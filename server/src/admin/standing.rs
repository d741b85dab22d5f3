//! Suspending a TA, letting it live again, and revoking it.

use ops_proto::PublicKey;
use ops_proto::message::ListVersion;

use super::accounts::ta_view;
use super::attempts::Attempts;
use super::{AdminError, Office, TaView, check_reference};
use crate::provider::Provider;
use crate::service::Desk;
use crate::store::{TaRow, TaStanding, Unit};
use crate::writer::now;

/// What may be asked for a TA or a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It gets no grants and no tokens, and its money waits.
    Suspended,
    /// It may again, unless evidence convicts it or it is on the deny-list.
    Live,
    /// Suspended, and on the deny-list, from which it does not come back.
    Revoked,
}

impl Office {
    /// Suspends or revokes a TA, or lets it live again. The same again changes nothing.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when there is no such TA, it has ended, or evidence convicts it.
    pub async fn set_standing(
        &mut self,
        ta: &PublicKey,
        standing: Standing,
        reason: &str,
    ) -> Result<TaView, AdminError> {
        check_reference(reason)?;
        let mut attempts = Attempts::default();
        loop {
            let tried = self.try_set_standing(ta, standing, reason).await;
            if !attempts.again(tried.as_ref().err().and_then(AdminError::of_books)) {
                return tried;
            }
        }
    }

    async fn try_set_standing(
        &mut self,
        ta: &PublicKey,
        standing: Standing,
        reason: &str,
    ) -> Result<TaView, AdminError> {
        let provider = Provider::load(&self.data)?;
        let mut unit = self.store.begin().await?;
        let unknown = || AdminError::TaUnknown(ta.to_string());
        let row = unit.ta(ta).await?.ok_or_else(unknown)?;
        match standing {
            Standing::Suspended => suspend(&mut unit, &row, reason).await?,
            Standing::Live => unsuspend(&mut unit, &row).await?,
            Standing::Revoked => revoke(&mut unit, &provider, &row, reason).await?,
        }
        let row = unit.ta(ta).await?.ok_or_else(unknown)?;
        let view = ta_view(&mut unit, &row).await?;
        unit.commit().await?;

        Ok(view)
    }
}

/// Suspends a TA, unless it is, and puts it on the deny-list.
pub(super) async fn revoke(
    unit: &mut Unit<'_>,
    provider: &Provider,
    ta: &TaRow,
    reason: &str,
) -> Result<(), AdminError> {
    if ta.standing == TaStanding::Live {
        suspend(unit, ta, reason).await?;
    }
    let mut desk = Desk {
        unit,
        provider,
        now: now(),
    };

    Ok(desk.revoke(ta).await?)
}

pub(super) async fn suspend(
    unit: &mut Unit<'_>,
    ta: &TaRow,
    reason: &str,
) -> Result<(), AdminError> {
    match ta.standing {
        TaStanding::Suspended => return Ok(()),
        TaStanding::Live => {}
        TaStanding::Retired | TaStanding::Dead => return Err(unfit(ta, "suspended")),
    }
    unit.put_finding(&ta.key, reason, None, now()).await?;
    unit.suspend_ta(&ta.key).await?;
    tracing::info!(ta = %ta.key.id(), "The provider suspended a TA");

    Ok(())
}

async fn unsuspend(unit: &mut Unit<'_>, ta: &TaRow) -> Result<(), AdminError> {
    match ta.standing {
        TaStanding::Live => return Ok(()),
        TaStanding::Suspended => {}
        TaStanding::Retired | TaStanding::Dead => return Err(unfit(ta, "let live again")),
    }
    let findings = unit.findings(&ta.key).await?;
    if findings.iter().any(|(_, evidence)| evidence.is_some()) {
        return Err(AdminError::Convicted);
    }
    if unit.is_client_suspended(&ta.owner).await? {
        return Err(AdminError::ClientStanding {
            is: "suspended",
            asked: "its TA cannot live again",
        });
    }
    if ta.listed > ListVersion::default() {
        return Err(unfit(ta, "let live again: it is on the deny-list"));
    }
    unit.unsuspend_ta(&ta.key).await?;
    tracing::info!(ta = %ta.key.id(), "The provider let a TA live again");

    Ok(())
}

fn unfit(ta: &TaRow, asked: &'static str) -> AdminError {
    AdminError::Standing {
        is: ta.standing.as_str(),
        asked,
    }
}
