//! Withdrawals: the TA debits itself first; W is sent until the server has booked it.

use journal::Fact;
use journal::book::Withdrawal;
use journal::unfinished::{self, OrderStep, TaSession};
use ops_proto::Signed;
use ops_proto::contract::{Command, Output};
use ops_proto::message::{Withdraw, WithdrawAck};
use wallet::ta::TaError;

use crate::context::Context;
use crate::error::SyncError;

/// Carries every open withdrawal on, oldest first.
pub(crate) async fn finish(cx: &Context) -> Result<u64, SyncError> {
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
    match unfinished::withdraw(&withdrawal.stage, cx.session()) {
        OrderStep::Send(withdraw) => {
            let ack = send(cx, withdraw).await?;
            let is_in_use = cx.journal().view(|book| !book.is_ended(&ack.body().ta));
            if is_in_use {
                take(cx, ack).await?;
            }
            Ok(true)
        }
        OrderStep::Take(ack) => {
            take(cx, ack.clone()).await?;
            Ok(true)
        }
        OrderStep::AwaitTa | OrderStep::Forget | OrderStep::Done => Ok(false),
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

/// Whether the TA of a run can be asked.
impl Context {
    pub(super) fn session(&self) -> TaSession {
        self.ta()
            .map_or(TaSession::Ended, |ta| ta.access().borrow().session())
    }
}
