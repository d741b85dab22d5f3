//! A chain that a TA hands in, ending in a status or in its retirement: checked, booked and compared with
//! the books.

use std::sync::Arc;

use ops_proto::message::{ItemOutcome, RetireOrder, Status, StatusOrder};
use ops_proto::signed::{Malformed, decode_canonical};
use ops_proto::statement::{ChainEnd, Statement};
use ops_proto::{Amount, Digest, PublicKey, RequestId};

use super::restored::Stated;
use super::verify::{Issuers, PayVerify, StatementCheck, check_all, check_statement, off_the_loop};
use super::{
    Conviction, Desk, Order, Stop, ending, forward, malformed, payment, refuse, restored, retire,
    status,
};
use crate::ledger::{self, Account, GrantPlace, IdState, Reason, StatusBooks, Transfer};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::store::{PaymentRow, PaymentState, Standing, TaRow, TaStanding};

/// What the last statement of a chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChainKind {
    Status,
    Retire,
}

/// A chain whose last statement the TA signed. Its statements may be thousands: whoever comes with them
/// is looked up before they are checked.
#[derive(Debug)]
pub(crate) struct Announced {
    kind: ChainKind,
    statements: Vec<Statement>,
    last: Statement,
    status: Status,
}

impl Announced {
    /// Decodes a chain, and checks its form and the signature on its last statement.
    pub(crate) async fn open(kind: ChainKind, body: Vec<u8>) -> Result<Self, Refusal> {
        off_the_loop(move || Self::decode(kind, &body)).await?
    }

    fn decode(kind: ChainKind, body: &[u8]) -> Result<Self, Refusal> {
        let (mut statements, last, status) = split(kind, body).map_err(malformed)?;
        last.verify()
            .map_err(|error| Refusal::new(Code::Signature, error))?;
        if statements
            .iter()
            .any(|statement| statement.ta() != status.ta)
        {
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
        statements.push(last.clone());

        Ok(Self {
            kind,
            statements,
            last,
            status,
        })
    }

    /// Returns the TA that signed the last statement.
    pub(crate) const fn ta(&self) -> PublicKey {
        self.status.ta
    }

    /// Returns the question whether this TA may hand in this chain.
    pub(crate) fn knock(&self) -> Knock {
        Knock {
            kind: self.kind,
            ta: self.status.ta,
            last: self.last.hash(),
        }
    }

    /// Checks every statement.
    pub(crate) async fn check(self, provider: &Arc<Provider>) -> Result<Order, Refusal> {
        let Self {
            kind,
            statements,
            last,
            status,
        } = self;
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
        let mark = match kind {
            ChainKind::Status => status.mark.0,
            // Every id is closed, whatever the mark is.
            ChainKind::Retire => u64::MAX,
        };
        let chain = Chain {
            statements: checked,
            hash: last.hash(),
            status,
            mark,
        };

        Ok(match kind {
            ChainKind::Status => Order::Status(status::StatusOrder(chain)),
            ChainKind::Retire => Order::Retire(retire::RetireOrder(chain)),
        })
    }
}

/// Returns the statements before the last one, the last one and what it states.
fn split(kind: ChainKind, body: &[u8]) -> Result<(Vec<Statement>, Statement, Status), Malformed> {
    Ok(match kind {
        ChainKind::Status => {
            let order: StatusOrder = decode_canonical(body)?;
            let status = order.status.body().clone();
            (
                order.chain.into_vec(),
                Statement::Status(order.status),
                status,
            )
        }
        ChainKind::Retire => {
            let order: RetireOrder = decode_canonical(body)?;
            let status = order.retire.body().last.clone();
            (
                order.chain.into_vec(),
                Statement::Retire(order.retire),
                status,
            )
        }
    })
}

/// The question whether a TA may hand in a chain. It changes nothing, and its answer is empty.
#[derive(Debug)]
pub(crate) struct Knock {
    kind: ChainKind,
    ta: PublicKey,
    last: Digest,
}

impl Knock {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let is_answered = match self.kind {
            ChainKind::Status => at.unit.token(&self.last).await?.is_some(),
            ChainKind::Retire => retire::answer(at, &self.ta, &self.last).await?.is_some(),
        };
        if is_answered {
            return Ok(Vec::new());
        }
        let ta = known(at, &self.ta).await?;
        match (ta.standing, self.kind) {
            // What a dead TA signed is taken note of before it is refused.
            (TaStanding::Live | TaStanding::Dead, _)
            | (TaStanding::Suspended, ChainKind::Retire) => Ok(Vec::new()),
            (TaStanding::Suspended, ChainKind::Status) | (TaStanding::Retired, _) => {
                Err(not_live(&ta))
            }
        }
    }
}

/// Returns a TA that is registered.
pub(super) async fn known(at: &mut Desk<'_, '_>, ta: &PublicKey) -> Result<TaRow, Stop> {
    let ta = at.unit.ta(ta).await?;

    ta.ok_or_else(|| refuse(Code::TaUnknown, "the TA is not registered"))
}

/// Returns why a TA that is not live takes no token.
pub(super) fn not_live(ta: &TaRow) -> Stop {
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
    pub(super) hash: Digest,
    pub(super) status: Status,
    /// Every id below it that is not open and was never collected is closed.
    mark: u64,
}

impl Chain {
    /// Books all that the chain says of a live TA, and notes where the TA stands.
    pub(super) async fn settle(&self, at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<TaRow, Stop> {
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
    pub(super) fn end(last: &Statement, status: &Status) -> Self {
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
    pub(super) async fn note_collected(
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
    pub(super) async fn take_up(&self, at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<(), Stop> {
        self.note_collected(at, ta).await?;
        self.close(at, ta).await?;

        self.move_on(at, &ta.key).await.map(drop)
    }

    /// Takes note of what a TA signed that is trusted no more: contradictions convict it, and its
    /// payments are booked like those that others report.
    pub(super) async fn record(&self, at: &mut Desk<'_, '_>) -> Result<(), Stop> {
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
    pub(super) async fn move_on(
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

/// Moves what the TA collected onto its shadow, and returns what was not there before.
async fn collect(
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
pub(super) async fn collect_one(
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
    at.unit.put_collected(&ta.key, id, &row.hash).await?;
    at.unit.take_mail(&row.hash).await?;

    Ok(at.unit.update_payment(&row).await?)
}

/// Books the payments of a chain, and returns those of its withdrawals that were not booked before.
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
pub(super) async fn status_books(
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
async fn judge(
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
