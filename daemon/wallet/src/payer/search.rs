//! Who is heard.

use std::collections::BTreeSet;
use std::time::Duration;

use ble_proto::gatt::RequestTag;
use radio::{RadioError, Scan, Seen};

use crate::Shared;

/// Listens until `wanted` takes an advertisement, or the time is over.
///
/// The scan has ended when this returns: controllers scan or connect, not both.
pub(super) async fn find(
    shared: &Shared,
    duration: Duration,
    mut wanted: impl FnMut(&Seen) -> bool,
) -> Result<Option<Seen>, RadioError> {
    let mut scan = shared.radio.scan().await?;
    let listening = async {
        while let Some(seen) = scan.next().await {
            if wanted(&seen) {
                return Some(seen);
            }
        }
        None
    };
    let found = tokio::time::timeout(duration, listening).await;

    Ok(found.unwrap_or(None))
}

/// Listens for a while and returns each tag once, the strongest first, at most `tags_max`.
pub(super) async fn all(
    shared: &Shared,
    duration: Duration,
    tags_max: usize,
) -> Result<Vec<Seen>, RadioError> {
    let mut scan = shared.radio.scan().await?;
    let mut tags: BTreeSet<RequestTag> = BTreeSet::new();
    let mut all = Vec::new();
    let _time_over = tokio::time::timeout(duration, listen(&mut scan, &mut tags, &mut all)).await;
    drop(scan);
    all.sort_by_key(|seen: &Seen| std::cmp::Reverse(seen.rssi));
    all.truncate(tags_max);

    Ok(all)
}

async fn listen(scan: &mut Scan, tags: &mut BTreeSet<RequestTag>, all: &mut Vec<Seen>) {
    while let Some(seen) = scan.next().await {
        if tags.insert(seen.tag) {
            all.push(seen);
        }
    }
}
