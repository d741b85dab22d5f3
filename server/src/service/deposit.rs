//! Deposit: one signed answer for each i of a TA, the same bytes whenever it is asked for.

use ops_proto::Balance;
use ops_proto::message::{
    DepositAnswer, DepositOpen, DepositOrder, DepositOutcome, DepositRefusal,
};
use ops_proto::signed::{Signed, decode_canonical};
use ops_proto::statement::Statement;

use super::{Conviction, Desk, Stop, malformed, refuse};
use crate::ledger::{self, Account, Grant, Transfer};
use crate::refusal::{Code, Refusal};
use crate::store::{AnswerKind, DepositRow, TaRow, TaStanding};

/// A deposit that the TA signed. The owner's endorsement needs the row that says who the owner is.
#[derive(Debug)]
pub(crate) struct Deposit(DepositOrder);

pub(super) fn prepare(body: &[u8]) -> Result<Deposit, Refusal> {
    let order: DepositOrder = decode_canonical(body).map_err(malformed)?;
    order
        .open
        .verify(&order.open.body().ta)
        .map_err(|error| Refusal::new(Code::Signature, error))?;
    if order.endorsement.body().statement != order.open.hash() {
        let message = "the endorsement is for another statement";
        return Err(Refusal::new(Code::Signature, message));
    }

    Ok(Deposit(order))
}

impl Deposit {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let open = &self.0.open;
        let Some(ta) = at.unit.ta(&open.body().ta).await? else {
            return Err(refuse(Code::TaUnknown, "the TA is not registered"));
        };
        self.0
            .endorsement
            .verify(&ta.owner)
            .map_err(|_| refuse(Code::Signature, "the TA's owner did not endorse this"))?;
        let answered = at.unit.deposit(&ta.key, open.body().position.i).await?;
        if let Some(row) = answered.filter(|row| row.hash == open.hash()) {
            return Ok(at.unit.deposit_answer(row.answer).await?.to_wire());
        }
        let statement = Statement::DepositOpen(open.clone());
        // One that is suspended gets its refusal signed, so that its i closes.
        let is_judged = ta.standing == TaStanding::Live || answered.is_some();
        if is_judged && let Some(evidence) = at.unit.contradiction(&statement).await? {
            let message = "the TA signed another statement that contradicts this one";
            let refusal = Refusal::new(Code::Evidence, message);
            return Err(Stop::Convicted(Conviction::by(evidence), refusal));
        }
        at.unit.put_statement(&statement).await?;

        answer(at, ta, open).await
    }
}

async fn answer(
    at: &mut Desk<'_, '_>,
    mut ta: TaRow,
    open: &Signed<DepositOpen>,
) -> Result<Vec<u8>, Stop> {
    let body = open.body();
    let i = body.position.i;
    let online = at.unit.balance(&Account::Online(ta.owner)).await?;
    let (outcome, transfer) = decide(&ta, body, online);
    let stamp = at.unit.next_stamp().await?;
    let signed = at.provider.sign_for(
        ta.certificate.body(),
        DepositAnswer {
            ta: ta.key,
            i,
            order: open.hash(),
            outcome,
            stamp,
        },
    );
    let answer = at
        .unit
        .put_answer(AnswerKind::Deposit, stamp, &signed)
        .await?;
    let row = DepositRow {
        hash: open.hash(),
        answer,
    };
    at.unit
        .put_deposit(&ta.key, i, body.amount, &row, outcome)
        .await?;
    at.unit
        .post(transfer.as_slice(), &open.hash().0, at.now)
        .await?;
    if ta.i.checked_add(1) == Some(i) {
        ta.i = i;
        at.unit.update_ta(&ta).await?;
    }
    tracing::info!(ta = %ta.key.id(), i, ?outcome, "Answered a deposit");

    Ok(signed.to_wire())
}

/// Decides on a deposit for an i that was not answered before. A refusal closes i too.
fn decide(ta: &TaRow, open: &DepositOpen, online: Balance) -> (DepositOutcome, Option<Transfer>) {
    let i = open.position.i;
    let refused = |why| (DepositOutcome::Refused(why), None);
    match ta.standing {
        TaStanding::Live => {}
        TaStanding::Suspended | TaStanding::Retired | TaStanding::Dead => {
            return refused(DepositRefusal::Suspended);
        }
    }
    // The last i that is known may be known from a chain and not be answered yet.
    if i != ta.i && ta.i.checked_add(1) != Some(i) {
        return refused(DepositRefusal::Counter);
    }
    let grant = Grant {
        i,
        amount: open.amount,
    };
    match ledger::grant(ta.key, ta.owner, online, grant) {
        Some(transfer) => (DepositOutcome::Granted, Some(transfer)),
        None => refused(DepositRefusal::Balance),
    }
}
