//! Our deny-list of an earlier life: whom it named is revoked again.

use ops_proto::PublicKey;
use ops_proto::message::DenyListPiece;
use ops_proto::signed::Signed;

use super::super::{Desk, Stop};
use crate::provider::Provider;
use crate::store::TaStanding;

/// Why a TA is suspended that a device's list names.
const REASON: &str = "it was revoked before the restore";

/// Returns whether this provider signed a piece, in an epoch that its list key has reached.
pub(super) fn is_ours(piece: &Signed<DenyListPiece>, provider: &Provider) -> bool {
    let body = piece.body();

    body.provider == provider.id()
        && body.version.epoch <= provider.list_epoch()
        && provider
            .list_keys()
            .iter()
            .any(|key| piece.verify(key).is_ok())
}

/// Revokes again whom a version names that the restore forgot. What other versions say the books know.
pub(super) async fn book(at: &mut Desk<'_, '_>, piece: &DenyListPiece) -> Result<bool, Stop> {
    if !at.unit.is_forgotten_list(piece.version.number).await? {
        return Ok(true);
    }
    let (ours, epoch) = (at.provider.id(), at.provider.list_epoch());
    let listed = at
        .unit
        .revoke_keys(&ours, epoch, &piece.entries, at.now)
        .await?;
    for key in listed {
        suspend_listed(at, &key).await?;
    }

    Ok(true)
}

/// Suspends a client or TA that our list names, if it is known and lives.
pub(super) async fn suspend_listed(at: &mut Desk<'_, '_>, key: &PublicKey) -> Result<(), Stop> {
    if !at.unit.has_deny_entry(key).await? {
        return Ok(());
    }
    if at.unit.client(key).await?.is_some() {
        at.unit.set_client_suspended(key, true).await?;
    }
    let Some(ta) = at.unit.ta(key).await? else {
        return Ok(());
    };
    let ours = at.provider.id();
    let version = at.unit.list_version(&ours).await?;
    at.unit.set_listed(key, version).await?;
    if ta.standing == TaStanding::Live {
        at.unit.put_finding(key, REASON, None, at.now).await?;
        at.unit.suspend_ta(key).await?;
        tracing::info!(ta = %key.id(), "Suspended a TA that was revoked before the restore");
    }

    Ok(())
}
