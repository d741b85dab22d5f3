//! Reports: every P with its R, from both ends, before anything else in a run.

use journal::Book;
use ops_proto::PaymentPair;

use super::batch::{BatchPurpose, carry};
use crate::context::Context;
use crate::error::SyncError;

/// Rounds of reports in one run; each is at most one batch.
const ROUNDS_MAX: usize = 32;

/// Reports what the server has not seen.
pub(crate) async fn unseen(cx: &mut Context) -> Result<u64, SyncError> {
    let mut carried = 0_u64;
    for _ in 0..ROUNDS_MAX {
        let pairs = due(cx, |book, pair| !book.is_reported(&pair.hash()));
        if pairs.is_empty() {
            break;
        }
        carried = carried.saturating_add(carry(cx, BatchPurpose::Report, pairs).await?);
    }

    Ok(carried)
}

/// Asks where the money is of what the server said is waiting.
pub(crate) async fn waiting(cx: &mut Context) -> Result<u64, SyncError> {
    let pairs = due(cx, |book, pair| book.is_reported(&pair.hash()));
    if pairs.is_empty() {
        return Ok(0);
    }

    carry(cx, BatchPurpose::Report, pairs).await
}

fn due(cx: &Context, wanted: impl Fn(&Book, &PaymentPair) -> bool) -> Vec<PaymentPair> {
    cx.journal().view(|book| {
        let mut pairs = book.reports_due();
        pairs.retain(|pair| wanted(book, pair) && !cx.left_out.contains(&pair.hash()));

        pairs
    })
}
