//! `Withdraw`: debits, then signs W. Time, limits, deny-list and PIN never stop it. A statement.

use ops_proto::amount::Amount;
use ops_proto::contract::{Command, Output, TaRefused};
use ops_proto::id::CommandId;
use ops_proto::message::Withdraw;
use ops_proto::signed::Signed;
use ops_proto::statement::Moves;

use super::Step;
use crate::state::{State, Withdrawal};

pub(super) fn run(state: &State, command: CommandId, amount: Amount) -> Result<Step, TaRefused> {
    if let Some(order) = repeated(state, command) {
        if order.body().amount != amount {
            return Err(TaRefused::CommandReused);
        }
        return Ok(Step::Unchanged(Output::Withdrawn(order.clone())));
    }
    let keys = state.live_keys()?;
    let provider = state.certified()?.provider_hash();
    state.check_nothing_pends()?;
    let balance = state
        .balance
        .checked_sub(amount)
        .ok_or(TaRefused::Balance)?;

    let position = state.chain.next(Moves::I);
    let body = Withdraw {
        ta: keys.ta(),
        position,
        amount,
    };
    let order = Signed::sign(body, keys.ta_key());
    let mut next = Box::new(state.clone());
    next.balance = balance;
    next.signed(position, order.hash());
    next.withdrawal = Some(Withdrawal {
        command,
        order: order.clone(),
        provider,
        closed: None,
    });

    Ok(Step::Operation(next, Output::Withdrawn(order)))
}

fn repeated(state: &State, command: CommandId) -> Option<&Signed<Withdraw>> {
    let last = state.withdrawal.as_ref();
    if let Some(last) = last.filter(|last| last.command == command) {
        return Some(&last.order);
    }

    state
        .operations
        .find(|asked, returned| match (asked, returned) {
            (Command::Withdraw { command: id, .. }, Output::Withdrawn(order)) if *id == command => {
                Some(order)
            }
            (_, _) => None,
        })
}
