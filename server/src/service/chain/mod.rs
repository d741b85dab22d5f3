//! A chain that a TA hands in, ending in a status or in its retirement: checked, booked and compared with
//! the books.

mod announced;
mod books;

use ops_proto::message::Status;
use ops_proto::statement::{ChainEnd, Statement};
use ops_proto::{Digest, PublicKey};

use super::restored::Stated;
use super::verify::PayVerify;
use super::{Conviction, Desk, Stop, ending, payment, refuse, restored};
use crate::ledger::{Account, IdState, Reason, Transfer};
use crate::refusal::{Code, Refusal};
use crate::store::{PaymentRow, PaymentState, Standing, TaRow, TaStanding};

pub(crate) use announced::{Announced, ChainKind, Knock};
use books::{book_chain, collect, collect_one, judge};
pub(super) use books::{status_books, take_collected};

/// Returns a TA that is registered.
pub(in crate::service) async fn known(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
) -> Result<TaRow, Stop> {
    let ta = at.unit.ta(ta).await?;

    ta.ok_or_else(|| refuse(Code::TaUnknown, "the TA is not registered"))
}

/// Returns why a TA that is not live takes no token.
pub(in crate::service) fn not_live(ta: &TaRow) -> Stop {
    match ta.standing {
        TaStanding::Live | TaStanding::Suspended => refuse(Code::Suspended, "the TA is suspended"),
        TaStanding::Retired => refuse(Code::TaEnded, "the TA has retired"),
        TaStanding::Dead => refuse(Code::TaEnded, "the TA was reported dead"),
    }
}

/// A chain, each statement signed by the TA.
#[derive(Debug)]
pub(crate) struct Chain {
    statements: Vec<(Statement, PayVerify)>,
    pub(in crate::service) hash: Digest,
    pub(in crate::service) status: Status,
    /// Every id below it that is not open and was never collected is closed.
    mark: u64,
}

impl Chain {
    pub(in crate::service) const fn weight(&self) -> usize {
        self.statements.len()
    }

    /// Books all that the chain says of a live TA, and notes where the TA stands.
    pub(in crate::service) async fn settle(
        &self,
        at: &mut Desk<'_, '_>,
        ta: &TaRow,
    ) -> Result<TaRow, Stop> {
        let new = self.follow(at, ta).await?;
        let weighed = self.weigh(at, ta, &new).await;
        weighed.map_err(|stop| match stop {
            // What convicts it stays: an audit shows the arithmetic.
            Stop::Convicted(mut conviction, refusal) => {
                conviction.chain = new.into_iter().map(|(statement, _)| statement).collect();
                Stop::Convicted(conviction, refusal)
            }
            Stop::Refused(_) | Stop::Store(_) => stop,
        })?;
        ending::release(at, &ta.key, &self.hash).await?;

        self.move_on(at, &ta.key).await
    }

    /// Books what is new, and compares the status with the books.
    async fn weigh(
        &self,
        at: &mut Desk<'_, '_>,
        ta: &TaRow,
        new: &[(Statement, PayVerify)],
    ) -> Result<(), Stop> {
        let collected = collect(at, ta, &self.status).await?;
        let withdrawals = book_chain(at, new).await?;
        payment::honour_again(at, &ta.key).await?;
        self.close(at, ta).await?;
        let stated = Stated {
            status: &self.status,
            cause: &self.hash,
            withdrawals: &withdrawals,
            collected: &collected,
        };
        restored::correct(at, &ta.key, stated).await?;

        judge(at, &ta.key, &self.status, &self.hash, withdrawals).await
    }

    /// Returns the end of a chain that an earlier life of the server accepted.
    pub(in crate::service) fn end(last: &Statement, status: &Status) -> Self {
        let mark = match last {
            Statement::Retire(_) => u64::MAX,
            Statement::DepositOpen(_)
            | Statement::Withdraw(_)
            | Statement::Payment(_)
            | Statement::Status(_) => status.mark.0,
        };

        Self {
            statements: Vec::new(),
            hash: last.hash(),
            status: status.clone(),
            mark,
        }
    }

