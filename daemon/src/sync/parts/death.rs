//! The dead TA: reported by its owner; what it held waits at the server until nobody can claim it.

use ops_proto::message::{DeathAnswer, ReportDeath};
use ops_proto::{Balance, PublicKey, Signed, Time};

use super::super::context::Context;
use super::super::error::SyncError;
use crate::clock;
use crate::journal::Fact;
use crate::journal::book::{EndedTa, TaEnd};
use crate::recovery::{self, DeathFacts, DeathStep};
use crate::ta::TaAccess;

/// How often the server is asked what of a sum that waits is paid.
const ASK_INTERVAL_MS: u64 = 24 * 3600 * 1000;

/// Records that the owner says that the TA in use is dead: from here on it is never used again.
pub(in super::super) async fn begin(cx: &Context, key: PublicKey) -> Result<(), SyncError> {
    if cx.journal().view(|book| book.is_ended(&key)) {
        return Ok(());
    }
    let is_in_use = cx
        .journal()
        .view(|book| book.ta().is_some_and(|ta| ta.key == key));
    if !is_in_use {
        return Err(SyncError::OtherTa);
    }
    if let Some(ta) = cx.wallet.ta()
        && *ta.access().borrow() == TaAccess::Open
    {
        return Err(SyncError::TaWorks);
    }

    cx.record(vec![Fact::DeathIntent { ta: key }]).await
}

/// Reports every dead TA that the server has not heard of, and asks after sums that wait.
pub(in super::super) async fn finish(cx: &Context) -> Result<u64, SyncError> {
    let ended: Vec<EndedTa> = cx.journal().view(|book| book.ended().to_vec());
    let mut carried = 0_u64;
    for ta in ended {
        if is_due(&ta, clock::now()) {
            report(cx, ta.key).await?;
            carried = carried.saturating_add(1);
        }
    }

    Ok(carried)
}

fn is_due(ta: &EndedTa, now: Time) -> bool {
    let TaEnd::Dead { answer } = &ta.end else {
        return false;
    };
    let held = answer.as_ref().map(|(answer, _)| answer.body().held);
    let step = recovery::death(DeathFacts {
        intent: true,
        answered: answer.is_some(),
        waits: held.is_some_and(|held| held > Balance::ZERO),
    });

    match step {
        DeathStep::Report => true,
        DeathStep::AskAgain => answer.as_ref().is_some_and(|(answer, at)| {
            let payable = answer.body().payable_from;
            let became_payable = *at < payable && payable <= now;

            became_payable || now.ms_since(*at) >= ASK_INTERVAL_MS
        }),
        DeathStep::Nothing | DeathStep::Done | DeathStep::Contradiction => false,
    }
}

async fn report(cx: &Context, ta: PublicKey) -> Result<(), SyncError> {
    let client = cx.wallet.identity().public_key();
    let challenge = cx.server.challenge(&client).await?;
    let order = cx.wallet.identity().sign(ReportDeath {
        client,
        ta,
        challenge,
    });
    tracing::info!(target: "ops", ta = %ta.id(), "C → S: ReportDeath = Sign_C(pk_T, challenge)");
    let answer: Signed<DeathAnswer> = cx.server.ask("/v1/deaths", order.to_wire()).await?;
    let body = answer.body();
    if body.ta != ta || body.client != client {
        return Err(SyncError::NotBelieved("it is for another TA"));
    }

    cx.record(vec![Fact::DeathAnswered(answer)]).await
}
