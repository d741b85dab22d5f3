//! Status and token: the chain of a TA without gaps, compared with the books.

use std::sync::Arc;

use ops_proto::message::{self, ItemOutcome, Status, SyncToken};
use ops_proto::signed::{Signed, decode_canonical};
use ops_proto::statement::{ChainEnd, Statement};
use ops_proto::{Amount, Digest, PublicKey, RequestId};

use super::verify::{Issuers, PayVerify, StatementCheck, check_all, check_statement, off_the_loop};
use super::{Conviction, Desk, Stop, malformed, payment, refuse};
use crate::ledger::{self, Account, GrantPlace, IdState, Reason, StatusBooks, Transfer};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::store::{AnswerKind, PaymentRow, PaymentState, Standing, TaRow, TaStanding};

/// A chain, each statement signed by the TA, that ends in the status.
#[derive(Debug)]
pub(crate) struct StatusOrder {
    statements: Vec<(Statement, PayVerify)>,
    status: Signed<Status>,
}

/// A chain whose status the TA signed. Its statements may be thousands: whoever comes with them is
/// looked up before they are checked.
#[derive(Debug)]
pub(crate) struct Announced {
    statements: Vec<Statement>,
    status: Signed<Status>,
}

impl Announced {
    /// Decodes a chain, and checks its form and the signature on its status.
    pub(crate) async fn open(body: Vec<u8>) -> Result<Self, Refusal> {
        off_the_loop(move || Self::decode(&body)).await?
    }

    fn decode(body: &[u8]) -> Result<Self, Refusal> {
        let order: message::StatusOrder = decode_canonical(body).map_err(malformed)?;
        let status = order.status;
        let ta = status.body().ta;
        status
            .verify(&ta)
            .map_err(|error| Refusal::new(Code::Signature, error))?;
        let mut statements = order.chain.into_vec();
        statements.push(Statement::Status(status.clone()));
        if statements.iter().any(|statement| statement.ta() != ta) {
            let message = "a statement of the chain is another TA's";
            return Err(Refusal::new(Code::Malformed, message));
        }
        if statements
            .iter()
            .any(|statement| matches!(statement, Statement::Retire(_)))
        {
            let message = "nothing follows the statement with which a TA retires";
            return Err(Refusal::new(Code::Malformed, message));
        }

        Ok(Self { statements, status })
    }

    /// Returns the question whether this TA may hand in this status.
    pub(crate) fn knock(&self) -> Knock {
        Knock {
            ta: self.status.body().ta,
            status: self.status.hash(),
        }
    }

    /// Checks every statement.
    pub(crate) async fn check(self, provider: &Arc<Provider>) -> Result<StatusOrder, Refusal> {
        let Self { statements, status } = self;
        let issuers = Issuers::new(provider, Vec::new());
        let checks = check_all(statements.clone(), move |statement| {
            check_statement(&issuers, statement)
        })
        .await?;
        let mut checked = Vec::with_capacity(statements.len());
        for (statement, check) in statements.into_iter().zip(checks) {
            let StatementCheck::Signed(verified) = check else {
                let message = "the TA did not sign a statement of its chain";
                return Err(Refusal::new(Code::Signature, message));
            };
            checked.push((statement, verified));
        }

        Ok(StatusOrder {
            statements: checked,
            status,
        })
    }
}

/// The question whether a TA may hand in a status. It changes nothing, and its answer is empty.
#[derive(Debug)]
pub(crate) struct Knock {
    ta: PublicKey,
    status: Digest,
}

impl Knock {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        if at.unit.token(&self.status).await?.is_none() {
            live(at, &self.ta).await?;
        }

        Ok(Vec::new())
    }
}

/// Returns a TA that may take tokens.
async fn live(at: &mut Desk<'_, '_>, ta: &PublicKey) -> Result<TaRow, Stop> {
    let Some(ta) = at.unit.ta(ta).await? else {
        return Err(refuse(Code::TaUnknown, "the TA is not registered"));
    };
    match ta.standing {
        TaStanding::Live => Ok(ta),
        TaStanding::Suspended => Err(refuse(Code::Suspended, "the TA is suspended")),
        TaStanding::Ended => Err(refuse(Code::Suspended, "the TA is retired or dead")),
    }
}

