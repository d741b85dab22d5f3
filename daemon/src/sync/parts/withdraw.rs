//! Withdrawals: the TA debits itself first; W is sent until the server has booked it.

use ops_proto::contract::{Command, Output};
use ops_proto::id::CommandId;
use ops_proto::message::{Withdraw, WithdrawAck};
use ops_proto::{Amount, Signed};

use super::super::context::{Context, random};
use super::super::error::SyncError;
use super::deposit;
use crate::journal::Fact;
use crate::journal::book::Withdrawal;
use crate::recovery::{self, Session, Step};
use crate::ta::TaError;

/// Has the TA debit itself and returns the command that names the withdrawal. `None` takes all.
///
/// Deposits and withdrawals never overlap: an open one is finished first. Without the server nothing is
/// debited, so that nobody waits for money that is in neither place.
pub(in super::super) async fn open(
    cx: &Context,
    amount: Option<Amount>,
) -> Result<CommandId, SyncError> {
    let ta = cx.ta()?;
    let certified = cx.journal().view(|book| book.sender_chain().is_some());
    if !certified {
        return Err(SyncError::NotRegistered);
    }
    cx.server.reach().await?;
    settle(cx).await?;
    let amount = match amount {
        Some(amount) => amount,
        None => held(cx).await?,
    };
    let command = CommandId(random()?);
    cx.record(vec![Fact::WithdrawIntent { command, amount }])
        .await?;
    let Output::Withdrawn(_) = ta.invoke(Command::Withdraw { command, amount }).await? else {
        return Err(TaError::OtherAnswer.into());
    };

    Ok(command)
}

/// Finishes what is open between device and account; refuses if it cannot be finished now.
pub(super) async fn settle(cx: &Context) -> Result<(), SyncError> {
    let _carried = deposit::finish(cx).await?;
    if cx.journal().view(|book| book.deposit_open().is_some()) {
        return Err(SyncError::DepositPending);
    }
    let _carried = finish(cx).await?;
    if cx
        .journal()
        .view(|book| book.withdrawals_open().next().is_some())
    {
        return Err(SyncError::WithdrawPending);
    }

    Ok(())
}

/// Carries every open withdrawal on, oldest first.
pub(in super::super) async fn finish(cx: &Context) -> Result<u64, SyncError> {
    let open: Vec<Withdrawal> = cx
        .journal()
        .view(|book| book.withdrawals_open().cloned().collect());
    let mut carried = 0_u64;
    for withdrawal in open {
        if carry(cx, &withdrawal).await? {
            carried = carried.saturating_add(1);
        }
    }

    Ok(carried)
}

async fn carry(cx: &Context, withdrawal: &Withdrawal) -> Result<bool, SyncError> {
    match recovery::withdraw(&withdrawal.stage, cx.session()) {
        Step::Send(withdraw) => {
            let ack = send(cx, withdraw).await?;
            let is_in_use = cx.journal().view(|book| !book.is_ended(&ack.body().ta));
            if is_in_use {
                take(cx, ack).await?;
            }
            Ok(true)
        }
        Step::Take(ack) => {
            take(cx, ack.clone()).await?;
            Ok(true)
        }
        Step::AwaitTa | Step::Forget | Step::Done => Ok(false),
    }
}

async fn send(cx: &Context, withdraw: &Signed<Withdraw>) -> Result<Signed<WithdrawAck>, SyncError> {
    let i = withdraw.body().position.i;
    tracing::info!(target: "ops", i, "C → S: W");
    let ack: Signed<WithdrawAck> = cx.server.ask("/v1/withdrawals", withdraw.to_wire()).await?;
    let body = ack.body();
    let fits = body.ta == withdraw.body().ta && body.i == i && body.order == withdraw.hash();
    if !fits {
        return Err(SyncError::NotBelieved("it is for another withdrawal"));
    }
    cx.record(vec![Fact::WithdrawAcknowledged(ack.clone())])
        .await?;

    Ok(ack)
}

async fn take(cx: &Context, ack: Signed<WithdrawAck>) -> Result<(), SyncError> {
    let Output::WithdrawAcknowledged { .. } = cx.ta()?.invoke(Command::WithdrawAck { ack }).await?
    else {
        return Err(TaError::OtherAnswer.into());
    };

    Ok(())
}

async fn held(cx: &Context) -> Result<Amount, SyncError> {
    let Output::State(state) = cx.ta()?.invoke(Command::Inspect).await? else {
        return Err(TaError::OtherAnswer.into());
    };

    Amount::try_from(state.balance.minor_units()).map_err(|_| SyncError::NothingHeld)
}

/// Whether the TA of a run can be asked.
impl Context {
    pub(super) fn session(&self) -> Session {
        self.ta()
            .map_or(Session::Ended, |ta| ta.access().borrow().session())
    }
}
