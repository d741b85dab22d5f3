//! The payer: finds payees, visits them, pays, and sends again what no receipt has answered.
//!
//! - [`visit`]: one visit, the machine's driver;
//! - [`search`]: who is heard;
//! - [`pay`]: one payment, from its order to its receipt;
//! - [`check`]: what keeps this device from paying what was offered;
//! - [`policy`]: what is paid without anybody being asked;
//! - [`nearby`]: a look at everyone;
//! - [`ask_ta`]: what the TA says when it is asked to pay;
//! - [`resume`]: unacknowledged payments, in the background.

mod ask_ta;
mod check;
pub(super) mod nearby;
pub(super) mod pay;
mod policy;
pub(super) mod resume;
mod search;
mod till;
mod visit;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ble_proto::gatt::RequestTag;
use ble_proto::limits::UNSETTLED_MAX;
use ble_proto::payment::payer::{Reveals, Unsettled};
use journal::Book;
use ops_proto::{Amount, PublicKey, RequestId};
use runtime::clock;
use tokio::sync::Notify;

/// Tags whose payee is remembered; the one heard longest ago is forgotten first.
const HEARD_MAX: usize = 64;

/// How long it is remembered who advertises a tag.
const HEARD_MS_MAX: u64 = 5 * 60 * 1000;

/// What the payer's parts share.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The radio's central side: one search or visit at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// People who wait for the turn: the background yields to them.
    waiting: AtomicUsize,
    /// Tells the background that somebody waits, or that there is something to resume.
    pub(super) wake: Notify,
    /// How often commitments were opened, kept while the daemon runs.
    reveals: Mutex<Reveals>,
    heard: Mutex<BTreeMap<RequestTag, Known>>,
}

/// What is known of a tag from a visit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) payee: PublicKey,
    pub(super) request: RequestId,
    pub(super) amount: Amount,
    at: ble_proto::time::Instant,
}

/// A person waits for the turn; the background yields while this lives.
#[derive(Debug)]
pub(super) struct Waits<'a>(&'a Desk);

impl Desk {
    /// Says that a person waits for the turn.
    pub(super) fn wait(&self) -> Waits<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_waiters();

        Waits(self)
    }

    /// Tells whether a person waits for the turn.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Remembers who advertises a tag.
    pub(super) fn remember(
        &self,
        tag: RequestTag,
        payee: PublicKey,
        request: RequestId,
        amount: Amount,
    ) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert(
            tag,
            Known {
                payee,
                request,
                amount,
                at: clock::monotonic(),
            },
        );
        if heard.len() > HEARD_MAX {
            let oldest = heard.iter().min_by_key(|(_, known)| known.at);
            if let Some(tag) = oldest.map(|(tag, _)| *tag) {
                heard.remove(&tag);
            }
        }
    }

    /// Returns what is known of a tag, if it was visited a short while ago.
    pub(super) fn known(&self, tag: RequestTag) -> Option<Known> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);

        heard
            .get(&tag)
            .copied()
            .filter(|known| clock::monotonic().ms_since(known.at) < HEARD_MS_MAX)
    }

    fn reveals(&self) -> MutexGuard<'_, Reveals> {
        self.reveals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        self.0.wake.notify_waiters();
    }
}

/// Returns what every visit carries along: payments that nobody has acknowledged.
fn unsettled(book: &Book) -> Vec<Unsettled> {
    book.to_resume()
        .filter_map(|payment| {
            let pair = payment.pair.clone()?;
            let sender = pair.payment.body().sender.body().clone();
            let provider = book.provider_of(&sender)?.clone();
            Some(Unsettled { pair, provider })
        })
        .take(UNSETTLED_MAX)
        .collect()
}
