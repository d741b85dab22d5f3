//! Payments that nobody has acknowledged: sent again, byte for byte, when their payee is met.
//!
//! Runs in the background with a growing pause, gives way to people, and ends its work when the receipt
//! is here or the server has said where the money is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ble_proto::gatt::RequestTag;
use ble_proto::limits::VISITS_PER_SCAN_MAX;
use ble_proto::payment::payer::Purpose;
use ble_proto::session::UriSecret;
use ble_proto::uri::PaymentUri;
use journal::{Book, Found};
use ops_proto::PublicKey;
use radio::Seen;
use tokio::time::Instant;

use super::nearby::look;
use super::search;
use super::visit::visit;
use crate::Shared;

/// The pause after the first try; it doubles with each that brings nothing.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// How long one try listens.
const LISTEN: Duration = Duration::from_secs(5);

/// The longest visit to a payee: the connection and the answers to what is sent again.
const MEET_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a tag that led nowhere is left alone.
const AVOID: Duration = Duration::from_secs(60);

/// Runs until the stop.
pub(crate) async fn run(shared: Arc<Shared>) {
    let stop = shared.shutdown.stop();
    let resuming = async {
        let mut background = Background {
            shared: Arc::clone(&shared),
            avoid: BTreeMap::new(),
        };
        background.run().await;
    };
    tokio::select! {
        biased; // a stop is never starved; a visit that is dropped is resumed by the next start
        () = stop.cancelled() => {}
        () = resuming => {}
    }
}

struct Background {
    shared: Arc<Shared>,
    /// Tags that led nowhere, and since when.
    avoid: BTreeMap<RequestTag, Instant>,
}

/// What is looked for.
struct Unconfirmed {
    tags: BTreeMap<RequestTag, Option<PaymentUri>>,
    payees: BTreeSet<PublicKey>,
}

impl Background {
    async fn run(&mut self) {
        let mut facts = self.shared.journal.subscribe();
        let mut pause = PAUSE_MIN;
        loop {
            if self.shared.journal.view(open_payments) == 0 {
                pause = PAUSE_MIN;
                // a lagging subscription is as good a reason to look as a fact
                let _fact = facts.recv().await;
                continue;
            }
            if !self.shared.payer.is_wanted() {
                let before = self.shared.journal.view(open_payments);
                self.try_once().await;
                let after = self.shared.journal.view(open_payments);
                pause = if after < before {
                    PAUSE_MIN
                } else {
                    pause.saturating_mul(2).min(PAUSE_MAX)
                };
            }
            tokio::select! {
                biased; // both end the pause
                () = tokio::time::sleep(pause) => {}
                () = self.shared.payer.wake.notified() => pause = PAUSE_MIN,
            }
        }
    }

    /// Listens once and visits who may be a payee of ours.
    async fn try_once(&mut self) {
        let shared = Arc::clone(&self.shared);
        let _turn = shared.payer.turn.lock().await;
        self.avoid.retain(|_, since| since.elapsed() < AVOID);
        let mut visited = BTreeSet::new();
        while visited.len() < VISITS_PER_SCAN_MAX && !shared.payer.is_wanted() {
            let wanted = shared.journal.view(Unconfirmed::of);
            if wanted.payees.is_empty() {
                return;
            }
            let Some(seen) = self.listen(&wanted, &visited).await else {
                return;
            };
            visited.insert(seen.tag);
            self.meet(wanted, seen).await;
        }
    }

    async fn listen(&self, wanted: &Unconfirmed, visited: &BTreeSet<RequestTag>) -> Option<Seen> {
        let shared = &self.shared;
        let is_wanted = |seen: &Seen| {
            if visited.contains(&seen.tag) {
                return false;
            }
            if wanted.tags.contains_key(&seen.tag) {
                return true;
            }
            match shared.payer.known(seen.tag) {
                Some(known) => wanted.payees.contains(&known.payee),
                None => !self.avoid.contains_key(&seen.tag),
            }
        };
        let person = async {
            while !shared.payer.is_wanted() {
                shared.payer.wake.notified().await;
            }
        };
        let none_failed = search::Failures::default();
        tokio::select! {
            biased; // a person goes first
            () = person => None,
            found = search::find(shared, LISTEN, &none_failed, is_wanted) => found.unwrap_or_else(|error| {
                tracing::debug!(%error, "Nothing is heard without a radio");
                None
            }),
        }
    }

    async fn meet(&mut self, mut wanted: Unconfirmed, seen: Seen) {
        let tag = seen.tag;
        let purpose = match wanted.tags.remove(&tag) {
            Some(Some(uri)) => Purpose::PayScanned { uri },
            Some(None) => Purpose::Resume { tag },
            None => {
                if !matches!(look(&self.shared, seen).await, Ok(Some(_))) {
                    self.avoid.insert(tag, Instant::now());
                }
                return;
            }
        };
        let visiting = visit(&self.shared, seen.peer, purpose, None);
        match tokio::time::timeout(MEET_TIMEOUT, visiting).await {
            Ok(Ok(visited)) => tracing::debug!(outcome = ?visited.outcome, "Met a payee again"),
            Ok(Err(error)) => tracing::debug!(%error, "A payee could not be met again"),
            Err(_elapsed) => tracing::debug!("A payee took too long"),
        }
    }
}

impl Unconfirmed {
    fn of(book: &Book) -> Self {
        let mut wanted = Self {
            tags: BTreeMap::new(),
            payees: BTreeSet::new(),
        };
        for payment in book.to_resume() {
            wanted.payees.insert(payment.payee());
            let (tag, uri) = match &payment.found {
                Some(Found::Heard(tag)) => (*tag, None),
                Some(Found::Scanned { tag, secret }) => {
                    let uri = PaymentUri {
                        tag: *tag,
                        payee: payment.request.body().noise_key,
                        secret: UriSecret::from_bytes(*secret.expose()),
                        hint: None,
                    };
                    (*tag, Some(uri))
                }
                None => continue,
            };
            wanted.tags.insert(tag, uri);
        }

        wanted
    }
}

fn open_payments(book: &Book) -> usize {
    book.to_resume().count()
}
