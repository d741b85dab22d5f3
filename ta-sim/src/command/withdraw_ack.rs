//! `WithdrawAck`: the server has booked W, so the way is free for the next deposit or withdrawal.

use ops_proto::contract::{Output, TaRefused};
use ops_proto::message::WithdrawAck;
use ops_proto::signed::Signed;

use super::Step;
use crate::state::{Closed, State, Withdrawal};

pub(super) fn run(state: &State, ack: &Signed<WithdrawAck>) -> Result<Step, TaRefused> {
    let withdrawal = state.withdrawal.as_ref().ok_or(TaRefused::NoWithdrawal)?;
    if let Some(closed) = &withdrawal.closed {
        if closed.answer != ack.hash() {
            return Err(TaRefused::NoWithdrawal);
        }
        return Ok(Step::Unchanged(Output::WithdrawAcknowledged {
            balance: closed.balance,
        }));
    }
    let body = state.certified()?.verify_answer(ack)?;
    if !fits(body, withdrawal) {
        return Err(TaRefused::NoWithdrawal);
    }

    let balance = state.balance;
    let mut next = Box::new(state.clone());
    next.withdrawal = Some(Withdrawal {
        closed: Some(Closed {
            answer: ack.hash(),
            balance,
        }),
        ..withdrawal.clone()
    });

    Ok(Step::Operation(
        next,
        Output::WithdrawAcknowledged { balance },
    ))
}

fn fits(ack: &WithdrawAck, withdrawal: &Withdrawal) -> bool {
    let order = withdrawal.order.body();

    ack.ta == order.ta && ack.i == order.position.i && ack.order == withdrawal.order.hash()
}
