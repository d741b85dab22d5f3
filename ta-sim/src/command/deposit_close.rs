//! `DepositClose`: a grant credits, a refusal closes i too.

use ops_proto::contract::{Output, TaRefused};
use ops_proto::message::{DepositAnswer, DepositOutcome};
use ops_proto::signed::Signed;

use super::Step;
use crate::state::{Closed, Deposit, State};

pub(super) fn run(state: &State, answer: &Signed<DepositAnswer>) -> Result<Step, TaRefused> {
    let deposit = state.deposit.as_ref().ok_or(TaRefused::NoDeposit)?;
    if let Some(closed) = &deposit.closed {
        if closed.answer != answer.hash() {
            return Err(TaRefused::NoDeposit);
        }
        return Ok(Step::Unchanged(Output::DepositClosed {
            balance: closed.balance,
        }));
    }
    let body = state.certified()?.verify_answer(answer)?;
    if !fits(body, deposit) {
        return Err(TaRefused::NoDeposit);
    }

    let balance = match body.outcome {
        DepositOutcome::Granted => state
            .balance
            .checked_add(deposit.order.body().amount)
            .ok_or(TaRefused::BalanceLimit)?,
        DepositOutcome::Refused(_) => state.balance,
    };
    let mut next = Box::new(state.clone());
    next.balance = balance;
    next.deposit = Some(Deposit {
        closed: Some(Closed {
            answer: answer.hash(),
            balance,
        }),
        ..deposit.clone()
    });

    Ok(Step::Operation(next, Output::DepositClosed { balance }))
}

fn fits(answer: &DepositAnswer, deposit: &Deposit) -> bool {
    let order = deposit.order.body();

    answer.ta == order.ta && answer.i == order.position.i && answer.order == deposit.order.hash()
}
