//! Tokens and retirements of an earlier life: where a TA stood, and that it ended.

use ops_proto::message::{Retire, RetireAnswer, Status, SyncToken};
use ops_proto::signed::Signed;
use ops_proto::statement::Statement;

use super::super::chain::Chain;
use super::super::{Desk, Stop, ending, restored};
use super::money;
use crate::ledger::{Account, Reason, Transfer};
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
    if ta.standing == TaStanding::Live {
        let end = Chain::end(&statement, status.body());
        if ta.chain.n < status.body().position.n {
            end.take_up(at, &ta).await?;
        } else {
            end.note_collected(at, &ta).await?;
        }
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
    end(at, &ta, answer).await?;
    let row = RetirementRow {
        hash: body.retire,
        paid: body.paid.minor_units(),
        at: at.now,
        answer: id,
    };

    Ok(at.unit.put_retirement(&ta.key, &row).await.map(|()| true)?)
}

async fn end(at: &mut Desk<'_, '_>, ta: &TaRow, answer: &Signed<RetireAnswer>) -> Result<(), Stop> {
    let body = answer.body();
    ending::take_grants(at, &ta.key, u64::MAX, &body.retire).await?;
    pay_again(at, ta, answer).await?;
    match ta.standing {
        TaStanding::Live | TaStanding::Suspended if body.held.minor_units() > 0 => {
            ending::bury(at, ta, &body.retire).await?;
        }
        TaStanding::Live | TaStanding::Suspended => {
            at.unit.set_standing(&ta.key, TaStanding::Retired).await?;
        }
        TaStanding::Retired | TaStanding::Dead => {}
    }

    Ok(())
}

/// Pays the owner what it was paid: from what the books have on the TA, or waiting for it, and the rest
/// from the loss account, which payments of the TA that come later leave in its shadow.
async fn pay_again(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    answer: &Signed<RetireAnswer>,
) -> Result<(), Stop> {
    let books = ending::books(at, ta).await?;
    let mut rest = answer.body().paid.minor_units();
    let sources = [
        (
            Account::Shadow(ta.key),
            books.shadow.minor_units(),
            Reason::Retire,
        ),
        (
            Account::Held(ta.key),
            books.held.minor_units(),
            Reason::Release,
        ),
        (Account::Shadow(ta.key), u64::MAX, Reason::RetireByLoss),
    ];
    for (from, most, reason) in sources {
        let paid = rest.min(most);
        rest = rest.saturating_sub(paid);
        let Some(amount) = ending::some(paid) else {
            continue;
        };
        let cause = answer.body().retire;
        if reason == Reason::RetireByLoss {
            let borne = Transfer {
                from: Account::Loss,
                to: from,
                amount,
                reason,
            };
            at.unit.post(&[borne], &cause.0, at.now).await?;
        }
        let transfer = Transfer {
            from,
            to: Account::Online(ta.owner),
            amount,
            reason,
        };
        at.unit.post(&[transfer], &cause.0, at.now).await?;
        if reason == Reason::RetireByLoss {
            let until = restored::until(at).await?;
            at.unit.set_restored_until(&ta.key, until).await?;
            let reason =
                format!("the restore lost what a retired TA held: the provider bears {paid}");
            at.unit.put_finding(&ta.key, &reason, None, at.now).await?;
        }
    }

    Ok(())
}
