//! After a restore: what the books lost comes back from the devices, and what does not is put right.

use std::collections::BTreeSet;
use std::iter;

use ops_proto::certificate::Role;
use ops_proto::message::Status;
use ops_proto::{Amount, Digest, PublicKey, RequestId, Time};

use super::chain::{known, status_books, take_collected};
use super::{Desk, Stop, ending, refuse};
use crate::ledger::{self, Account, Reason, Transfer};
use crate::provider::DAY_MS;
use crate::refusal::Code;
use crate::store::TaRow;

/// What a status says, and what it brought that was not booked before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated<'a> {
    pub(super) status: &'a Status,
    /// What the TA signed: the status, or its retirement.
    pub(super) cause: &'a Digest,
    pub(super) withdrawals: &'a [Amount],
    /// What is on the shadow since this status.
    pub(super) collected: &'a [(RequestId, Amount)],
}

/// Puts the books right when a status differs from them because a restore lost what it covers: an honest
/// TA is not convicted for what the provider forgot. For a claim window after the restore, for TAs that
/// were registered before it, and up to the largest balance of one. What the books lack is given only as far
/// as answers of an earlier life prove that the TA collected it and that nobody has handed it in.
pub(super) async fn correct(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    stated: Stated<'_>,
) -> Result<(), Stop> {
    if !was_restored(at, ta).await? {
        return Ok(());
    }
    let ta = known(at, ta).await?;
    collect_handed_in(at, &ta).await?;
    let books = status_books(at, &ta, stated.status, stated.withdrawals.to_vec()).await?;
    let Err(differ) = ledger::judge(&books) else {
        return Ok(());
    };
    let Ok(by) = i64::try_from(differ.stated.saturating_sub(differ.expected)) else {
        return Ok(());
    };
    if by > 0 {
        demand_proof(at, &ta, stated, by).await?;
    }
    let corrected = ta.corrected.saturating_add(by);
    if corrected.unsigned_abs() > balance_max(&ta) {
        return Ok(());
    }
    ending::take_grants(at, &ta.key, stated.status.position.i, stated.cause).await?;
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
    at.unit.post(&[transfer], &stated.cause.0, at.now).await?;
    at.unit.add_corrected(&ta.key, by).await?;
    let reason = format!(
        "after the restore the books lacked {by} at statement {}",
        stated.status.position.n
    );
    at.unit.put_finding(&ta.key, &reason, None, at.now).await?;
    tracing::warn!(ta = %ta.key.id(), "Put the books of a TA right after the restore");

    Ok(())
}

/// Collects what a TA had collected in an earlier life, and what was handed in since: its sender may not be
/// known again yet, or its provider not have answered.
async fn collect_handed_in(at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<(), Stop> {
    for row in at.unit.payments_waiting(&ta.key).await? {
        if at.unit.collected(&ta.key, row.request_id).await? == Some(row.hash) {
            take_collected(at, ta, row).await?;
        }
    }

    Ok(())
}

/// Demands that what the books lack of a TA can come from nothing that its device may still hand in: they
/// have each of its deposits and withdrawals, and its statuses of earlier lives, each with our token, name
/// payments of that sum that nobody has handed in. What they had from the books before counts as given back.
async fn demand_proof(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    stated: Stated<'_>,
    by: i64,
) -> Result<(), Stop> {
    let i = stated.status.position.i;
    let known = at.unit.money_items_known(&ta.key, i).await?;
    if known < i {
        let missing = known.saturating_add(1);
        let message =
            format!("the books lack {by}: hand in the deposit or withdrawal i = {missing}");
        return Err(refuse(Code::ReportFirst, message));
    }
    let n = stated.status.position.n;
    let earlier = at.unit.statuses_of_earlier_lives(&ta.key, n).await?;
    let unfilled = unfilled(at, &earlier).await?;
    let had = ta.corrected.saturating_neg().max(0);
    let lacked = lacked_at(at, ta, earlier.first(), stated).await?.max(had);
    if by > lacked || ta.corrected.saturating_add(by) > unfilled {
        let message = format!(
            "the books lack {by}: hand in each payment that the TA collected, and each status with its token"
        );
        return Err(refuse(Code::ReportFirst, message));
    }

    Ok(())
}

/// Returns what a retirement of an earlier life may have brought that the books lack: payments that the TA
/// collected, as our own answers prove, and that nobody has handed in; less what was given for them before. In
/// minor units. Nothing once the claim window has closed.
pub(super) async fn provable(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    last: &Status,
) -> Result<u64, Stop> {
    if !may_lack(at).await? {
        return Ok(0);
    }
    let earlier = at
        .unit
        .statuses_of_earlier_lives(&ta.key, last.position.n)
        .await?;
    let statuses: Vec<Status> = iter::once(last.clone()).chain(earlier).collect();
    let unfilled = unfilled(at, &statuses).await?;
    let given = ta.corrected.max(0);

    Ok(u64::try_from(unfilled.saturating_sub(given)).unwrap_or(0))
}

/// Returns the sum of the payments that statuses name as collected and that nobody has handed in, in minor
/// units: what each says was collected, less what is known of it. The newest come first; an older one whose
/// payments a newer one names again says nothing more.
async fn unfilled(at: &mut Desk<'_, '_>, statuses: &[Status]) -> Result<i64, Stop> {
    let mut counted: BTreeSet<Digest> = BTreeSet::new();
    let mut sum = 0_u64;
    for status in statuses {
        let mut rest = status.collected_total;
        let mut missing = Vec::new();
        for (_, hash) in status.collected.iter() {
            match at.unit.payment(hash).await? {
                Some(row) => rest = rest.saturating_sub(row.amount.minor_units()),
                None => missing.push(*hash),
            }
        }
        if missing.is_empty() || missing.iter().any(|hash| counted.contains(hash)) {
            continue;
        }
        counted.extend(missing);
        sum = sum.saturating_add(rest);
    }

    Ok(i64::try_from(sum).unwrap_or(i64::MAX))
}

/// Returns what the books of now lack of what an earlier life found right: the balance of a status that it
/// gave a token for, less what they say for that status. In minor units.
async fn lacked_at(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    earlier: Option<&Status>,
    stated: Stated<'_>,
) -> Result<i64, Stop> {
    let Some(earlier) = earlier else {
        return Ok(0);
    };
    let books = status_books(at, ta, earlier, stated.withdrawals.to_vec()).await?;
    // Whether the TA had heard of its last grant then, nobody can say: it is not held against it.
    let last = books
        .grant_last
        .map_or(0, |last| last.grant.amount.minor_units());
    let differs = match ledger::judge(&books) {
        Ok(_) => 0,
        Err(differ) => differ.stated.saturating_sub(differ.expected),
    };
    let since = stated
        .collected
        .iter()
        .filter(|(id, _)| *id >= earlier.mark || earlier.open.contains(id))
        .fold(0_u64, |sum, (_, amount)| {
            sum.saturating_add(amount.minor_units())
        });
    let lacked = differs
        .saturating_add(i128::from(last))
        .saturating_add(i128::from(since));

    Ok(i64::try_from(lacked).unwrap_or(0))
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
