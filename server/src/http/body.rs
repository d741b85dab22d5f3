//! Bodies: as large as their message may be, and as fast as a peer that means it sends them.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use crate::limits::{BODY_GRACE, BODY_RATE_MIN, BODY_SURPLUS_MAX};
use crate::refusal::{Code, Refusal};

/// Reads a body of at most `size_max` bytes, as long as it arrives at the least rate.
///
/// Of a larger body some more is read and thrown away: who is still sending when the connection is closed
/// may never see why it was refused.
pub(super) async fn read(mut body: Body, size_max: usize) -> Result<Vec<u8>, Refusal> {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    let mut received: usize = 0;
    while received <= size_max.saturating_add(BODY_SURPLUS_MAX) {
        let frame = timeout_at(due(begun, received), body.frame())
            .await
            .map_err(|_| Refusal::new(Code::Timeout, "the body arrived too slowly"))?;
        let Some(frame) = frame else { break };
        let frame = frame
            .map_err(|_error| Refusal::new(Code::Malformed, "the body did not arrive whole"))?;
        if let Ok(data) = frame.into_data() {
            received = received.saturating_add(data.len());
            if received <= size_max {
                bytes.extend_from_slice(&data);
            }
        }
    }
    if received > size_max {
        let message = "the body is larger than any such message";
        return Err(Refusal::new(Code::BodyTooLarge, message));
    }

    Ok(bytes)
}

/// Returns when more than `received` bytes have to be there.
fn due(begun: Instant, received: usize) -> Instant {
    let received = u64::try_from(received).unwrap_or(u64::MAX);
    let earned = received.saturating_mul(1000).checked_div(BODY_RATE_MIN);
    let due = BODY_GRACE.saturating_add(Duration::from_millis(earned.unwrap_or(0)));

    begun.checked_add(due).unwrap_or(begun)
}
