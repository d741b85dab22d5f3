//! Deposits: opened by the TA, endorsed by the client, answered once by the server.

use journal::Fact;
use journal::unfinished::{self, OrderStep};
use ops_proto::Signed;
use ops_proto::contract::{Command, Output};
use ops_proto::message::{DepositAnswer, DepositOpen, DepositOrder, Endorsement};
use ops_proto::signed::encode;
use wallet::ta::TaError;

use crate::context::Context;
use crate::error::SyncError;

/// Finishes the open deposit, if there is one.
pub(crate) async fn finish(cx: &Context) -> Result<u64, SyncError> {
    let stage = cx
        .journal()
        .view(|book| book.deposit_open().map(|deposit| deposit.stage.clone()));
    let Some(stage) = stage else {
        return Ok(0);
    };
    let answer = match unfinished::deposit(&stage, cx.session()) {
        OrderStep::Send(open) => ask(cx, open).await?,
        OrderStep::Take(answer) => answer.clone(),
        OrderStep::AwaitTa | OrderStep::Forget | OrderStep::Done => return Ok(0),
    };
    let close = Command::DepositClose { answer };
    let Output::DepositClosed { .. } = cx.ta()?.invoke(close).await? else {
        return Err(TaError::OtherAnswer.into());
    };

    Ok(1)
}

async fn ask(cx: &Context, open: &Signed<DepositOpen>) -> Result<Signed<DepositAnswer>, SyncError> {
    let endorsement = cx.wallet.identity().sign(Endorsement {
        statement: open.hash(),
    });
    let order = DepositOrder {
        open: open.clone(),
        endorsement,
    };
    let i = open.body().position.i;
    tracing::info!(target: "ops", i, "C → S: Deposit(DepositOpen, Sign_C(H(DepositOpen)))");
    let answer: Signed<DepositAnswer> = cx.server.ask("/v1/deposits", encode(&order)).await?;
    let body = answer.body();
    let fits = body.ta == open.body().ta && body.i == i && body.order == open.hash();
    if !fits {
        return Err(SyncError::NotBelieved("it is for another deposit"));
    }
    cx.record(vec![Fact::DepositAnswered(answer.clone())])
        .await?;

    Ok(answer)
}
