//! Claims: the server credits the owner of `P.receiver`.

use super::batch::{BatchPurpose, carry};
use crate::context::Context;
use crate::error::SyncError;

/// Claims every payment to a key without a TA, and every one that the TA could not credit.
pub(crate) async fn due(cx: &mut Context) -> Result<u64, SyncError> {
    // What could not be reported can be claimed all the same.
    cx.left_out.clear();
    let pairs = cx.journal().view(|book| book.claims_due());
    if pairs.is_empty() {
        return Ok(0);
    }

    carry(cx, BatchPurpose::Claim, pairs).await
}
