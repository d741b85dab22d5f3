//! Who is heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ble_proto::gatt::RequestTag;
use radio::{PeerAddress, RadioError, Scan, Seen};

use crate::Shared;

/// How long is listened for a peer that has not failed, where only others are heard.
const OTHERS_HEARD_MAX: Duration = Duration::from_secs(2);

/// Where a payee may be: whoever copies its tag has another address.
pub(super) type Peer = (RequestTag, PeerAddress);

/// How often visits to peers have failed in one payment.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<Peer, u32>);

impl Failures {
    /// Takes note of a visit that failed.
    pub(super) fn add(&mut self, peer: Peer) {
        let failures = self.0.entry(peer).or_default();
        *failures = failures.saturating_add(1);
    }

    fn of(&self, seen: &Seen) -> u32 {
        let peer = (seen.tag, seen.peer.clone());

        self.0.get(&peer).copied().unwrap_or(0)
    }
}

/// Listens until `wanted` takes an advertisement, or the time is over. A peer whose visits have failed goes to the end of
/// the line: it is taken when no other is heard.
///
/// The scan has ended when this returns: controllers scan or connect, not both.
pub(super) async fn find(
    shared: &Shared,
    duration: Duration,
    failures: &Failures,
    mut wanted: impl FnMut(&Seen) -> bool,
) -> Result<Option<Seen>, RadioError> {
    let mut scan = shared.radio.scan().await?;
    let time_over = tokio::time::sleep(duration);
    let others_heard = tokio::time::sleep(OTHERS_HEARD_MAX);
    tokio::pin!(time_over, others_heard);
    let mut best: Option<(u32, Seen)> = None;
    loop {
        tokio::select! {
            biased; // what is heard comes before the end of the time, which comes in the end
            seen = scan.next() => match seen {
                Some(seen) if wanted(&seen) => {
                    let failed = failures.of(&seen);
                    if failed == 0 {
                        return Ok(Some(seen));
                    }
                    if best.as_ref().is_none_or(|(least, _)| failed < *least) {
                        best = Some((failed, seen));
                    }
                }
                Some(_not_wanted) => {}
                None => break,
            },
            () = &mut others_heard, if best.is_some() => break,
            () = &mut time_over => break,
        }
    }

    Ok(best.map(|(_, seen)| seen))
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
