//! Payments under way: who follows them, who decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ops_proto::Digest;
use ops_proto::contract::Pin;
use tokio::sync::watch;

use super::types::{Direction, Money, NOT_FOUND, Payment, PaymentState};
use crate::clock;
use crate::shutdown::Shutdown;
use crate::wallet::{FailureClass, Offer, PaymentControls, PaymentEvent, PaymentHandle, Wallet};

/// Payments that are remembered under the id they began with.
pub(super) const SESSIONS_MAX: usize = 64;

/// Payments under way, and those that have just ended.
#[derive(Debug)]
pub(super) struct Sessions {
    sessions: Mutex<BTreeMap<u64, Arc<Session>>>,
    /// Payments whose link broke after the debit: a receipt that comes was resumed.
    interrupted: Arc<Mutex<BTreeSet<Digest>>>,
}

/// One payment under way.
#[derive(Debug)]
pub(super) struct Session {
    view: watch::Sender<Payment>,
    controls: PaymentControls,
}

impl Sessions {
    pub(super) fn new(wallet: &Wallet) -> Self {
        let unacknowledged = wallet.journal().view(|book| {
            let pairs = book.to_resume().filter_map(|payment| payment.pair.as_ref());
            pairs.map(ops_proto::PaymentPair::hash).collect()
        });

        Self {
            sessions: Mutex::default(),
            interrupted: Arc::new(Mutex::new(unacknowledged)),
        }
    }

    /// Follows a payment that has begun.
    pub(super) fn begin(
        &self,
        handle: PaymentHandle,
        approved: Approved,
        shutdown: &Shutdown,
    ) -> Payment {
        let mut sessions = lock(&self.sessions);
        let number = sessions
            .last_key_value()
            .map_or(1, |(number, _)| number.saturating_add(1));
        while sessions.len() >= SESSIONS_MAX {
            let _oldest = sessions.pop_first();
        }
        let payment = begun(&id_of(number));
        let session = Arc::new(Session {
            view: watch::Sender::new(payment.clone()),
            controls: handle.controls(),
        });
        let _none = sessions.insert(number, Arc::clone(&session));
        let interrupted = Arc::clone(&self.interrupted);
        let stop = shutdown.stop();
        shutdown.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = follow(&session, handle, approved, &interrupted) => {}
            }
        });

        payment
    }

    /// Returns the payment that began with this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let sessions = lock(&self.sessions);
        let mut found = sessions
            .iter()
            .filter(|(number, session)| id_of(**number) == id || session.view.borrow().id == id);

        found.next().map(|(_, session)| Arc::clone(session))
    }

    /// Whether the link broke after the debit.
    pub(super) fn was_interrupted(&self, payment: &Digest) -> bool {
        lock(&self.interrupted).contains(payment)
    }
}

impl Session {
    pub(super) fn payment(&self) -> Payment {
        self.view.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Payment> {
        self.view.subscribe()
    }

    /// The person says yes to what is shown.
    pub(super) fn approve(&self, pin: Option<Pin>) -> Approval {
        let payment = self.view.borrow();
        match payment.state {
            PaymentState::Searching => Approval::NotYet,
            PaymentState::AwaitsApproval if payment.pin_tries_left.is_some() && pin.is_none() => {
                Approval::NoPin
            }
            PaymentState::AwaitsApproval if self.controls.approve(pin) => Approval::Taken,
            PaymentState::AwaitsApproval
            | PaymentState::Paying
            | PaymentState::Resuming
            | PaymentState::Unconfirmed
            | PaymentState::Received
            | PaymentState::Held
            | PaymentState::Declined
            | PaymentState::Failed => Approval::TooLate,
        }
    }

    /// The person says no; `false` when there is nothing to decide.
    pub(super) fn decline(&self) -> bool {
        self.controls.decline()
    }
}

/// What became of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Approval {
    /// It counts.
    Taken,
    /// Name, amount, memo and code are not shown yet: there is nothing to approve.
    NotYet,
    /// The TA asks for the PIN, and it was not given.
    NoPin,
    /// There is nothing to decide any more.
    TooLate,
}

/// Whether a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Approved {
    /// A person decides.
    ByPerson,
    /// The policy decides; where it does not allow it, nothing is paid.
    ByPolicy,
}

async fn follow(
    session: &Session,
    mut handle: PaymentHandle,
    approved: Approved,
    interrupted: &Mutex<BTreeSet<Digest>>,
) {
    let mut forbidden = None;
    while let Some(event) = handle.next().await {
        if let PaymentEvent::Interrupted { payment } = &event {
            let _new = lock(interrupted).insert(*payment);
        }
        if let (
            Approved::ByPolicy,
            PaymentEvent::Locked {
                by_policy: false,
                pin,
                ..
            },
        ) = (approved, &event)
        {
            forbidden = Some(if pin.is_some() { PIN_NEEDED } else { FORBIDDEN });
            let _ended_already = session.controls.decline();
        }
        session.view.send_modify(|payment| {
            apply(payment, event);
            if let Some(reason) = forbidden {
                fail(payment, PaymentState::Failed, reason);
            }
        });
    }
    session.view.send_modify(|payment| match payment.state {
        PaymentState::Searching | PaymentState::AwaitsApproval => {
            fail(payment, PaymentState::Failed, "the payment was given up");
        }
        PaymentState::Paying | PaymentState::Resuming => {
            payment.state = PaymentState::Unconfirmed;
        }
        PaymentState::Unconfirmed
        | PaymentState::Received
        | PaymentState::Held
        | PaymentState::Declined
        | PaymentState::Failed => {}
    });
}

