//! How what a TA held reaches its owner: at once, or after a wait in held(T).

use ops_proto::{Amount, Digest, PublicKey};

use super::{Desk, Stop};
use crate::ledger::{self, Account, Grant, Reason, TaBooks, Transfer};
use crate::provider::DAY_MS;
use crate::store::{DeathRow, PaymentState, Standing, TaRow, TaStanding};

/// Returns the cause of what is booked because a TA is dead.
pub(super) fn cause_of_death(ta: &PublicKey) -> Digest {
    Digest::of(&[b"blepay/server/pay-out\0", &ta.0])
}

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
    at.unit.put_end(&ta.key).await?;
    let books = books(at, ta).await?;
    let transfer = ledger::hold(&books);
    at.unit.post(transfer.as_slice(), &cause.0, at.now).await?;
    at.unit.put_death(&ta.key, at.now, payable_from).await?;
    tracing::info!(ta = %ta.key.id(), %payable_from, "Buried a TA");

    Ok(DeathRow { payable_from })
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
    death: &DeathRow,
) -> Result<(), Stop> {
    if at.now < death.payable_from {
        return Ok(());
    }
    let paid = release(at, ta, &cause_of_death(ta)).await?;
    if paid > 0 {
        tracing::info!(ta = %ta.id(), "Paid what a dead TA held");
    }

    Ok(())
}

/// Passes on a payment that a TA had collected, if it has ended since.
pub(super) async fn pass_on_collected(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    payment: &Digest,
) -> Result<(), Stop> {
    if at.unit.end(ta).await?.is_none() {
        return Ok(());
    }
    give_back_surplus(at, ta, payment).await?;

    pass_on(at, ta, payment).await
}

/// Passes on what came to a TA that ended: to its owner what that lacks of what it was to be paid, and the rest
/// waits for the owner of a dead TA; on a retired one it waits for the TA's own payments.
pub(super) async fn pass_on(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    cause: &Digest,
) -> Result<(), Stop> {
    let Some(end) = at.unit.end(ta).await? else {
        return Ok(());
    };
    let Some(ta) = at.unit.ta(ta).await? else {
        return Ok(());
    };
    let due = due(at, &ta).await?;
    let shadow = books(at, &ta).await?.shadow.minor_units();
    let to_owner = due.map_or(0, |due| end.lacks(due)).min(shadow);
    let to_held = match ta.standing {
        TaStanding::Dead => shadow.saturating_sub(to_owner),
        TaStanding::Live | TaStanding::Suspended | TaStanding::Retired => 0,
    };
    for (to, minor_units) in [
        (Account::Online(ta.owner), to_owner),
        (Account::Held(ta.key), to_held),
    ] {
        let between = (Account::Shadow(ta.key), to);
        post(at, between, minor_units, Reason::PassOn, cause).await?;
    }

    Ok(())
}

/// Posts one transfer from one account to another, unless there is nothing to move.
pub(super) async fn post(
    at: &mut Desk<'_, '_>,
    (from, to): (Account, Account),
    minor_units: u64,
    reason: Reason,
    cause: &Digest,
) -> Result<(), Stop> {
    let Some(amount) = some(minor_units) else {
        return Ok(());
    };
    let transfer = Transfer {
        from,
        to,
        amount,
        reason,
    };

    Ok(at.unit.post(&[transfer], &cause.0, at.now).await?)
}

/// Returns what its Retire was to bring the owner of a TA; none if nobody has shown that it retired.
async fn due(at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<Option<u64>, Stop> {
    let paid = at.unit.retirement(&ta.key).await?.map(|row| row.paid);

    Ok(match ta.standing {
        TaStanding::Retired => paid,
        // One that was suspended when it retired was paid nothing: all that it has waits.
        TaStanding::Dead => paid.filter(|paid| *paid > 0),
        TaStanding::Live | TaStanding::Suspended => None,
    })
}

/// Gives back what the provider gave to a TA after a restore in the place of what comes now.
async fn give_back_surplus(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    payment: &Digest,
) -> Result<(), Stop> {
    let Some(ta) = at.unit.ta(ta).await? else {
        return Ok(());
    };
    let shadow = books(at, &ta).await?.shadow.minor_units();
    let surplus = u64::try_from(ta.corrected).unwrap_or(0).min(shadow);
    let between = (Account::Shadow(ta.key), Account::Loss);
    post(at, between, surplus, Reason::RestoredSurplus, payment).await?;
    let by = i64::try_from(surplus).unwrap_or(i64::MAX);

    Ok(at.unit.add_corrected(&ta.key, by.saturating_neg()).await?)
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
            if let Some(death) = at.unit.death(ta).await? {
                pay_out(at, ta, &death).await?;
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
