//! What the online account holds.

use journal::Fact;
use ops_proto::Signed;
use ops_proto::message::{AccountAnswer, AccountQuery};
use runtime::clock;

use crate::context::Context;
use crate::error::SyncError;

/// An answer that says the same is written again after this time, so that people see that it is fresh.
const SAME_ANSWER_AGE_MS_MAX: u64 = 10 * 60 * 1000;

/// Asks what the account holds.
pub(crate) async fn query(cx: &Context) -> Result<u64, SyncError> {
    let registered = cx
        .journal()
        .view(|book| book.client().is_some_and(|client| client.chain.is_some()));
    if !registered {
        return Ok(0);
    }
    let client = cx.wallet.identity().public_key();
    let challenge = cx.server.challenge(&client).await?;
    let query = cx
        .wallet
        .identity()
        .sign(AccountQuery { client, challenge });
    let answer: Signed<AccountAnswer> = cx.server.ask("/v1/account", query.to_wire()).await?;
    if answer.body().client != client {
        return Err(SyncError::NotBelieved("it is for another client"));
    }
    if is_news(cx, answer.body()) {
        cx.record(vec![Fact::AccountAnswered(answer)]).await?;
    }

    Ok(1)
}

fn is_news(cx: &Context, answer: &AccountAnswer) -> bool {
    cx.journal().view(|book| {
        book.account().is_none_or(|(at, held)| {
            let same = held.online == answer.online && held.shadow == answer.shadow;

            !same || clock::now().ms_since(*at) > SAME_ANSWER_AGE_MS_MAX
        })
    })
}
