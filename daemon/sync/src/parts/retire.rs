//! Retire: a working TA signs its last statement; what it held is paid to the online account.

use journal::book::RetireStage;
use journal::{Book, Fact};
use ops_proto::contract::{Command, Output};
use ops_proto::message::RetireAnswer;
use ops_proto::signed::encode;
use ops_proto::{PublicKey, Signed};
use wallet::ta::TaError;

use super::open::settle;
use crate::context::{Context, random};
use crate::error::SyncError;

/// Has the TA sign its last statement and returns its key. What is open is finished first.
pub(crate) async fn begin(cx: &Context) -> Result<PublicKey, SyncError> {
    let ta = cx.ta()?;
    let standing = cx
        .journal()
        .view(|book| book.ta().cloned())
        .filter(|ta| ta.certified.is_some())
        .ok_or_else(|| cx.why_not_certified())?;
    let nonce = match standing.retire {
        Some(RetireStage::Signed(_)) => return Ok(standing.key),
        Some(RetireStage::Intended { nonce }) => nonce,
        None => random()?,
    };
    cx.server.reach().await?;
    settle(cx).await?;
    let intent = Fact::RetireIntent {
        ta: standing.key,
        nonce,
    };
    cx.record(vec![intent]).await?;
    let retiring = ta.invoke(Command::Retire { nonce }).await;
    let Output::Retired(_) = retiring.map_err(SyncError::of_step)? else {
        return Err(SyncError::of_step(TaError::OtherAnswer));
    };

    Ok(standing.key)
}

/// Hands in the last statement of a TA that retired.
pub(crate) async fn finish(cx: &Context) -> Result<u64, SyncError> {
    if cx.journal().view(|book| book.retire_open().is_none()) {
        return Ok(0);
    }
    let order = cx.journal().view(Book::retire_order);
    let order = order.ok_or(SyncError::NotBelieved("there is no last statement to send"))?;
    let last = &order.retire.body().last;
    let n = last.position.n;
    tracing::info!(target: "ops", n, statements = order.chain.len(), "C → S: Retire, chain since the last token");
    let answer: Signed<RetireAnswer> = cx.server.ask("/v1/retirements", encode(&order)).await?;
    let body = answer.body();
    if body.ta != last.ta || body.retire != order.retire.hash() {
        return Err(SyncError::NotBelieved("it is for another retirement"));
    }
    cx.record(vec![Fact::RetireAnswered(answer)]).await?;

    Ok(1)
}