/// Nobody may approve without a person here, so nothing is paid.
const FORBIDDEN: &str = "the policy does not allow this without a person: name the payee with blepay trust, or raise its daily sum";

/// The TA asks for what only a person knows.
const PIN_NEEDED: &str = "the PIN is asked for: give it with --pin-file, or pay without --yes";

fn apply(payment: &mut Payment, event: PaymentEvent) {
    match event {
        PaymentEvent::Searching | PaymentEvent::Connecting => {
            payment.state = PaymentState::Searching;
        }
        PaymentEvent::Offer(offer) => show(payment, &offer),
        PaymentEvent::Code(code) => payment.code = Some(code.to_string()),
        PaymentEvent::Locked {
            memo,
            by_policy,
            pin,
        } => {
            payment.pin_tries_left = pin;
            payment.memo = Some(memo.as_str().to_owned());
            payment.state = if by_policy {
                PaymentState::Paying
            } else {
                PaymentState::AwaitsApproval
            };
        }
        PaymentEvent::Paying => payment.state = PaymentState::Paying,
        PaymentEvent::Signed { payment: hash } => name(payment, &hash),
        PaymentEvent::Paid { payment: hash, .. } => {
            name(payment, &hash);
            payment.receipt_verified = true;
            payment.resumed = payment.state == PaymentState::Resuming;
            payment.reason = None;
            payment.state = PaymentState::Received;
        }
        PaymentEvent::Held { payment: hash } => {
            name(payment, &hash);
            payment.state = PaymentState::Held;
        }
        PaymentEvent::Interrupted { payment: hash } => {
            name(payment, &hash);
            fail(
                payment,
                PaymentState::Resuming,
                "the link broke after the debit",
            );
        }
        PaymentEvent::Failed { class, message } => {
            let state = match class {
                FailureClass::Declined => PaymentState::Declined,
                FailureClass::Unknown => PaymentState::Unconfirmed,
                FailureClass::NotFound
                | FailureClass::Busy
                | FailureClass::NotAsExpected
                | FailureClass::Untrusted
                | FailureClass::RefusedByPayee
                | FailureClass::RefusedByTa
                | FailureClass::AlreadyPaid
                | FailureClass::Internal => PaymentState::Failed,
            };
            fail(payment, state, &message);
            payment.failure = Some(code(class).to_owned());
        }
    }
}

const fn code(class: FailureClass) -> &'static str {
    match class {
        FailureClass::NotFound => NOT_FOUND,
        FailureClass::Busy => "busy",
        FailureClass::NotAsExpected => "not_as_expected",
        FailureClass::Untrusted => "untrusted",
        FailureClass::RefusedByPayee => "refused_by_payee",
        FailureClass::RefusedByTa => "refused_by_ta",
        FailureClass::Declined => "declined",
        FailureClass::AlreadyPaid => "already_paid",
        FailureClass::Unknown => "unknown",
        FailureClass::Internal => "internal",
    }
}

fn show(payment: &mut Payment, offer: &Offer) {
    payment.peer = Some(offer.payee.to_string());
    payment.peer_key = Some(offer.payee_key.to_string());
    payment.peer_provider = Some(offer.provider.to_string());
    payment.amount = Some(Money::of(offer.amount, offer.currency));
    payment.request_id = Some(offer.request_id.to_string());
    payment.refund_of = offer.refund_of.map(|hash| hash.to_string());
}

fn name(payment: &mut Payment, hash: &Digest) {
    payment.id = hash.to_string();
    payment.hash = Some(hash.to_string());
}

fn fail(payment: &mut Payment, state: PaymentState, reason: &str) {
    payment.state = state;
    payment.reason = Some(reason.to_owned());
}

fn begun(id: &str) -> Payment {
    Payment {
        id: id.to_owned(),
        direction: Direction::Out,
        state: PaymentState::Searching,
        reason: None,
        failure: None,
        peer: None,
        peer_key: None,
        peer_provider: None,
        amount: None,
        memo: None,
        code: None,
        request_id: None,
        j: None,
        hash: None,
        receipt_verified: false,
        resumed: false,
        reported: false,
        settlement: None,
        settled: false,
        pin_tries_left: None,
        refund_of: None,
        refunded: None,
        at_ms: clock::now().as_ms(),
    }
}

/// Ids of payments without a P yet; no hash begins like this.
fn id_of(number: u64) -> String {
    format!("p{number}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
