//! Deposits and withdrawals of an earlier life.

use std::iter;

use ops_proto::message::{DepositAnswer, DepositOrder, DepositOutcome, Withdraw, WithdrawAck};
use ops_proto::signed::Signed;
use ops_proto::statement::Statement;
use ops_proto::{Amount, PublicKey};

use super::super::withdraw::WithdrawOrder;
use super::super::{Conviction, Desk, Stop, ending, restored};
use crate::ledger::{Account, Reason};
use crate::store::{AnswerKind, DepositRow, TaRow};

/// Returns whether the books have every deposit and withdrawal of a TA up to counter `i`: only then do they
/// show what the ones after it were paid from.
pub(super) async fn is_known_up_to(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    i: u64,
) -> Result<bool, Stop> {
    Ok(i == 0 || at.unit.has_money_item(&ta.key, i).await?)
}

/// Returns whether a deposit or withdrawal may be booked: the ones before it are, and nothing contradicts it.
async fn is_next(at: &mut Desk<'_, '_>, ta: &TaRow, statement: &Statement) -> Result<bool, Stop> {
    let Some(before) = statement.position().i.checked_sub(1) else {
        return Ok(false);
    };
    if !is_known_up_to(at, ta, before).await? {
        return Ok(false);
    }
    if let Some(evidence) = at.unit.contradiction(statement).await? {
        at.convict(&Conviction::by(evidence)).await?;
        return Ok(false);
    }

    Ok(true)
}

/// Books a deposit as it was answered.
pub(super) async fn deposit(
    at: &mut Desk<'_, '_>,
    order: &DepositOrder,
    answer: &Signed<DepositAnswer>,
    incarnation: u32,
) -> Result<bool, Stop> {
    let body = answer.body();
    let Some(mut ta) = at.unit.ta(&body.ta).await? else {
        return Ok(false);
    };
    if order.endorsement.verify(&ta.owner).is_err() {
        return Ok(false);
    }
    if let Some(known) = at.unit.deposit(&ta.key, body.i).await? {
        return Ok(known.hash == body.order);
    }
    let statement = Statement::DepositOpen(order.open.clone());
    if body.stamp.incarnation >= incarnation || !is_next(at, &ta, &statement).await? {
        return Ok(false);
    }
    let amount = order.open.body().amount;
    let sources = match body.outcome {
        DepositOutcome::Granted => Some(sources(at, &ta, amount).await?),
        DepositOutcome::Refused(_) => None,
    };
    let by_loss = sources.as_ref().map_or(0, |sources| sources.by_loss);
    if by_loss > 0 && !restored::may_lack(at).await? {
        return Ok(false);
    }
    let Some(id) = at
        .unit
        .put_earlier_answer(AnswerKind::Deposit, body.stamp, answer)
        .await?
    else {
        return Ok(false);
    };
    at.unit.put_statement(&statement).await?;
    let row = DepositRow {
        hash: body.order,
        answer: id,
    };
    at.unit
        .put_deposit(&ta.key, body.i, amount, &row, body.outcome)
        .await?;
    if let Some(sources) = sources {
        grant(at, &ta, order, &sources).await?;
    }
    ta.i = ta.i.max(body.i);
    at.unit.update_ta(&ta).await?;

    Ok(true)
}

/// What pays for a grant of an earlier life.
#[derive(Debug)]
struct Sources {
    by_owner: u64,
    /// From what waits for older TAs of the owner.
    by_older: Vec<(PublicKey, u64)>,
    by_loss: u64,
}

async fn sources(at: &mut Desk<'_, '_>, ta: &TaRow, asked: Amount) -> Result<Sources, Stop> {
    let online = at.unit.balance(&Account::Online(ta.owner)).await?;
    let by_owner = asked.minor_units().min(online.minor_units());
    let mut rest = asked.minor_units().saturating_sub(by_owner);
    let mut by_older = Vec::new();
    if rest > 0 {
        for (older, held) in at.unit.older_held(&ta.key, &ta.owner).await? {
            let taken = rest.min(held.minor_units());
            rest = rest.saturating_sub(taken);
            by_older.push((older, taken));
        }
    }

    Ok(Sources {
        by_owner,
        by_older,
        by_loss: rest,
    })
}

/// Grants again: the device has the money, whatever the owner's account has. On a TA that ended it waits for the
/// owner at once, for the TA will never say that it took it.
async fn grant(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    order: &DepositOrder,
    sources: &Sources,
) -> Result<(), Stop> {
    let i = order.open.body().position.i;
    let open = Account::Open { ta: ta.key, i };
    let cause = order.open.hash();
    let by_owner = (Account::Online(ta.owner), sources.by_owner, Reason::Grant);
    let by_older = sources
        .by_older
        .iter()
        .map(|(older, taken)| (Account::Held(*older), *taken, Reason::FromOlder));
    let by_loss = (Account::Loss, sources.by_loss, Reason::GrantByLoss);
    for (from, minor_units, reason) in iter::once(by_owner).chain(by_older).chain([by_loss]) {
        ending::post(at, (from, open), minor_units, reason, &cause).await?;
    }
    if sources.by_loss > 0 {
        let until = restored::until(at).await?;
        at.unit.set_restored_until(&ta.key, until).await?;
        let reason = format!(
            "the restore lost what was paid in: of deposit {i} the provider bears {}",
            sources.by_loss
        );
        at.unit.put_finding(&ta.key, &reason, None, at.now).await?;
    }
    if at.unit.end(&ta.key).await?.is_some() {
        let cause = ending::cause_of_death(&ta.key);
        ending::take_grants(at, &ta.key, u64::MAX, &cause).await?;
        ending::pass_on(at, &ta.key, &cause).await?;
    }

    Ok(())
}

/// Books a withdrawal that was acknowledged.
pub(super) async fn withdraw(
    at: &mut Desk<'_, '_>,
    withdraw: &Signed<Withdraw>,
    ack: &Signed<WithdrawAck>,
    incarnation: u32,
) -> Result<bool, Stop> {
    let body = ack.body();
    let Some(ta) = at.unit.ta(&body.ta).await? else {
        return Ok(false);
    };
    let booked = at.unit.withdrawal(&ta.key, body.i).await?;
    if let Some(booked) = booked
        && (booked.hash != withdraw.hash() || booked.answer.is_some())
    {
        return Ok(booked.hash == withdraw.hash());
    }
    if body.stamp.incarnation >= incarnation {
        return Ok(false);
    }
    if booked.is_none() {
        let statement = Statement::Withdraw(withdraw.clone());
        if !is_next(at, &ta, &statement).await? {
            return Ok(false);
        }
        let is_in_chain = statement.position().n <= ta.chain.n;
        if is_in_chain && at.unit.has_statement(&statement).await? {
            at.unit.put_withdrawal(withdraw, None).await?;
        } else {
            at.unit.put_statement(&statement).await?;
            WithdrawOrder::of(withdraw).book(at, &ta).await?;
        }
    }
    let id = at
        .unit
        .put_earlier_answer(AnswerKind::Withdraw, body.stamp, ack)
        .await?;
    if let Some(id) = id {
        at.unit.set_withdrawal_answer(&ta.key, body.i, id).await?;
    }

    Ok(true)
}
