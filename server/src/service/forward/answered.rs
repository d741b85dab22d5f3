//! What the senders' providers answer for the pairs that were presented to them.

use ops_proto::message::{ForwardAnswer, ForwardOutcome, ForwardRefused};
use ops_proto::signed::Signed;
use ops_proto::{ProviderId, PublicKey};

use super::super::{Desk, Stop, payment, peer_life};
use super::{code_of, debit, release, transit};
use crate::ledger::{Account, Reason, Receiver, Redeem, Transfer, redeem};
use crate::limits::FORWARD_AGAIN_MS;
use crate::store::{ForwardRow, ForwardState, PaymentRow, PaymentState, PeerAnswerKind, Standing};

/// Pairs for which the sender's provider answered.
#[derive(Debug)]
pub(crate) struct Answered {
    debtor: ProviderId,
    answer: Signed<ForwardAnswer>,
}

impl Answered {
    /// Takes an answer whose signature was checked.
    pub(crate) const fn new(debtor: ProviderId, answer: Signed<ForwardAnswer>) -> Self {
        Self { debtor, answer }
    }

    pub(in crate::service) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let wire = self.answer.to_wire();
        let number = at
            .unit
            .put_peer_answer(&self.debtor, PeerAnswerKind::Forward, wire)
            .await?;
        let life = self.answer.body().stamp.incarnation;
        peer_life::heard(at, &self.debtor, life).await?;
        for (hash, outcome) in self.answer.body().items.iter() {
            let Some(forward) = at.unit.forward(hash).await? else {
                continue;
            };
            if forward.debtor != self.debtor {
                continue;
            }
            settle(at, forward, outcome, number).await?;
        }
        release(at, &self.debtor).await?;

        Ok(Vec::new())
    }
}

async fn settle(
    at: &mut Desk<'_, '_>,
    forward: ForwardRow,
    outcome: &ForwardOutcome,
    answer: i64,
) -> Result<(), Stop> {
    let Some(row) = at.unit.payment(&forward.payment).await? else {
        return Ok(());
    };
    match (forward.state, outcome) {
        // It was presented again because its provider was restored: what is accepted is for good.
        (ForwardState::Accepted, ForwardOutcome::Accepted) => {
            return Ok(at.unit.set_presented_again(&row.hash).await?);
        }
        (ForwardState::Accepted, ForwardOutcome::Refused(why)) => {
            tracing::warn!(payment = %row.hash, %why, "A provider refuses what it accepted");
            return put_off(at, &row).await;
        }
        (ForwardState::Refused, _) => return Ok(()),
        (
            ForwardState::Accepted | ForwardState::ToPresent | ForwardState::KeptBack,
            ForwardOutcome::Waiting,
        ) => return put_off(at, &row).await,
        (ForwardState::ToPresent | ForwardState::KeptBack, ForwardOutcome::Accepted) => {
            accepted(at, forward, row).await?;
        }
        (ForwardState::ToPresent | ForwardState::KeptBack, ForwardOutcome::Refused(why)) => {
            if !holds(at, &row, why).await? {
                return dispute(at, forward, &row, why).await;
            }
            refused(at, forward, row, why).await?;
        }
    }

    Ok(at.unit.set_forward_answer(&forward.payment, answer).await?)
}

