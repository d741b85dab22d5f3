//! A chain as it comes in: who signed its end, may that TA hand it in, and did it sign the rest.

use std::sync::Arc;

use ops_proto::message::{RetireOrder, Status, StatusOrder};
use ops_proto::signed::{Malformed, decode_canonical};
use ops_proto::statement::{ChainEnd, Evidence, Statement};
use ops_proto::{Digest, PublicKey};

use super::super::verify::{Issuers, StatementCheck, check_all, check_statement, off_the_loop};
use super::super::{Desk, Order, Stop, malformed, retire, status};
use super::{Chain, known, not_live};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::store::TaStanding;

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
        demand_no_gap(&statements)?;

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

/// Refuses a chain that leaves something out: whoever may hand it in, no books make it whole, and it would
/// keep the writer until its last statement. One that contradicts itself goes on: it convicts its TA.
fn demand_no_gap(statements: &[Statement]) -> Result<(), Refusal> {
    let mut statements = statements.iter();
    let Some(mut before) = statements.next() else {
        return Ok(());
    };
    let mut end = end_at(before);
    for statement in statements {
        end = match end.follow(statement) {
            Ok(end) => end,
            Err(broken) => {
                let evidence = Evidence {
                    first: before.clone(),
                    second: statement.clone(),
                };
                if evidence.contradiction().is_none() {
                    return Err(Refusal::new(Code::ChainGap, broken));
                }
                end_at(statement)
            }
        };
        before = statement;
    }

    Ok(())
}

/// Returns the end of a chain whose last statement this is.
fn end_at(statement: &Statement) -> ChainEnd {
    let position = statement.position();

    ChainEnd {
        n: position.n,
        i: position.i,
        j: position.j,
        hash: statement.hash(),
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
    pub(in crate::service) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
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
