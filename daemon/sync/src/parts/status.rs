//! Status and token: the TA states where it stands, the server takes note.

use std::sync::Arc;

use journal::book::{Request, RequestShown};
use journal::{Book, Fact};
use ops_proto::contract::{Command, Output};
use ops_proto::limits::STATUS_IDS_MAX;
use ops_proto::list::List;
use ops_proto::message::{StatusOrder, SyncToken};
use ops_proto::signed::encode;
use ops_proto::{Digest, RequestId, Signed};
use runtime::clock;
use wallet::ta::TaError;

use crate::context::{Context, random};
use crate::error::SyncError;

/// A token older than this is renewed, so that the TA's floor of time moves on.
const TOKEN_AGE_MS_MAX: u64 = 24 * 3600 * 1000;

/// Has the TA state where it stands, where there is something to state, and takes the token.
pub(crate) async fn run(cx: &mut Context) -> Result<u64, SyncError> {
    let certified = cx.journal().view(|book| book.sender_chain().is_some());
    if !cx.uses_ta || !certified {
        return Ok(0);
    }
    if let Some(token) = cx
        .journal()
        .view(|book| book.status().token_to_take().cloned())
    {
        take(cx, token).await?;
    }
    if cx.journal().view(|book| book.status().open().is_none()) {
        let close = match cx.wallet.requests_awaited().await {
            Some(awaited) => to_close(cx, &awaited),
            None => Vec::new(),
        };
        if close.is_empty() && !is_due(cx).await? {
            return Ok(0);
        }
        open(cx, close).await?;
    }
    let order = cx.journal().view(Book::status_order);
    let order = order.ok_or(SyncError::NotBelieved("there is no status to send"))?;
    let token = ask(cx, &order).await?;
    take(cx, token).await?;

    Ok(1)
}

async fn is_due(cx: &Context) -> Result<bool, SyncError> {
    let (stated, last_token) = cx
        .journal()
        .view(|book| (book.status().statements(), book.status().last_token()));
    let fresh = last_token.is_some_and(|at| clock::now().ms_since(at) < TOKEN_AGE_MS_MAX);
    if stated > 0 || !fresh {
        return Ok(true);
    }
    let Output::State(state) = cx.ta()?.invoke(Command::Inspect).await? else {
        return Err(TaError::OtherAnswer.into());
    };

    Ok(state.collected_count > 0 || state.paid_count > 0)
}

async fn open(cx: &mut Context, close: Vec<RequestId>) -> Result<(), SyncError> {
    let command = Command::StatusOpen {
        close: List::try_from(close).map_err(|_| SyncError::NotBelieved("too many requests"))?,
        nonce: random()?,
    };
    let Output::StatusOpened(status) = cx.ta()?.invoke(command).await? else {
        return Err(TaError::OtherAnswer.into());
    };
    tracing::debug!(
        n = status.body().position.n,
        "The TA states where it stands"
    );

    Ok(())
}

/// Returns requests that nobody is to pay any more, nor is paying, and that the TA still keeps open.
fn to_close(cx: &Context, awaited: &[Digest]) -> Vec<RequestId> {
    let now = clock::now();
    cx.journal().view(|book| {
        let Some(ta) = book.ta().map(|ta| ta.key) else {
            return Vec::new();
        };
        let unclosed = book.requests_unclosed(&ta).into_iter();
        let over = unclosed.filter(|request| match request.shown {
            RequestShown::Cancelled => true,
            RequestShown::Open => request.is_expired(now),
            RequestShown::Paid => false,
        });

        let is_awaited = |request: &Arc<Request>| {
            let hash = request.issued.as_ref().map(Signed::hash);
            hash.is_some_and(|hash| awaited.contains(&hash))
        };

        over.filter(|request| !is_awaited(request))
            .filter_map(|request| request.key())
            .map(|(_, id)| id)
            .take(STATUS_IDS_MAX)
            .collect()
    })
}

async fn ask(cx: &Context, order: &StatusOrder) -> Result<Signed<SyncToken>, SyncError> {
    let status = order.status.body();
    let n = status.position.n;
    tracing::info!(target: "ops", n, statements = order.chain.len(), "C → S: Status, chain since the last token");
    let token: Signed<SyncToken> = cx.server.ask("/v1/statuses", encode(order)).await?;
    let body = token.body();
    let fits =
        body.ta == status.ta && body.status == order.status.hash() && body.nonce == status.nonce;
    if !fits {
        return Err(SyncError::NotBelieved("the token is for another status"));
    }
    cx.record(vec![Fact::TokenReceived(token.clone())]).await?;

    Ok(token)
}

async fn take(cx: &Context, token: Signed<SyncToken>) -> Result<(), SyncError> {
    let Output::Synced = cx.ta()?.invoke(Command::Sync { token }).await? else {
        return Err(TaError::OtherAnswer.into());
    };

    Ok(())
}