async fn put_off(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<(), Stop> {
    let due = at.now.saturating_add_ms(FORWARD_AGAIN_MS);

    Ok(at.unit.put_off_forward(&row.hash, due).await?)
}

/// Returns whether a refusal decides on a payment: evidence does if it convicts the sender; of what nobody
/// has collected yet a refusal does that can be seen here to be right, or by which nobody gains.
async fn holds(
    at: &mut Desk<'_, '_>,
    row: &PaymentRow,
    why: &ForwardRefused,
) -> Result<bool, Stop> {
    let is_waiting = row.state == PaymentState::Waiting;
    match why {
        ForwardRefused::Conflict(evidence) => Ok(convicts(evidence, row)),
        ForwardRefused::Revoked => Ok(is_waiting && was_denied(at, row).await?),
        ForwardRefused::PayVerify
        | ForwardRefused::SenderUnknown
        | ForwardRefused::BeyondLimit { .. } => Ok(is_waiting),
    }
}

/// Returns whether the deny-list that the payment's request states named its sender, as far as that list is
/// known here.
async fn was_denied(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<bool, Stop> {
    let Some(pair) = at.unit.pair_of(row).await? else {
        return Ok(false);
    };
    let mut held = pair.request.body().lists_held.providers.iter();
    let Some(held) = held.find(|list| list.provider == row.provider) else {
        return Ok(false);
    };
    let since = at.unit.denied_since(&row.provider, &row.sender).await?;

    Ok(since.is_some_and(|since| held.version >= since))
}

/// A refusal without evidence changes nothing: its provider owes the amount, within its exposure, and is asked
/// again until it accepts or shows why not.
async fn dispute(
    at: &mut Desk<'_, '_>,
    mut forward: ForwardRow,
    row: &PaymentRow,
    why: &ForwardRefused,
) -> Result<(), Stop> {
    tracing::error!(payment = %row.hash, debtor = %row.provider, %why, "A provider refuses a payment without evidence");
    forward.refused = Some(code_of(why));
    at.unit.update_forward(&forward).await?;

    put_off(at, row).await
}

/// Returns whether evidence shows another payment with the sender and j of this one.
fn convicts(evidence: &ops_proto::statement::Evidence, row: &PaymentRow) -> bool {
    let statements = [&evidence.first, &evidence.second];

    evidence.verify().is_ok()
        && evidence.first.ta() == row.sender
        && statements.iter().any(|one| one.hash() == row.hash)
        && statements.iter().all(|one| one.position().j == row.j)
}

/// The sender's provider owes the amount: the receiver has it as from any sender.
async fn accepted(
    at: &mut Desk<'_, '_>,
    mut forward: ForwardRow,
    mut row: PaymentRow,
) -> Result<(), Stop> {
    if row.standing == Standing::Conflict {
        displace(at, row.sender, row.j).await?;
    }
    if !forward.booked {
        at.unit.post(&[debit(&row)], &row.hash.0, at.now).await?;
        forward.booked = true;
    }
    row.standing = Standing::Honoured;
    if row.state == PaymentState::Waiting {
        redeem_now(at, &mut row).await?;
    }
    at.unit.update_payment(&row).await?;
    forward.state = ForwardState::Accepted;
    at.unit.update_forward(&forward).await?;
    tracing::info!(payment = %row.hash, debtor = %row.provider, state = ?row.state, "A payment was accepted by its provider");

    Ok(())
}

async fn redeem_now(at: &mut Desk<'_, '_>, row: &mut PaymentRow) -> Result<(), Stop> {
    let receiver = payment::receiver_here(at, row).await?;
    let receiver = receiver.unwrap_or(Receiver::Elsewhere);
    let place = redeem(&receiver);
    let (to, reason) = place.target(row.sender, row.j);
    row.state = match place {
        Redeem::Credit(_) | Redeem::Hold(_) => PaymentState::Credited,
        Redeem::Collect(_) => PaymentState::Collected,
        Redeem::Wait => {
            at.unit.put_mail(&row.receiver, &row.hash).await?;
            return Ok(());
        }
    };
    let transfer = Transfer {
        from: transit(row),
        to,
        amount: row.amount,
        reason,
    };

    Ok(at.unit.post(&[transfer], &row.hash.0, at.now).await?)
}

/// Another payment has this sender and j here, and its provider accepted this one instead. If it accepted
/// both it owes both: what is accepted is for good.
async fn displace(at: &mut Desk<'_, '_>, sender: PublicKey, j: u64) -> Result<(), Stop> {
    let Some(mut other) = at.unit.payment_for(&sender, j).await? else {
        return Ok(());
    };
    if let Some(mut forward) = at.unit.forward(&other.hash).await? {
        if forward.state == ForwardState::Accepted {
            tracing::warn!(payment = %other.hash, debtor = %forward.debtor, "A provider accepted two payments with one number: it owes both");
            return Ok(());
        }
        if forward.booked && other.state == PaymentState::Waiting {
            take_back(at, &other, transit(&other), Reason::TakeBack).await?;
            forward.booked = false;
        }
        forward.state = ForwardState::ToPresent;
        at.unit.update_forward(&forward).await?;
    }
    other.standing = Standing::Conflict;

    Ok(at.unit.update_payment(&other).await?)
}

/// The sender's provider does not honour the payment. Who collected it is paid all the same.
async fn refused(
    at: &mut Desk<'_, '_>,
    mut forward: ForwardRow,
    mut row: PaymentRow,
    why: &ForwardRefused,
) -> Result<(), Stop> {
    if forward.booked {
        match row.state {
            PaymentState::Waiting => {
                take_back(at, &row, transit(&row), Reason::TakeBack).await?;
            }
            PaymentState::Collected | PaymentState::Credited => {
                take_back(at, &row, Account::Loss, Reason::CoverForeign).await?;
            }
        }
        forward.booked = false;
    }
    match why {
        ForwardRefused::Conflict(evidence) => {
            row.standing = Standing::Conflict;
            let reason = "two statements contradict each other";
            at.unit
                .put_finding(&row.sender, reason, Some(evidence), at.now)
                .await?;
        }
        ForwardRefused::Revoked => row.standing = Standing::Listed,
        ForwardRefused::BeyondLimit { .. }
        | ForwardRefused::PayVerify
        | ForwardRefused::SenderUnknown => {}
    }
    at.unit.update_payment(&row).await?;
    forward.state = ForwardState::Refused;
    forward.refused = Some(code_of(why));
    at.unit.update_forward(&forward).await?;
    tracing::warn!(payment = %row.hash, debtor = %row.provider, %why, "A payment was refused by its provider");

    Ok(())
}

async fn take_back(
    at: &mut Desk<'_, '_>,
    row: &PaymentRow,
    from: Account,
    reason: Reason,
) -> Result<(), Stop> {
    let transfer = Transfer {
        from,
        to: Account::Position(row.provider),
        amount: row.amount,
        reason,
    };

    Ok(at.unit.post(&[transfer], &row.hash.0, at.now).await?)
}
