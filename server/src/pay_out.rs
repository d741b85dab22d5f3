//! What waits for the owners of dead TAs is paid when its time has come, though nobody asks.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::{Order, PayOut};
use crate::writer::Writer;

/// How often is looked; the times to wait for are months.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Pays at the start, and then by the clock.
#[derive(Debug)]
pub(crate) struct PayOuts {
    writer: Writer,
    stop: CancellationToken,
}

impl PayOuts {
    pub(crate) const fn new(writer: Writer, stop: CancellationToken) -> Self {
        Self { writer, stop }
    }

    /// Runs until the server stops.
    pub(crate) async fn run(self) {
        loop {
            self.pay().await;
            tokio::select! {
                biased; // a stop is never kept waiting
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    async fn pay(&self) {
        loop {
            match self.writer.book(Order::PayOut(PayOut)).await {
                Ok(more) if more == [1] && !self.stop.is_cancelled() => {}
                Ok(_) => return,
                Err(refusal) => {
                    tracing::warn!(%refusal, "What waits for owners of dead TAs was not looked at");
                    return;
                }
            }
        }
    }
}
