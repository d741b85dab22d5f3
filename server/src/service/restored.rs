//! After a restore: what the books lost comes back from the devices, and what does not is put right.

use ops_proto::certificate::Role;
use ops_proto::message::Status;
use ops_proto::{Amount, PublicKey, Time};

use super::chain::{known, status_books};
use super::{Desk, Stop, ending};
use crate::ledger::{self, Account, Reason, Transfer};
use crate::provider::DAY_MS;
use crate::store::TaRow;

/// Puts the books right when a status differs from them because a restore lost what it covers: an honest
/// TA is not convicted for what the provider forgot. For a claim window after the restore, for TAs that
/// were registered before it, and up to the largest balance of one.
pub(super) async fn correct(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    status: &Status,
    withdrawals: &[Amount],
) -> Result<(), Stop> {
    if !was_restored(at, ta).await? {
        return Ok(());
    }
    let ta = known(at, ta).await?;
    let books = status_books(at, &ta, status, withdrawals.to_vec()).await?;
    let Err(differ) = ledger::judge(&books) else {
        return Ok(());
    };
    let Ok(by) = i64::try_from(differ.stated.saturating_sub(differ.expected)) else {
        return Ok(());
    };
    let corrected = ta.corrected.saturating_add(by);
    if corrected.unsigned_abs() > balance_max(&ta) {
        return Ok(());
    }
    let hash = status.position.previous;
    ending::take_grants(at, &ta.key, status.position.i, &hash).await?;
    let shadow = at.unit.balance(&Account::Shadow(ta.key)).await?;
    let transfer = if by > 0 {
        transfer(
            Account::Loss,
            Account::Shadow(ta.key),
            by,
            Reason::RestoredShort,
        )
    } else if by.unsigned_abs() <= shadow.minor_units() {
        transfer(
            Account::Shadow(ta.key),
            Account::Loss,
            by,
            Reason::RestoredSurplus,
        )
    } else {
        None
    };
    let Some(transfer) = transfer else {
        return Ok(());
    };
    at.unit.post(&[transfer], &hash.0, at.now).await?;
    at.unit.add_corrected(&ta.key, by).await?;
    let reason = format!(
        "after the restore the books lacked {by} at statement {}",
        status.position.n
    );
    at.unit.put_finding(&ta.key, &reason, None, at.now).await?;
    tracing::warn!(ta = %ta.key.id(), "Put the books of a TA right after the restore");

    Ok(())
}

/// Returns whether the books may lack who was certified here.
pub(super) async fn may_lack(at: &mut Desk<'_, '_>) -> Result<bool, Stop> {
    let Some(raised) = at.unit.raised().await? else {
        return Ok(false);
    };
    let window = at
        .provider
        .config()
        .claim_window_days
        .saturating_mul(DAY_MS);

    Ok(at.now.ms_since(raised) <= window)
}

/// Returns until when what the provider bears for what a restore lost is paid back by what comes in.
pub(super) async fn until(at: &mut Desk<'_, '_>) -> Result<Time, Stop> {
    let window = at
        .provider
        .config()
        .claim_window_days
        .saturating_mul(DAY_MS);
    let raised = at.unit.raised().await?;

    Ok(raised.map_or(at.now, |raised| raised.saturating_add_ms(window)))
}

/// Returns whether the books of a TA may lack what a restore lost.
async fn was_restored(at: &mut Desk<'_, '_>, ta: &PublicKey) -> Result<bool, Stop> {
    let Some(raised) = at.unit.raised().await? else {
        return Ok(false);
    };
    if !may_lack(at).await? {
        return Ok(false);
    }
    let registered = at.unit.registered(ta).await?;

    Ok(registered.is_some_and(|registered| registered < raised))
}

fn balance_max(ta: &TaRow) -> u64 {
    match &ta.certificate.body().role {
        Role::Ta { limits } => limits.balance_max.minor_units(),
        Role::Provider { .. } | Role::Client => 0,
    }
}

fn transfer(from: Account, to: Account, by: i64, reason: Reason) -> Option<Transfer> {
    Some(Transfer {
        from,
        to,
        amount: Amount::try_from(by.unsigned_abs()).ok()?,
        reason,
    })
}
