//! Tokens and retirements of an earlier life: where a TA stood, and that it ended.

use ops_proto::Digest;
use ops_proto::message::{Retire, RetireAnswer, Status, SyncToken};
use ops_proto::signed::Signed;
use ops_proto::statement::Statement;

use super::super::chain::Chain;
use super::super::{Desk, Stop, ending, restored};
use super::money;
use crate::ledger::{Account, Reason};
use crate::store::{AnswerKind, RetirementRow, TaRow, TaStanding};

/// Notes that a TA stood where its token says: its chain goes on from there.
pub(super) async fn status(
    at: &mut Desk<'_, '_>,
    status: &Signed<Status>,
    token: &Signed<SyncToken>,
    incarnation: u32,
) -> Result<bool, Stop> {
    let body = token.body();
    if at.unit.token(&body.status).await?.is_some() {
        return Ok(true);
    }
    let Some(ta) = at.unit.ta(&body.ta).await? else {
        return Ok(false);
    };
    if body.stamp.incarnation >= incarnation {
        return Ok(false);
    }
    let Some(id) = at
        .unit
        .put_earlier_answer(AnswerKind::Token, body.stamp, token)
        .await?
    else {
        return Ok(false);
    };
    at.unit.put_token(&ta.key, &body.status, id).await?;
    let statement = Statement::Status(status.clone());
    at.unit.put_statement(&statement).await?;
    let end = Chain::end(&statement, status.body());
    if ta.standing == TaStanding::Live && ta.chain.n < status.body().position.n {
        end.take_up(at, &ta).await?;
    } else {
        end.note_collected(at, &ta).await?;
    }

    Ok(true)
}

/// Notes that a TA retired, and sees to it that its owner has what it was paid.
pub(super) async fn retire(
    at: &mut Desk<'_, '_>,
    retire: &Signed<Retire>,
    answer: &Signed<RetireAnswer>,
    incarnation: u32,
) -> Result<bool, Stop> {
    let body = answer.body();
    let Some(ta) = at.unit.ta(&body.ta).await? else {
        return Ok(false);
    };
    if let Some(known) = at.unit.retirement(&ta.key).await? {
        return Ok(known.hash == body.retire);
    }
    let i = retire.body().last.position.i;
    if body.stamp.incarnation >= incarnation || !money::is_known_up_to(at, &ta, i).await? {
        return Ok(false);
    }
    let Some(id) = at
        .unit
        .put_earlier_answer(AnswerKind::Retire, body.stamp, answer)
        .await?
    else {
        return Ok(false);
    };
    let statement = Statement::Retire(retire.clone());
    at.unit.put_statement(&statement).await?;
    if ta.standing == TaStanding::Live {
        Chain::end(&statement, &retire.body().last)
            .take_up(at, &ta)
            .await?;
    }
    end(at, &ta, retire, answer).await?;
    let row = RetirementRow {
        hash: body.retire,
        paid: body.paid.minor_units(),
        at: at.now,
        answer: id,
    };
    at.unit.put_retirement(&ta.key, &row).await?;
    ending::pass_on(at, &ta.key, &body.retire).await?;

    Ok(true)
}

/// Ends the TA, unless the books know of its end, and pays its owner what that lacks of what the answer says.
async fn end(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    retire: &Signed<Retire>,
    answer: &Signed<RetireAnswer>,
) -> Result<(), Stop> {
    let body = answer.body();
    ending::take_grants(at, &ta.key, u64::MAX, &body.retire).await?;
    match ta.standing {
        TaStanding::Live | TaStanding::Suspended if body.held.minor_units() > 0 => {
            ending::bury(at, ta, &body.retire).await?;
        }
        TaStanding::Live | TaStanding::Suspended => {
            at.unit.put_end(&ta.key).await?;
            at.unit.set_standing(&ta.key, TaStanding::Retired).await?;
        }
        TaStanding::Retired | TaStanding::Dead => {}
    }
    let due = body.paid.minor_units();
    let end = at.unit.end(&ta.key).await?.unwrap_or_default();
    let rest = pay_from_its_own(at, ta, end.lacks(due), &body.retire).await?;
    let provable = restored::provable(at, ta, &retire.body().last).await?;
    let missing = rest.min(provable);
    let rest = pay_from_older(at, ta, missing, &body.retire).await?;

    pay_from_loss(at, ta, rest, &body.retire).await
}

/// Pays an owner from what the books have on its TA, or waiting for it; returns what is missing.
async fn pay_from_its_own(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    mut rest: u64,
    cause: &Digest,
) -> Result<u64, Stop> {
    let books = ending::books(at, ta).await?;
    for (from, most, reason) in [
        (Account::Shadow(ta.key), books.shadow, Reason::Retire),
        (Account::Held(ta.key), books.held, Reason::Release),
    ] {
        let paid = rest.min(most.minor_units());
        rest = rest.saturating_sub(paid);
        let to = Account::Online(ta.owner);
        ending::post(at, (from, to), paid, reason, cause).await?;
    }

    Ok(rest)
}

/// Pays an owner from what waits for its older TAs; returns what is missing.
async fn pay_from_older(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    mut rest: u64,
    cause: &Digest,
) -> Result<u64, Stop> {
    let (shadow, owner) = (Account::Shadow(ta.key), Account::Online(ta.owner));
    for (older, held) in at.unit.older_held(&ta.key, &ta.owner).await? {
        let paid = rest.min(held.minor_units());
        rest = rest.saturating_sub(paid);
        let from = (Account::Held(older), shadow);
        ending::post(at, from, paid, Reason::FromOlder, cause).await?;
        ending::post(at, (shadow, owner), paid, Reason::Retire, cause).await?;
    }

    Ok(rest)
}

/// Pays an owner from the loss account, which payments to the TA that come later pay back.
async fn pay_from_loss(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    borne: u64,
    cause: &Digest,
) -> Result<(), Stop> {
    if borne == 0 {
        return Ok(());
    }
    let (shadow, owner) = (Account::Shadow(ta.key), Account::Online(ta.owner));
    for between in [(Account::Loss, shadow), (shadow, owner)] {
        ending::post(at, between, borne, Reason::RetireByLoss, cause).await?;
    }
    let until = restored::until(at).await?;
    at.unit.set_restored_until(&ta.key, until).await?;
    let reason = format!("the restore lost what a retired TA held: the provider bears {borne}");

    Ok(at.unit.put_finding(&ta.key, &reason, None, at.now).await?)
}
