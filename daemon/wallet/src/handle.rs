//! The two ends of a payment under way: who follows and decides it, and who carries it out.

use ops_proto::contract::Pin;
use tokio::sync::{mpsc, watch};

use super::payment::{Asks, PaymentEvent};
use super::progress::Progress;

/// A payment under way: its events, and the controls.
#[derive(Debug)]
pub struct PaymentHandle {
    events: mpsc::Receiver<PaymentEvent>,
    progress: watch::Receiver<Progress>,
    controls: PaymentControls,
}

/// Approves or declines. Cloning it is cheap, so that another request of the API can hold it.
#[derive(Clone, Debug)]
pub struct PaymentControls {
    decisions: mpsc::Sender<Decision>,
}

/// The other end: tells what happens.
#[derive(Debug)]
pub(super) struct Teller {
    events: mpsc::Sender<PaymentEvent>,
    progress: watch::Sender<Progress>,
    pub(super) asks: Asks,
}

/// What the person says.
#[derive(Debug)]
pub(super) enum Decision {
    Approve(Option<Pin>),
    Decline,
}

/// How many events of one payment may wait for the holder of its handle.
pub(super) const PAYMENT_EVENTS_MAX: usize = 32;

impl PaymentHandle {
    /// Makes both ends.
    pub(super) fn new(asks: Asks) -> (Self, Teller, mpsc::Receiver<Decision>) {
        let (events_in, events) = mpsc::channel(PAYMENT_EVENTS_MAX);
        let (progress_in, progress) = watch::channel(Progress::begun());
        let (decisions, decisions_out) = mpsc::channel(1);
        let handle = Self {
            events,
            progress,
            controls: PaymentControls { decisions },
        };
        let teller = Teller {
            events: events_in,
            progress: progress_in,
            asks,
        };

        (handle, teller, decisions_out)
    }

    /// Returns the next event; `None` after the last. Cancel safe.
    pub async fn next(&mut self) -> Option<PaymentEvent> {
        self.events.recv().await
    }

    /// Returns how far the payment is; a watch, which outlives the handle.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Returns the controls, to be kept elsewhere.
    #[must_use]
    pub fn controls(&self) -> PaymentControls {
        self.controls.clone()
    }
}

impl Teller {
    /// Tells whoever follows; the queue has room for all events of a payment.
    pub(super) fn tell(&self, event: PaymentEvent) {
        self.progress.send_modify(|progress| progress.apply(&event));
        let _nobody_follows = self.events.try_send(event);
    }

    /// Returns when nobody holds the handle any more.
    pub(super) async fn unfollowed(&self) {
        self.events.closed().await;
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.progress.send_modify(Progress::end);
    }
}

impl PaymentControls {
    /// Approves what [`PaymentEvent::Offer`], `Code` and `Locked` showed. Call it once the offer is known: an
    /// earlier call is ignored. Returns `false` when the payment has ended or was decided already.
    #[must_use]
    pub fn approve(&self, pin: Option<Pin>) -> bool {
        self.decisions.try_send(Decision::Approve(pin)).is_ok()
    }

    /// Declines. Returns `false` when the payment has ended or was decided already.
    #[must_use]
    pub fn decline(&self) -> bool {
        self.decisions.try_send(Decision::Decline).is_ok()
    }
}
