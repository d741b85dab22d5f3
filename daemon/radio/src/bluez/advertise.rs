//! Keeps on air one advertisement for each wanted request tag.

use std::collections::BTreeMap;
use std::time::Duration;

use ble_proto::gatt::{COMPANY_ID, RequestTag, SERVICE_UUID};
use bluer::adv::{Advertisement, AdvertisementHandle, Type};
use tokio::sync::watch;
use uuid::Uuid;

use super::presence::Visibility;
use crate::limits;

/// Advertises what `wanted` says for as long as it is polled; unregisters when dropped.
///
/// What BlueZ refuses, as when a controller has no room for one more, is tried again: room comes when
/// another program's advertisement goes.
pub(super) async fn advertise(
    adapter: &bluer::Adapter,
    mut wanted: watch::Receiver<Vec<RequestTag>>,
    visibility: Visibility,
) {
    let mut on_air: BTreeMap<RequestTag, AdvertisementHandle> = BTreeMap::new();
    let mut refused_before = None;
    loop {
        let tags: Vec<_> = wanted
            .borrow_and_update()
            .iter()
            .take(limits::ADVERTISED_TAGS_MAX)
            .copied()
            .collect();
        on_air.retain(|tag, _handle| tags.contains(tag));
        let mut refused = None;
        for tag in tags {
            if on_air.contains_key(&tag) {
                continue;
            }
            match put_on_air(adapter, tag).await {
                Ok(handle) => {
                    on_air.insert(tag, handle);
                }
                Err(error) => {
                    let reason = error.to_string();
                    if refused_before.as_ref() != Some(&reason) {
                        tracing::warn!(
                            reason,
                            "BlueZ refused to advertise a request; trying again"
                        );
                    }
                    refused = Some(reason);
                }
            }
        }
        if refused != refused_before {
            visibility.set(refused.clone().filter(|_| on_air.is_empty()));
        }
        let is_refused = refused.is_some();
        refused_before = refused;
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() {
                // The owner is gone; whoever polls us stops by itself.
                std::future::pending::<()>().await;
            },
            () = tokio::time::sleep(REFUSED_RETRY_INTERVAL), if is_refused => {}
        }
    }
}

async fn put_on_air(
    adapter: &bluer::Adapter,
    tag: RequestTag,
) -> bluer::Result<AdvertisementHandle> {
    let begun = std::time::Instant::now();
    let handle = match adapter.advertise(advertisement(tag, Interval::Fast)).await {
        Ok(handle) => handle,
        Err(error) => {
            // Before 5.77 the interval is experimental, and later some controllers refuse it.
            let handle = adapter
                .advertise(advertisement(tag, Interval::OfTheSystem))
                .await?;
            tracing::info!(%error, "Advertising at the system's interval");
            handle
        }
    };
    let elapsed_ms = begun.elapsed().as_millis();
    tracing::debug!(elapsed_ms, "Advertising a request");

    Ok(handle)
}

#[derive(Clone, Copy)]
enum Interval {
    Fast,
    OfTheSystem,
}

/// Names nobody: the service, the request's random tag, and no local name.
fn advertisement(tag: RequestTag, interval: Interval) -> Advertisement {
    let RequestTag(bytes) = tag;
    let (min_interval, max_interval) = match interval {
        Interval::Fast => (Some(INTERVAL_MIN), Some(INTERVAL_MAX)),
        Interval::OfTheSystem => (None, None),
    };

    Advertisement {
        advertisement_type: Type::Peripheral,
        service_uuids: [Uuid::from_u128(SERVICE_UUID)].into(),
        manufacturer_data: [(COMPANY_ID, bytes.to_vec())].into(),
        discoverable: Some(true),
        min_interval,
        max_interval,
        ..Default::default()
    }
}

/// A person waits, and an open request is short: 100 ms is found in 64 ms on average. More often would
/// keep slow payers nearby busy with hearing.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_millis(150);

const REFUSED_RETRY_INTERVAL: Duration = Duration::from_millis(500);