    /// Notes what a TA had collected in an earlier life of the server: it is its own, when it is known or once
    /// somebody reports it.
    pub(in crate::service) async fn note_collected(
        &self,
        at: &mut Desk<'_, '_>,
        ta: &TaRow,
    ) -> Result<(), Stop> {
        for (id, hash) in self.status.collected.iter() {
            if at.unit.collected(&ta.key, *id).await?.is_some() {
                continue;
            }
            match at.unit.payment(hash).await? {
                Some(row)
                    if row.state == PaymentState::Waiting
                        && row.receiver == ta.key
                        && !row.elsewhere =>
                {
                    collect_one(at, ta, *id, row).await?;
                }
                Some(_) => {}
                None => at.unit.put_collected(&ta.key, *id, hash).await?,
            }
        }

        Ok(())
    }

    /// Takes up a TA where an earlier life of the server left it.
    pub(in crate::service) async fn take_up(
        &self,
        at: &mut Desk<'_, '_>,
        ta: &TaRow,
    ) -> Result<(), Stop> {
        self.note_collected(at, ta).await?;
        self.close(at, ta).await?;

        self.move_on(at, &ta.key).await.map(drop)
    }

    /// Takes note of what a TA signed that is trusted no more: contradictions convict it, and its
    /// payments are booked like those that others report.
    pub(in crate::service) async fn record(&self, at: &mut Desk<'_, '_>) -> Result<(), Stop> {
        for (statement, verified) in &self.statements {
            if let Statement::Payment(pair) = statement {
                payment::book(at, pair, *verified).await?;
                continue;
            }
            if let Some(evidence) = at.unit.contradiction(statement).await? {
                at.convict(&Conviction::by(evidence)).await?;
            }
            at.unit.put_statement(statement).await?;
        }

        Ok(())
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
        if end.hash != self.hash {
            let message = "a newer status of this TA was accepted";
            return Err(refuse(Code::Superseded, message));
        }

        Ok(new)
    }

    /// Credits the owner with the payments for ids that are now closed.
    async fn close(&self, at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<(), Stop> {
        for row in at.unit.payments_waiting(&ta.key).await? {
            if row.standing != Standing::Honoured {
                continue;
            }
            if self.id_after(at, ta, &row).await? == IdState::Open {
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
            at.unit.take_mail(&row.hash).await?;
            at.unit
                .set_payment_state(&row.hash, PaymentState::Credited)
                .await?;
        }

        Ok(())
    }

    /// Returns what an id is once the chain is accepted.
    async fn id_after(
        &self,
        at: &mut Desk<'_, '_>,
        ta: &TaRow,
        row: &PaymentRow,
    ) -> Result<IdState, Stop> {
        if let Some(collected) = at.unit.collected(&ta.key, row.request_id).await? {
            return Ok(if collected == row.hash {
                IdState::CollectedThis
            } else {
                IdState::CollectedOther
            });
        }
        let mark = ta.mark.max(self.mark);
        if row.request_id.0 >= mark || self.status.open.contains(&row.request_id) {
            return Ok(IdState::Open);
        }

        Ok(IdState::Closed)
    }

    /// Notes where the TA stands after the chain.
    pub(in crate::service) async fn move_on(
        &self,
        at: &mut Desk<'_, '_>,
        ta: &PublicKey,
    ) -> Result<TaRow, Stop> {
        let mut ta = known(at, ta).await?;
        let position = self.status.position;
        ta.chain = ChainEnd {
            n: position.n,
            i: position.i,
            j: position.j,
            hash: self.hash,
        };
        ta.i = ta.i.max(position.i);
        ta.mark = ta.mark.max(self.mark);
        at.unit.update_ta(&ta).await?;
        at.unit
            .set_requests_open(&ta.key, &self.status.open)
            .await?;

        Ok(ta)
    }
}
