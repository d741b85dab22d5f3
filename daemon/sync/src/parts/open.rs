//! What begins at the TA: deposits and withdrawals. They never overlap: an open one is finished first.

use journal::Fact;
use ops_proto::Amount;
use ops_proto::contract::{Command, Output};
use ops_proto::id::CommandId;
use wallet::ta::TaError;

use super::{deposit, withdraw};
use crate::context::{Context, random};
use crate::error::SyncError;

/// Opens a deposit and returns the command that names it.
pub(crate) async fn deposit(cx: &Context, amount: Amount) -> Result<CommandId, SyncError> {
    let ta = cx.ta()?;
    cx.check_certified()?;
    if cx.journal().view(|book| book.deposit_open().is_some()) {
        return Err(SyncError::DepositPending);
    }
    // A deposit that is open keeps withdrawals waiting: without the server none is begun.
    cx.server.reach().await?;
    settle(cx).await?;
    let command = CommandId(random()?);
    cx.record(vec![Fact::DepositIntent { command, amount }])
        .await?;
    let opening = ta.invoke(Command::DepositOpen { command, amount }).await;
    let Output::DepositOpened(_) = opening.map_err(SyncError::of_step)? else {
        return Err(SyncError::of_step(TaError::OtherAnswer));
    };

    Ok(command)
}

/// Has the TA debit itself and returns the command that names the withdrawal. `None` takes all.
///
/// Without the server nothing is debited, so that nobody waits for money that is in neither place.
pub(crate) async fn withdrawal(
    cx: &Context,
    amount: Option<Amount>,
) -> Result<CommandId, SyncError> {
    let ta = cx.ta()?;
    cx.check_certified()?;
    cx.server.reach().await?;
    settle(cx).await?;
    let amount = match amount {
        Some(amount) => amount,
        None => held(cx).await?,
    };
    let command = CommandId(random()?);
    cx.record(vec![Fact::WithdrawIntent { command, amount }])
        .await?;
    let debiting = ta.invoke(Command::Withdraw { command, amount }).await;
    let Output::Withdrawn(_) = debiting.map_err(SyncError::of_step)? else {
        return Err(SyncError::of_step(TaError::OtherAnswer));
    };

    Ok(command)
}

/// Finishes what is open between device and account; refuses if it cannot be finished now.
pub(super) async fn settle(cx: &Context) -> Result<(), SyncError> {
    let _carried = deposit::finish(cx).await?;
    if cx.journal().view(|book| book.deposit_open().is_some()) {
        return Err(SyncError::DepositPending);
    }
    let _carried = withdraw::finish(cx).await?;
    if cx
        .journal()
        .view(|book| book.withdrawals_open().next().is_some())
    {
        return Err(SyncError::WithdrawPending);
    }

    Ok(())
}

async fn held(cx: &Context) -> Result<Amount, SyncError> {
    let Output::State(state) = cx.ta()?.invoke(Command::Inspect).await? else {
        return Err(TaError::OtherAnswer.into());
    };

    Amount::try_from(state.balance.minor_units()).map_err(|_| SyncError::NothingHeld)
}
