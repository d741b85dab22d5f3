//! Bodies: as large as their message may be, and as fast as a peer that means it sends them.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};

use crate::limits::{BODY_GRACE, BODY_RATE_MIN};
use crate::refusal::{Code, Refusal};

/// Reads a body of at most `size_max` bytes, as long as it arrives at the least rate.
pub(super) async fn read(body: Body, size_max: usize) -> Result<Vec<u8>, Refusal> {
    let begun = Instant::now();
    let mut body = Limited::new(body, size_max);
    let mut bytes = Vec::new();
    loop {
        let frame = timeout_at(due(begun, bytes.len()), body.frame())
            .await
            .map_err(|_| Refusal::new(Code::Timeout, "the body arrived too slowly"))?;
        let Some(frame) = frame else { break };
        let data: Result<Bytes, _> = frame.map_err(|error| refusal(&*error))?.into_data();
        if let Ok(data) = data {
            bytes.extend_from_slice(&data);
        }
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

fn refusal(error: &(dyn std::error::Error + 'static)) -> Refusal {
    if error.is::<LengthLimitError>() {
        return Refusal::new(
            Code::BodyTooLarge,
            "the body is larger than any such message",
        );
    }

    Refusal::new(Code::Malformed, "the body did not arrive whole")
}
