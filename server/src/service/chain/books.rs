//! What a chain does to the books, and what they say of its status.

use ops_proto::message::{ItemOutcome, Status};
use ops_proto::statement::Statement;
use ops_proto::{Amount, Digest, PublicKey, RequestId};

use super::super::verify::PayVerify;
use super::super::{Conviction, Desk, Stop, ending, forward, payment, refuse};
use super::known;
use crate::ledger::{self, Account, GrantPlace, Reason, StatusBooks, Transfer};
use crate::refusal::{Code, Refusal};
use crate::store::{PaymentRow, PaymentState, Standing, TaRow};

/// Moves what the TA collected onto its shadow, and returns what was not there before.
pub(super) async fn collect(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    status: &Status,
) -> Result<Vec<(RequestId, Amount)>, Stop> {
    let mut new = Vec::new();
    for (id, hash) in status.collected.iter() {
        match at.unit.collected(&ta.key, *id).await? {
            Some(known) if known == *hash => continue,
            Some(_) => {
                return Err(lie(
                    ta,
                    "the status lists another payment for a collected id",
                ));
            }
            None => {}
        }
        let Some(row) = at.unit.payment(hash).await? else {
            let message = "a payment that the status lists as collected is not known";
            return Err(refuse(Code::ReportFirst, message));
        };
        if row.receiver != ta.key || row.elsewhere || row.request_id != *id {
            return Err(lie(ta, "the status lists a payment that is not the TA's"));
        }
        if row.state == PaymentState::Credited {
            return Err(lie(
                ta,
                "the status lists a payment for an id that was closed",
            ));
        }
        new.push((*id, row.amount));
        collect_one(at, ta, *id, row).await?;
    }

    Ok(new)
}

/// Moves one payment that the TA collected onto its shadow.
pub(in crate::service) async fn collect_one(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    id: RequestId,
    row: PaymentRow,
) -> Result<(), Stop> {
    at.unit.put_collected(&ta.key, id, &row.hash).await?;

    take_collected(at, ta, row).await
}

/// Moves one payment onto the shadow of the TA that is known to have collected it.
pub(in crate::service) async fn take_collected(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    mut row: PaymentRow,
) -> Result<(), Stop> {
    let (from, reason) = match row.standing {
        Standing::Honoured => (
            Some(Account::Transit {
                sender: row.sender,
                j: row.j,
            }),
            Reason::Collect,
        ),
        // Of a TA that was certified here, and that the books do not know since a restore.
        Standing::Foreign if row.provider == at.provider.id() => (
            Some(Account::Position(row.provider)),
            Reason::CollectForeign,
        ),
        Standing::Foreign => {
            let (from, reason) = forward::collect(at, &row).await?;
            (Some(from), reason)
        }
        Standing::Conflict | Standing::BeyondLimit | Standing::Listed => (None, Reason::Collect),
    };
    match from {
        Some(from) => {
            let transfer = Transfer {
                from,
                to: Account::Shadow(ta.key),
                amount: row.amount,
                reason,
            };
            at.unit.post(&[transfer], &row.hash.0, at.now).await?;
        }
        None if row.standing == Standing::Listed => payment::back_listed(at, ta, &row).await?,
        None => payment::back(at, &mut row).await?,
    }
    row.state = PaymentState::Collected;
    at.unit.take_mail(&row.hash).await?;
    at.unit.update_payment(&row).await?;

    ending::pass_on_collected(at, &ta.key, &row.hash).await
}

/// Books the payments of a chain, and returns those of its withdrawals that were not booked before.
pub(super) async fn book_chain(
    at: &mut Desk<'_, '_>,
    new: &[(Statement, PayVerify)],
) -> Result<Vec<Amount>, Stop> {
    let mut withdrawals = Vec::new();
    for (statement, verified) in new {
        match statement {
            Statement::Payment(pair) => match payment::book(at, pair, *verified).await?.outcome() {
                ItemOutcome::Held(_) => {}
                ItemOutcome::Refused(why) => {
                    let message = format!("a payment of the chain is not booked: {why}");
                    return Err(refuse(Code::ReportFirst, message));
                }
            },
            Statement::Withdraw(withdraw) => {
                let body = withdraw.body();
                let booked = at.unit.withdrawal(&body.ta, body.position.i).await?;
                if booked.is_none() {
                    at.unit.put_withdrawal(withdraw, None).await?;
                    withdrawals.push(body.amount);
                }
            }
            Statement::DepositOpen(_) | Statement::Status(_) | Statement::Retire(_) => {}
        }
    }

    Ok(withdrawals)
}

/// Returns what the books say once everything that a status covers is booked.
pub(in crate::service) async fn status_books(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    status: &Status,
    withdrawals: Vec<Amount>,
) -> Result<StatusBooks, Stop> {
    let (i, n) = (status.position.i, status.position.n);
    let mut grants_before = at.unit.grants(&ta.key).await?;
    grants_before.retain(|grant| grant.i < i);
    let grants_from = at.unit.grants_from(&ta.key, i).await?;
    let granted_after = grants_from
        .iter()
        .filter(|last| last.grant.i > i && last.place == GrantPlace::Shadow)
        .fold(0_u64, |sum, last| {
            sum.saturating_add(last.grant.amount.minor_units())
        });

    Ok(StatusBooks {
        ta: ta.key,
        owner: ta.owner,
        stated: status.balance,
        shadow: at.unit.balance(&Account::Shadow(ta.key)).await?,
        advanced_by_owner: ta.advanced_by_owner,
        advanced_by_loss: ta.advanced_by_loss,
        unbacked: ta.unbacked,
        grants_before,
        grant_last: grants_from
            .first()
            .copied()
            .filter(|last| last.grant.i == i),
        granted_after,
        paid_after: at.unit.paid_after(&ta.key, n).await?,
        withdrawn_after: at.unit.withdrawn_after(&ta.key, n).await?,
        withdrawals,
    })
}

/// Compares the stated balance with the books, takes grants and pays advances back. The cause is what the TA
/// signed: its status, or its retirement.
pub(super) async fn judge(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    status: &Status,
    cause: &Digest,
    withdrawals: Vec<Amount>,
) -> Result<(), Stop> {
    let mut ta = known(at, ta).await?;
    let books = status_books(at, &ta, status, withdrawals).await?;
    let judged = ledger::judge(&books).map_err(|differ| {
        let refusal = Refusal::new(Code::BooksDiffer, "the status does not fit the books");
        let conviction = Conviction {
            ta: ta.key,
            reason: differ.to_string(),
            evidence: None,
            chain: Vec::new(),
        };
        Stop::Convicted(conviction, refusal)
    })?;
    at.unit.post(&judged.transfers, &cause.0, at.now).await?;
    ta.unbacked = judged.unbacked;

    Ok(at.unit.update_ta(&ta).await?)
}

fn lie(ta: &TaRow, reason: &'static str) -> Stop {
    let conviction = Conviction {
        ta: ta.key,
        reason: reason.to_owned(),
        evidence: None,
        chain: Vec::new(),
    };

    Stop::Convicted(conviction, Refusal::new(Code::BooksDiffer, reason))
}
