//! Payments between providers. The one that certified the sender is the authority for (sender, j): the
//! receiver's provider presents each pair to it, and credits the receiver once it accepts.
//!
//! At the receiver's provider, P of a TA of provider A:
//!
//! | what happens | from → to | reason |
//! | --- | --- | --- |
//! | P is seen, and A may owe that much more | position(A) → transit(T, j) | `Present` |
//! | P is seen, and A may not | nothing: it is kept, and presented after a settlement | |
//! | a status of R lists P as collected | transit(T, j) → shadow(R), or position(A) → shadow(R) | `Collect`, `CollectForeign` |
//! | A accepts P | transit(T, j) → as for any P | `Credit`, … |
//! | A refuses P | transit(T, j) → position(A) | `TakeBack` |
//! | A refuses P for revocation, and what is known of its list does not show it | nothing: A owes it, and is asked again | |
//! | A refuses P, which R has collected, with evidence | loss → position(A) | `CoverForeign` |
//! | A refuses P, which R has collected, without evidence | nothing: A owes it, and is asked again | |
//!
//! At the sender's provider, P for a receiver of provider B: shadow(T) → transit(T, j) as for any P, by a
//! report or by B; then transit(T, j) → position(B) (`Accept`), once.

mod answered;
mod delivered;
mod presented;

use ops_proto::ProviderId;
use ops_proto::message::{ForwardRefused, ItemOutcome, ItemRefused};

use super::payment::outcome_of;
use super::{Desk, Stop};
use crate::ledger::{Account, Reason, Transfer};
use crate::limits::KEPT_BACK_MAX;
use crate::store::{ForwardRow, ForwardState, PaymentRow, Standing};

pub(crate) use answered::Answered;
pub(super) use delivered::deliver;
pub(crate) use delivered::{Delivered, PeerDue};
pub(crate) use presented::Presented;
pub(super) use presented::{check_signer, note_providers, prepare};

/// Takes note of a payment of another provider's TA for a receiver here, and books the position if its
/// provider may owe that much.
pub(super) async fn open(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<(), Stop> {
    let mut forward = ForwardRow {
        payment: row.hash,
        debtor: row.provider,
        state: ForwardState::ToPresent,
        booked: false,
        refused: None,
    };
    match row.standing {
        // Its provider has to see it: it convicts the sender.
        Standing::Conflict | Standing::Listed => {}
        Standing::Foreign | Standing::Honoured | Standing::BeyondLimit => {
            if may_owe(at, row).await? {
                at.unit.post(&[debit(row)], &row.hash.0, at.now).await?;
                forward.booked = true;
            } else {
                forward.state = ForwardState::KeptBack;
                tracing::warn!(payment = %row.hash, debtor = %row.provider, "Kept a payment back: its provider owes as much as it may");
            }
        }
    }

    Ok(at.unit.put_forward(&forward).await?)
}

async fn may_owe(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<bool, Stop> {
    let Some(peer) = at.unit.peer(&row.provider).await? else {
        return Ok(false);
    };
    let owed = at.unit.position(&row.provider).await?.saturating_neg();
    let after = i128::from(owed).saturating_add(i128::from(row.amount.minor_units()));

    Ok(after <= i128::from(peer.exposure))
}

pub(super) const fn debit(row: &PaymentRow) -> Transfer {
    Transfer {
        from: Account::Position(row.provider),
        to: transit(row),
        amount: row.amount,
        reason: Reason::Present,
    }
}

pub(super) const fn transit(row: &PaymentRow) -> Account {
    Account::Transit {
        sender: row.sender,
        j: row.j,
    }
}

/// Presents what was kept back, as far as the debtor may owe it by now.
pub(crate) async fn release(at: &mut Desk<'_, '_>, debtor: &ProviderId) -> Result<(), Stop> {
    for row in at.unit.payments_kept_back(debtor, KEPT_BACK_MAX).await? {
        let Some(mut forward) = at.unit.forward(&row.hash).await? else {
            continue;
        };
        if !may_owe(at, &row).await? {
            break;
        }
        at.unit.post(&[debit(&row)], &row.hash.0, at.now).await?;
        forward.booked = true;
        forward.state = ForwardState::ToPresent;
        at.unit.update_forward(&forward).await?;
    }

    Ok(())
}

/// Returns what became of a payment that is neither honoured nor known to be forged.
pub(super) async fn outcome(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<ItemOutcome, Stop> {
    let refused = at
        .unit
        .forward(&row.hash)
        .await?
        .filter(|forward| forward.state == ForwardState::Refused)
        .and_then(|forward| forward.refused);

    Ok(match refused {
        Some(code) if code == code_of(&ForwardRefused::PayVerify) => {
            ItemOutcome::Refused(ItemRefused::PayVerify)
        }
        Some(_) => ItemOutcome::Refused(ItemRefused::SenderUnknown),
        None => outcome_of(row),
    })
}

/// Returns where the money comes from for a payment of another provider's TA that a TA here collected.
pub(super) async fn collect(
    at: &mut Desk<'_, '_>,
    row: &PaymentRow,
) -> Result<(Account, Reason), Stop> {
    let position = (Account::Position(row.provider), Reason::CollectForeign);
    let Some(mut forward) = at.unit.forward(&row.hash).await? else {
        return Ok(position);
    };
    match forward.state {
        // Evidence convicts the sender: the payee is honest, and is paid here.
        ForwardState::Refused if forward.refused == Some(CONFLICT) => {
            Ok((Account::Loss, Reason::CoverForeign))
        }
        // Nothing shows why its provider refused it.
        ForwardState::Refused => {
            at.unit.reopen_forward(&row.hash).await?;

            Ok(position)
        }
        ForwardState::Accepted => Ok((transit(row), Reason::Collect)),
        ForwardState::ToPresent | ForwardState::KeptBack => {
            let is_in_transit = forward.booked;
            forward.booked = true;
            forward.state = ForwardState::ToPresent;
            at.unit.update_forward(&forward).await?;

            Ok(if is_in_transit {
                (transit(row), Reason::Collect)
            } else {
                position
            })
        }
    }
}

/// The byte, on the wire, of a refusal with evidence.
const CONFLICT: i64 = 2;

/// The byte of a refusal on the wire.
pub(super) const fn code_of(why: &ForwardRefused) -> i64 {
    match why {
        ForwardRefused::PayVerify => 0,
        ForwardRefused::SenderUnknown => 1,
        ForwardRefused::Conflict(_) => CONFLICT,
        ForwardRefused::Revoked => 3,
        ForwardRefused::BeyondLimit { .. } => 4,
    }
}
