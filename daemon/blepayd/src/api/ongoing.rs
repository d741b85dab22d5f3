//! Payments under way, under the ids that they began with.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api_types::Payment;
use ops_proto::contract::Pin;
use runtime::shutdown::Shutdown;
use tokio::sync::watch;
use wallet::{PaymentControls, PaymentHandle, PaymentStage, Progress};

use super::live;

/// Payments that are remembered under the id they began with.
pub(super) const ONGOING_MAX: usize = 64;

/// Payments under way, and those that have just ended.
#[derive(Debug, Default)]
pub(super) struct OngoingPayments {
    payments: Mutex<BTreeMap<u64, Arc<OngoingPayment>>>,
}

/// One payment under way.
#[derive(Debug)]
pub(super) struct OngoingPayment {
    /// Names it until there is a P.
    id: String,
    progress: watch::Receiver<Progress>,
    controls: PaymentControls,
    /// Streams of events that somebody reads.
    followers: AtomicUsize,
}

/// Somebody who reads the events of a payment.
#[derive(Debug)]
pub(super) struct Follower(Arc<OngoingPayment>);

impl OngoingPayments {
    /// Follows a payment that has begun.
    pub(super) fn begin(&self, mut handle: PaymentHandle, shutdown: &Shutdown) -> Payment {
        let mut payments = self.lock();
        let number = payments
            .last_key_value()
            .map_or(1, |(number, _)| number.saturating_add(1));
        while payments.len() >= ONGOING_MAX {
            let _oldest = payments.pop_first();
        }
        let ongoing = Arc::new(OngoingPayment {
            // no hash begins like this
            id: format!("p{number}"),
            progress: handle.progress(),
            controls: handle.controls(),
            followers: AtomicUsize::new(0),
        });
        let _none = payments.insert(number, Arc::clone(&ongoing));
        let stop = shutdown.stop();
        shutdown.spawn(async move {
            // whoever drops the handle declines
            let ended = async { while handle.next().await.is_some() {} };
            tokio::select! {
                biased; // a stop is never starved
                () = stop.cancelled() => {}
                () = ended => {}
            }
        });

        ongoing.payment()
    }

    /// Returns the payment that began with this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<OngoingPayment>> {
        let payments = self.lock();
        let mut found = payments
            .values()
            .filter(|ongoing| ongoing.id == id || ongoing.payment().id == id);

        found.next().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<OngoingPayment>>> {
        self.payments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    pub(super) fn of(ongoing: Arc<OngoingPayment>) -> Self {
        let _before = ongoing.followers.fetch_add(1, Ordering::AcqRel);

        Self(ongoing)
    }

    pub(super) fn ongoing(&self) -> &OngoingPayment {
        &self.0
    }
}

impl Drop for Follower {
    /// The last one who leaves before anything is approved has said no: neither device waits for an answer that cannot come.
    fn drop(&mut self) {
        let was_last = self.0.followers.fetch_sub(1, Ordering::AcqRel) == 1;
        if was_last && self.0.is_undecided() {
            let _too_late = self.0.decline();
        }
    }
}

impl OngoingPayment {
    fn is_undecided(&self) -> bool {
        let stage = &self.progress.borrow().stage;

        matches!(
            stage,
            PaymentStage::Searching | PaymentStage::AwaitsApproval
        )
    }

    pub(super) fn payment(&self) -> Payment {
        self.view(&self.progress.borrow())
    }

    pub(super) fn view(&self, progress: &Progress) -> Payment {
        live::payment(&self.id, progress)
    }

    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The person says yes to what is shown.
    pub(super) fn approve(&self, pin: Option<Pin>) -> ApprovalOutcome {
        let progress = self.progress.borrow();
        match progress.stage {
            PaymentStage::Searching => ApprovalOutcome::NotYet,
            PaymentStage::AwaitsApproval if progress.pin_tries_left.is_some() && pin.is_none() => {
                ApprovalOutcome::NoPin
            }
            PaymentStage::AwaitsApproval if self.controls.approve(pin) => ApprovalOutcome::Taken,
            PaymentStage::AwaitsApproval
            | PaymentStage::Paying
            | PaymentStage::Resuming
            | PaymentStage::Unconfirmed
            | PaymentStage::Received
            | PaymentStage::Held
            | PaymentStage::Arrived
            | PaymentStage::Failed { .. }
            | PaymentStage::GivenUp => ApprovalOutcome::TooLate,
        }
    }

    /// The person says no; `false` when there is nothing to decide.
    pub(super) fn decline(&self) -> bool {
        self.controls.decline()
    }
}

/// What became of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApprovalOutcome {
    /// It counts.
    Taken,
    /// Name, amount, memo and code are not shown yet: there is nothing to approve.
    NotYet,
    /// The TA asks for the PIN, and it was not given.
    NoPin,
    /// There is nothing to decide any more.
    TooLate,
}
