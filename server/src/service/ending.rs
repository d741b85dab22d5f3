//! How what a TA held reaches its owner: at once, or after a wait in held(T).

use ops_proto::{Amount, Digest, PublicKey};

use super::{Desk, Stop};
use crate::ledger::{self, Account, Grant, Reason, TaBooks, Transfer};
use crate::provider::DAY_MS;
use crate::store::{DeathRow, PaymentState, Standing, TaRow, TaStanding};

/// Returns what the books say of a TA.
pub(super) async fn books(at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<TaBooks, Stop> {
    Ok(TaBooks {
        ta: ta.key,
        owner: ta.owner,
        shadow: at.unit.balance(&Account::Shadow(ta.key)).await?,
        held: at.unit.balance(&Account::Held(ta.key)).await?,
        advanced_by_loss: ta.advanced_by_loss,
    })
}

/// Books grants as taken: the TA went on after them, or will never say.
pub(super) async fn take_grants(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    before: u64,
    cause: &Digest,
) -> Result<(), Stop> {
    let grants = at.unit.grants(ta).await?;
    let taken: Vec<Transfer> = grants
        .into_iter()
        .filter(|grant| grant.i < before)
        .map(|Grant { i, amount }| Transfer {
            from: Account::Open { ta: *ta, i },
            to: Account::Shadow(*ta),
            amount,
            reason: Reason::TakeGrant,
        })
        .collect();

    Ok(at.unit.post(&taken, &cause.0, at.now).await?)
}

/// Pays what waits for the owner of a TA that is trusted, and returns how much.
pub(super) async fn release(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    cause: &Digest,
) -> Result<u64, Stop> {
    let Some(ta) = at.unit.ta(ta).await? else {
        return Ok(0);
    };
    let books = books(at, &ta).await?;
    let transfers = ledger::release(&books);
    let paid = transfers
        .iter()
        .filter(|transfer| transfer.reason == Reason::Release)
        .fold(0_u64, |sum, transfer| {
            sum.saturating_add(transfer.amount.minor_units())
        });
    at.unit.post(&transfers, &cause.0, at.now).await?;

    Ok(paid)
}

/// Ends a TA that nobody can ask any more, or whose word counts no more: it is listed as revoked, its i is
/// closed, and all that it held, or that waits for it, waits in held(T) for its owner.
pub(super) async fn bury(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    cause: &Digest,
) -> Result<DeathRow, Stop> {
    let after = at
        .provider
        .config()
        .claim_window_days
        .saturating_mul(DAY_MS);
    let payable_from = ta.certificate.body().not_after.saturating_add_ms(after);
    at.unit.set_standing(&ta.key, TaStanding::Dead).await?;
    at.revoke(ta).await?;
    take_grants(at, &ta.key, u64::MAX, cause).await?;
    hold_waiting(at, ta).await?;
    let books = books(at, ta).await?;
    let transfer = ledger::hold(&books);
    at.unit.post(transfer.as_slice(), &cause.0, at.now).await?;
    at.unit.put_death(&ta.key, at.now, payable_from).await?;
    tracing::info!(ta = %ta.key.id(), %payable_from, "Buried a TA");

    Ok(DeathRow {
        payable_from,
        paid: 0,
    })
}

/// Moves the payments that wait for a TA to what waits for its owner.
async fn hold_waiting(at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<(), Stop> {
    for row in at.unit.payments_waiting(&ta.key).await? {
        if row.standing != Standing::Honoured {
            continue;
        }
        let transfer = Transfer {
            from: Account::Transit {
                sender: row.sender,
                j: row.j,
            },
            to: Account::Held(ta.key),
            amount: row.amount,
            reason: Reason::Hold,
        };
        at.unit.post(&[transfer], &row.hash.0, at.now).await?;
        at.unit.take_mail(&row.hash).await?;
        at.unit
            .set_payment_state(&row.hash, PaymentState::Credited)
            .await?;
    }

    Ok(())
}

/// Pays what is payable of what a dead TA held.
pub(super) async fn pay_out(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    death: &mut DeathRow,
) -> Result<(), Stop> {
    if at.now < death.payable_from {
        return Ok(());
    }
    let cause = Digest::of(&[b"blepay/server/pay-out\0", &ta.0]);
    let paid = release(at, ta, &cause).await?;
    if paid == 0 {
        return Ok(());
    }
    at.unit.add_paid(ta, paid).await?;
    death.paid = death.paid.saturating_add(paid);
    tracing::info!(ta = %ta.id(), "Paid what a dead TA held");

    Ok(())
}

/// Pays what is payable of what dead TAs held: asked by the clock, not by a device.
#[derive(Debug)]
pub(crate) struct PayOut;

/// Dead TAs paid in one transaction.
const PAID_AT_ONCE: i64 = 64;

impl PayOut {
    /// The answer is one byte: whether there may be more.
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let payable = at.unit.payable(at.now, PAID_AT_ONCE).await?;
        for ta in &payable {
            if let Some(mut death) = at.unit.death(ta).await? {
                pay_out(at, ta, &mut death).await?;
            }
        }
        let is_full = i64::try_from(payable.len()).is_ok_and(|paid| paid >= PAID_AT_ONCE);

        Ok(vec![u8::from(is_full)])
    }
}

/// Returns the amount of a sum, unless there is nothing.
pub(super) fn some(minor_units: u64) -> Option<Amount> {
    Amount::try_from(minor_units).ok()
}
