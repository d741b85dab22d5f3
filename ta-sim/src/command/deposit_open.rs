//! `DepositOpen`: opens i durably and reserves room. A statement.

use ops_proto::amount::Amount;
use ops_proto::contract::{Command, Output, TaRefused};
use ops_proto::id::CommandId;
use ops_proto::message::DepositOpen;
use ops_proto::signed::Signed;
use ops_proto::statement::Moves;

use super::Step;
use crate::state::{Deposit, State};

pub(super) fn run(state: &State, command: CommandId, amount: Amount) -> Result<Step, TaRefused> {
    if let Some(order) = repeated(state, command) {
        if order.body().amount != amount {
            return Err(TaRefused::CommandReused);
        }
        return Ok(Step::Unchanged(Output::DepositOpened(order.clone())));
    }
    let keys = state.live_keys()?;
    let provider = state.certified()?.provider_hash();
    state.check_nothing_pends()?;
    state.check_room(amount)?;

    let position = state.chain.next(Moves::I);
    let body = DepositOpen {
        ta: keys.ta(),
        position,
        amount,
    };
    let order = Signed::sign(body, keys.ta_key());
    let mut next = Box::new(state.clone());
    next.signed(position, order.hash());
    next.deposit = Some(Deposit {
        command,
        order: order.clone(),
        provider,
        closed: None,
    });

    Ok(Step::Operation(next, Output::DepositOpened(order)))
}

fn repeated(state: &State, command: CommandId) -> Option<&Signed<DepositOpen>> {
    let last = state.deposit.as_ref();
    if let Some(last) = last.filter(|last| last.command == command) {
        return Some(&last.order);
    }

    state
        .operations
        .find(|asked, returned| match (asked, returned) {
            (Command::DepositOpen { command: id, .. }, Output::DepositOpened(order))
                if *id == command =>
            {
                Some(order)
            }
            (_, _) => None,
        })
}
