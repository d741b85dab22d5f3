//! A look at everyone who asks for money nearby.

use std::sync::Arc;
use std::time::Duration;

use ble_proto::limits::VISITS_PER_SCAN_MAX;
use ble_proto::payment::payer::Purpose;
use journal::book::PaymentKey;
use radio::Seen;

use super::search;
use super::visit::{Visited, visit};
use crate::{Offer, Shared, WalletError};

/// The longest look at one tag, the connection included.
const LOOK_TIMEOUT: Duration = Duration::from_secs(15);

/// Listens for a while, then looks at each tag that was heard.
pub(crate) async fn nearby(
    shared: &Arc<Shared>,
    duration: Duration,
) -> Result<Vec<Offer>, WalletError> {
    let waits = shared.payer.wait();
    let _turn = shared.payer.turn.lock().await;
    drop(waits);
    let heard = search::all(shared, duration, VISITS_PER_SCAN_MAX).await?;
    let mut offers = Vec::with_capacity(heard.len());
    for seen in heard {
        let Some(offer) = look(shared, seen).await? else {
            continue;
        };
        let key = PaymentKey::new(offer.payee_key, offer.request_id);
        if !offer.paid && !shared.has_paid(&key) {
            offers.push(offer);
        }
    }

    Ok(offers)
}

/// Looks at one tag: what it asks, if it answers whoever hears it.
pub(super) async fn look(shared: &Arc<Shared>, seen: Seen) -> Result<Option<Offer>, WalletError> {
    let (tag, rssi) = (seen.tag, seen.rssi);
    let looking = visit(shared, seen.peer, Purpose::Browse { tag }, None);
    let visited = match tokio::time::timeout(LOOK_TIMEOUT, looking).await {
        Ok(Ok(visited)) => visited,
        Ok(Err(WalletError::Radio(error))) => {
            tracing::debug!(?tag, %error, "A tag was not looked at");
            return Ok(None);
        }
        Ok(Err(error)) => return Err(error),
        Err(_elapsed) => return Ok(None),
    };
    let Visited { offered, outcome } = visited;
    let Some(offered) = offered else {
        tracing::debug!(?tag, ?outcome, "A tag shows nothing");
        return Ok(None);
    };
    shared
        .payer
        .remember(tag, offered.payee, offered.request_id, offered.amount);
    let offer = Offer::of(&offered, tag);

    Ok(Some(Offer { rssi, ..offer }))
}
