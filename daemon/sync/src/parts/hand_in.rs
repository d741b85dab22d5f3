//! Payments whose payee never answered: the payer's daemon hands them in for the payee.

use runtime::clock;

use super::batch::{BatchPurpose, carry};
use crate::context::Context;
use crate::error::SyncError;

/// How long a payee has to answer before the server is asked to hold its payment, in milliseconds.
const ANSWER_MS: u64 = 10 * 1000;

/// Hands in what was paid and never answered, once in each life of the server. It is credited at once
/// to a payee without a TA, and waits in the mailbox of one with a TA.
pub(crate) async fn undelivered(cx: &mut Context) -> Result<u64, SyncError> {
    cx.left_out.clear();
    let pairs = cx
        .journal()
        .view(|book| book.undelivered(clock::now(), ANSWER_MS));
    if pairs.is_empty() {
        return Ok(0);
    }

    carry(cx, BatchPurpose::HandIn, pairs).await
}
