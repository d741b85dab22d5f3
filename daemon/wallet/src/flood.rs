//! A request that strangers flood is replaced by one that only its URI opens.

use std::sync::Arc;
use std::time::Duration;

use journal::Book;
use journal::book::RequestShown;
use ops_proto::RequestId;
use ops_proto::time::Validity;
use runtime::clock;

use super::request::{self, Mode, RequestOrder};
use super::{Shared, WalletError};

/// The time between two attempts: the TA may be away, or as many requests open as may be.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(5);

/// Replaces a flooded request, trying until it is done, or the request is no longer open.
pub(super) async fn run(shared: Arc<Shared>, flooded: RequestId) {
    let stop = shared.shutdown.stop();
    loop {
        match replace(&shared, flooded).await {
            Ok(Some(by)) => {
                tracing::warn!(request = %flooded, %by, "Strangers flood a request; it is open by URI");
                return;
            }
            Ok(None) | Err(WalletError::Stopped) => return,
            Err(error) => tracing::warn!(request = %flooded, %error, "A flooded request stays"),
        }
        // Both branches are cancel safe.
        tokio::select! {
            biased; // a stop is never starved
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ATTEMPT_INTERVAL) => {}
        }
    }
}

/// Opens a request by URI in place of an open one, and then no longer shows that one. Returns the new
/// one's number, or `None` when there is nothing to replace.
pub(super) async fn replace(
    shared: &Arc<Shared>,
    flooded: RequestId,
) -> Result<Option<RequestId>, WalletError> {
    let Some((order, known)) = shared.journal.view(|book| look(book, flooded)) else {
        return Ok(None);
    };
    let by = match known {
        Some(by) => by,
        None => request::open(shared, order).await?.request_id,
    };
    match request::cancel(shared, flooded).await {
        // paid while the other was opened: who paid it cannot pay the other
        Ok(()) | Err(WalletError::RequestPaid) => Ok(Some(by)),
        Err(error) => Err(error),
    }
}

/// Returns what to ask for in place of a request, and the request that replaces it already, if an
/// attempt was interrupted.
fn look(book: &Book, flooded: RequestId) -> Option<(RequestOrder, Option<RequestId>)> {
    let now = clock::now();
    let held = book.request_numbered(flooded)?;
    let terms = &held.intent.terms;
    if held.shown != RequestShown::Open {
        return None;
    }
    let until = terms.issued.saturating_add_ms(terms.validity.as_ms());
    let order = RequestOrder {
        amount: terms.amount,
        memo: held.intent.memo.as_str().to_owned(),
        // what remains; nothing is left of a request that has expired
        validity: Some(Validity::try_from(until.ms_since(now)).ok()?),
        mode: Mode::Uri,
        replaces: Some(flooded),
        refund_of: terms.refund_of,
    };

    Some((order, request::replaced_by(book, &held)))
}