impl StatusOrder {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        if let Some(token) = at.unit.token(&self.status.hash()).await? {
            return Ok(token.to_wire());
        }
        let ta = live(at, &self.status.body().ta).await?;
        let new = self.follow(at, &ta).await?;
        collect(at, &ta, self.status.body()).await?;
        let withdrawals = book_chain(at, &new).await?;
        payment::honour_again(at, &ta.key).await?;
        close(at, &ta, self.status.body()).await?;
        judge(at, &ta.key, self.status.body(), withdrawals).await?;

        self.accept(at).await
    }

    /// Walks the chain from where it is known without a gap, and returns what is new.
    async fn follow(
        &self,
        at: &mut Desk<'_, '_>,
        ta: &TaRow,
    ) -> Result<Vec<(Statement, PayVerify)>, Stop> {
        let mut new = Vec::new();
        let mut end = ta.chain;
        for (statement, verified) in &self.statements {
            if at.unit.has_statement(statement).await? && statement.position().n <= ta.chain.n {
                continue;
            }
            if let Some(evidence) = at.unit.contradiction(statement).await? {
                let message = "the chain contradicts another statement of the TA";
                let refusal = Refusal::new(Code::Evidence, message);
                return Err(Stop::Convicted(Conviction::by(evidence), refusal));
            }
            end = end
                .follow(statement)
                .map_err(|broken| refuse(Code::ChainGap, broken))?;
            at.unit.put_statement(statement).await?;
            new.push((statement.clone(), *verified));
        }
        if end.hash != self.status.hash() {
            let message = "a newer status of this TA was accepted";
            return Err(refuse(Code::Superseded, message));
        }

        Ok(new)
    }

    /// Notes where the TA stands, and signs the token.
    async fn accept(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let status = self.status.body();
        let Some(mut ta) = at.unit.ta(&status.ta).await? else {
            return Err(refuse(Code::TaUnknown, "the TA is not registered"));
        };
        ta.chain = ChainEnd {
            n: status.position.n,
            i: status.position.i,
            j: status.position.j,
            hash: self.status.hash(),
        };
        ta.i = ta.i.max(status.position.i);
        ta.mark = ta.mark.max(status.mark.0);
        at.unit.update_ta(&ta).await?;
        at.unit.set_requests_open(&ta.key, &status.open).await?;
        let stamp = at.unit.next_stamp().await?;
        let token = at.provider.sign(SyncToken {
            ta: ta.key,
            status: self.status.hash(),
            nonce: status.nonce,
            time: at.now,
            stamp,
        });
        let answer = at.unit.put_answer(AnswerKind::Token, stamp, &token).await?;
        at.unit
            .put_token(&ta.key, &self.status.hash(), answer)
            .await?;
        tracing::info!(ta = %ta.key.id(), n = ta.chain.n, "Accepted a status");

        Ok(token.to_wire())
    }
}

/// Moves what the TA collected onto its shadow.
async fn collect(at: &mut Desk<'_, '_>, ta: &TaRow, status: &Status) -> Result<(), Stop> {
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
        if row.receiver != ta.key || row.request_id != *id {
            return Err(lie(ta, "the status lists a payment that is not the TA's"));
        }
        if row.state == PaymentState::Credited {
            return Err(lie(
                ta,
                "the status lists a payment for an id that was closed",
            ));
        }
        collect_one(at, ta, *id, row).await?;
    }

    Ok(())
}

async fn collect_one(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    id: RequestId,
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
        Standing::Foreign => (
            Some(Account::Position(row.provider)),
            Reason::CollectForeign,
        ),
        Standing::Conflict | Standing::BeyondLimit => (None, Reason::Collect),
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
        None => payment::back(at, &mut row).await?,
    }
    row.state = PaymentState::Collected;
    at.unit.put_collected(&ta.key, id, &row.hash).await?;

    Ok(at.unit.update_payment(&row).await?)
}

/// Books the payments of a chain, and returns its withdrawals.
async fn book_chain(
    at: &mut Desk<'_, '_>,
    new: &[(Statement, PayVerify)],
) -> Result<Vec<Amount>, Stop> {
    let mut withdrawals = Vec::new();
    for (statement, verified) in new {
        match statement {
            Statement::Payment(pair) => match payment::book(at, pair, *verified).await? {
                ItemOutcome::Held(_) => {}
                ItemOutcome::Refused(why) => {
                    let message = format!("a payment of the chain is not booked: {why}");
                    return Err(refuse(Code::ReportFirst, message));
                }
            },
            Statement::Withdraw(withdraw) => withdrawals.push(withdraw.body().amount),
            Statement::DepositOpen(_) | Statement::Status(_) | Statement::Retire(_) => {}
        }
    }

    Ok(withdrawals)
}

/// Credits the owner with the payments for ids that are now closed.
async fn close(at: &mut Desk<'_, '_>, ta: &TaRow, status: &Status) -> Result<(), Stop> {
    for row in at.unit.payments_waiting(&ta.key).await? {
        if row.standing != Standing::Honoured {
            continue;
        }
        if id_after(at, ta, status, &row).await? == IdState::Open {
            continue;
        }
        let transfer = Transfer {
            from: Account::Transit {
                sender: row.sender,
                j: row.j,
            },
            to: Account::Online(ta.owner),
            amount: row.amount,
            reason: Reason::Credit,
        };
        at.unit.post(&[transfer], &row.hash.0, at.now).await?;
        at.unit
            .set_payment_state(&row.hash, PaymentState::Credited)
            .await?;
    }

    Ok(())
}

/// Returns what an id is once the status is accepted.
async fn id_after(
    at: &mut Desk<'_, '_>,
    ta: &TaRow,
    status: &Status,
    row: &PaymentRow,
) -> Result<IdState, Stop> {
    let mark = ta.mark.max(status.mark.0);
    if let Some(collected) = at.unit.collected(&ta.key, row.request_id).await? {
        return Ok(if collected == row.hash {
            IdState::CollectedThis
        } else {
            IdState::CollectedOther
        });
    }
    if row.request_id.0 >= mark || status.open.contains(&row.request_id) {
        return Ok(IdState::Open);
    }

    Ok(IdState::Closed)
}

/// Compares the stated balance with the books, takes grants and pays advances back.
async fn judge(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    status: &Status,
    withdrawals: Vec<Amount>,
) -> Result<(), Stop> {
    let Some(mut ta) = at.unit.ta(ta).await? else {
        return Err(refuse(Code::TaUnknown, "the TA is not registered"));
    };
    let i = status.position.i;
    let mut grants_before = at.unit.grants(&ta.key).await?;
    grants_before.retain(|grant| grant.i < i);
    let grants_from = at.unit.grants_from(&ta.key, i).await?;
    let granted_after = grants_from
        .iter()
        .filter(|last| last.grant.i > i && last.place == GrantPlace::Shadow)
        .fold(0_u64, |sum, last| {
            sum.saturating_add(last.grant.amount.minor_units())
        });
    let books = StatusBooks {
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
        paid_after: at.unit.paid_after(&ta.key, status.position.n).await?,
        withdrawals,
    };
    let judged = ledger::judge(&books).map_err(|differ| {
        let refusal = Refusal::new(Code::BooksDiffer, "the status does not fit the books");
        let conviction = Conviction {
            ta: ta.key,
            reason: differ.to_string(),
            evidence: None,
        };
        Stop::Convicted(conviction, refusal)
    })?;
    let cause: Digest = status.position.previous;
    at.unit.post(&judged.transfers, &cause.0, at.now).await?;
    ta.unbacked = judged.unbacked;

    Ok(at.unit.update_ta(&ta).await?)
}

fn lie(ta: &TaRow, reason: &'static str) -> Stop {
    let conviction = Conviction {
        ta: ta.key,
        reason: reason.to_owned(),
        evidence: None,
    };

    Stop::Convicted(conviction, Refusal::new(Code::BooksDiffer, reason))
}
