//! One payment, from its order to its receipt.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ble_proto::error::{Failure, Misbehaviour, Waiting};
use ble_proto::gatt::RequestTag;
use ble_proto::message::RefuseReason;
use ble_proto::payment::payer::{Expected, KnownPayee, Outcome, Purpose};
use ble_proto::uri::PaymentUri;
use journal::book::PaymentKey;
use journal::{Fact, Found, UriSecretBytes};
use ops_proto::{Digest, PublicKey};
use radio::{AbsentReason, RadioError, Seen};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::policy::PolicyUse;
use super::search;
use super::till::{PaidRequests, Till};
use super::visit::{Visited, is_worth_retrying, visit};
use crate::handle::{Decision, Teller};
use crate::{
    Asks, FailureClass, PaymentEvent, PaymentOrder, Shared, Target, WalletError, WalletEvent,
    bounds,
};

/// Unknown tags that are visited for a payee known by its key.
const TAGS_TRIED_MAX: usize = ble_proto::limits::VISITS_PER_SCAN_MAX;

/// How long an interrupted payment is followed for whoever holds the handle.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs one payment; its events end with it.
pub(crate) async fn run(
    shared: Arc<Shared>,
    order: PaymentOrder,
    teller: Teller,
    decisions: mpsc::Receiver<Decision>,
) {
    let mut aim = Aim::of(order);
    let pin = aim.order.pin.take();
    let paid_requests = match aim.order.target {
        Target::Payee(_) => PaidRequests::PassOver,
        Target::Tag(_) | Target::Uri(_) => PaidRequests::Fail,
    };
    let offer = (aim.order.expected, paid_requests);
    let mut till = Till::new(teller, decisions, (aim.found(), aim.policy), offer, pin);
    till.tell(PaymentEvent::Searching);
    let last = take_turn_and_pay(&shared, &aim, &mut till).await;
    let interrupted = match &last {
        PaymentEvent::Interrupted { payment } => Some(*payment),
        PaymentEvent::Failed { class, message } => {
            tracing::info!(?class, "A payment failed");
            tracing::debug!(message, "A payment failed");
            shared.tell(WalletEvent::PaymentFailed);
            None
        }
        PaymentEvent::Waiting
        | PaymentEvent::Searching
        | PaymentEvent::Connecting
        | PaymentEvent::Offer(_)
        | PaymentEvent::Code(_)
        | PaymentEvent::Locked { .. }
        | PaymentEvent::Paying
        | PaymentEvent::Signed { .. }
        | PaymentEvent::Held { .. }
        | PaymentEvent::Arrived { .. } => None,
        PaymentEvent::Paid { payment, .. } => {
            tracing::info!(%payment, "Paid");
            None
        }
    };
    till.tell_end(&shared, last);
    if let Some(payment) = interrupted {
        shared.payer.wake.notify_waiters();
        follow(&shared, payment, &till).await;
    }
}

/// What is aimed at, by the order.
struct Aim {
    order: PaymentOrder,
    policy: PolicyUse,
}

impl Aim {
    const fn of(order: PaymentOrder) -> Self {
        let policy = match (&order.target, order.asks) {
            (_, Asks::Always) => PolicyUse::Ask,
            (Target::Tag(_) | Target::Payee(_), Asks::UnlessPolicy | Asks::Never) => {
                PolicyUse::Named
            }
            (Target::Uri(_), Asks::UnlessPolicy | Asks::Never) => PolicyUse::Scanned,
        };

        Self { order, policy }
    }

    fn found(&self) -> Found {
        match &self.order.target {
            Target::Tag(tag) => Found::Heard(*tag),
            // replaced by the tag under which the payee is found
            Target::Payee(_) => Found::Heard(RequestTag([0; 6])),
            Target::Uri(uri) => Found::Scanned {
                tag: uri.tag,
                secret: UriSecretBytes::new(*uri.secret.to_bytes()),
            },
        }
    }

    /// Tells whether an advertisement is worth a visit.
    fn wants(&self, shared: &Shared, tried: &BTreeSet<RequestTag>, seen: &Seen) -> bool {
        match &self.order.target {
            Target::Tag(tag) => seen.tag == *tag,
            Target::Uri(uri) => seen.tag == uri.tag,
            Target::Payee(payee) => {
                !tried.contains(&seen.tag)
                    && shared.payer.known(seen.tag).is_none_or(|known| {
                        let key = PaymentKey::new(known.payee, known.request);
                        known.payee == *payee && !shared.has_paid(&key)
                    })
            }
        }
    }

    fn purpose(&self, shared: &Shared, tag: RequestTag) -> Purpose {
        let known = shared.payer.known(tag);
        let expected = match &self.order.target {
            Target::Uri(uri) => {
                return Purpose::PayScanned { uri: again(uri) };
            }
            Target::Payee(payee) => Expected {
                payee: Some(from(shared, *payee)),
                request: None,
                amount: self.order.expected,
            },
            Target::Tag(_) => Expected {
                payee: known.map(|known| from(shared, known.payee)),
                request: known.map(|known| known.request),
                amount: self
                    .order
                    .expected
                    .or_else(|| known.map(|known| known.amount)),
            },
        };

        Purpose::Pay { tag, expected }
    }
}

/// Returns where a payee's key is known from.
fn from(shared: &Shared, payee: PublicKey) -> KnownPayee {
    let named = shared
        .journal
        .view(|book| book.approved_payees().any(|(key, _)| *key == payee));
    if named {
        KnownPayee::NamedByOwner(payee)
    } else {
        KnownPayee::SeenWhileBrowsing(payee)
    }
}

/// Returns the same URI once more: a visit uses one up.
fn again(uri: &PaymentUri) -> PaymentUri {
    PaymentUri {
        tag: uri.tag,
        payee: uri.payee,
        secret: ble_proto::session::UriSecret::from_bytes(*uri.secret.to_bytes()),
        hint: uri.hint,
    }
}

async fn take_turn_and_pay(shared: &Arc<Shared>, aim: &Aim, till: &mut Till) -> PaymentEvent {
    let stop = shared.shutdown.stop();
    let waits = shared.payer.wait();
    let turn = match shared.payer.turn.try_lock() {
        Ok(turn) => turn,
        Err(_taken) => {
            till.tell(PaymentEvent::Waiting);
            let turn = tokio::select! {
                biased; // a stop is never starved
                () = stop.cancelled() => return failed(FailureClass::Internal, "the daemon is stopping"),
                () = till.declined() => return declined(),
                turn = shared.payer.turn.lock() => turn,
            };
            till.tell(PaymentEvent::Searching);
            turn
        }
    };
    drop(waits);
    let paid = pay(shared, aim, till).await;
    drop(turn);

    paid
}

async fn pay(shared: &Arc<Shared>, aim: &Aim, till: &mut Till) -> PaymentEvent {
    let stop = shared.shutdown.stop();
    let mut tried = BTreeSet::new();
    let mut failures = search::Failures::default();
    let ends = Instant::now().checked_add(aim.order.search);
    let time_left = || ends.map_or(aim.order.search, |ends| ends.duration_since(Instant::now()));
    let mut last_failure = None;
    loop {
        let found = {
            let wanted = |seen: &Seen| aim.wants(shared, &tried, seen);
            tokio::select! {
                biased; // a stop is never starved
                () = stop.cancelled() => return failed(FailureClass::Internal, "the daemon is stopping"),
                () = till.declined() => return declined(),
                found = search::find(shared, time_left(), &failures, wanted) => found,
            }
        };
        let seen = match found {
            Ok(Some(seen)) => seen,
            Ok(None) => return last_failure.unwrap_or_else(|| not_heard(shared)),
            Err(error) => return failed(FailureClass::Internal, &error.to_string()),
        };
        till.tell(PaymentEvent::Connecting);
        till.found = match aim.found() {
            Found::Heard(_) => Found::Heard(seen.tag),
            scanned @ Found::Scanned { .. } => scanned,
        };
        let purpose = aim.purpose(shared, seen.tag);
        till.look_at_ta(shared).await;
        let visited = visit(shared, seen.peer.clone(), purpose, Some(till)).await;
        match next(shared, aim, till, visited).await {
            Next::End(event) => return event,
            Next::OtherPayee if tried.len() < TAGS_TRIED_MAX => {
                tried.insert(seen.tag);
            }
            Next::OtherPayee => return not_heard(shared),
            Next::Again(event) if time_left().is_zero() => return event,
            Next::Again(event) => {
                failures.add((seen.tag, seen.peer));
                last_failure = Some(event);
            }
        }
    }
}

/// What follows a visit.
enum Next {
    /// The payment has ended, with this event.
    End(PaymentEvent),
    /// Nothing was shown yet: try again, and fail with this event at last.
    Again(PaymentEvent),
    /// Somebody else advertises this tag.
    OtherPayee,
}

async fn next(
    shared: &Shared,
    aim: &Aim,
    till: &mut Till,
    visited: Result<Visited, WalletError>,
) -> Next {
    let Visited { outcome, offered } = match visited {
        Ok(visited) => visited,
        Err(WalletError::Radio(RadioError::Absent(reason))) => {
            return Next::Again(radio_absent(&reason));
        }
        Err(WalletError::Radio(error)) => {
            return Next::Again(failed(FailureClass::NotFound, &error.to_string()));
        }
        Err(error) => return Next::End(failed(FailureClass::Internal, &error.to_string())),
    };
    if till.take_passed_over() {
        return Next::OtherPayee;
    }
    if let Some((class, message)) = till.take_failure() {
        return Next::End(PaymentEvent::Failed { class, message });
    }
    let nothing_shown = offered.is_none();
    match outcome {
        Outcome::Failed(Failure::PeerMisbehaved(Misbehaviour::NotWhatWasChosen))
            if matches!(aim.order.target, Target::Payee(_)) && aim.order.expected.is_none() =>
        {
            Next::OtherPayee
        }
        Outcome::Failed(failure) if nothing_shown && is_worth_retrying(&failure) => {
            Next::Again(of_failure(&failure))
        }
        Outcome::Failed(failure) => Next::End(of_failure(&failure)),
        Outcome::Paid { pair, receipt } => Next::End(PaymentEvent::Paid {
            payment: pair.hash(),
            receipt: *receipt,
        }),
        Outcome::Unanswered { payment, .. } => Next::End(PaymentEvent::Interrupted { payment }),
        Outcome::Held { payment } | Outcome::NotAccepted { payment, .. } => {
            shared.append_surely(Fact::HeldByPayee { payment }).await;
            Next::End(PaymentEvent::Held { payment })
        }
        Outcome::PaidBefore { .. } => Next::End(failed(FailureClass::AlreadyPaid, PAID_BEFORE)),
        Outcome::Busy => Next::End(failed(FailureClass::Busy, BUSY)),
        Outcome::Refused(reason) => Next::End(failed(of_refusal(reason), &reason.to_string())),
        Outcome::Declined => Next::End(declined()),
        Outcome::RevealsExhausted => Next::End(failed(FailureClass::Untrusted, ASK_ANEW)),
        Outcome::Browsed | Outcome::Resumed { .. } => {
            Next::End(failed(FailureClass::Internal, "the visit ended too early"))
        }
    }
}

/// Follows an interrupted payment until its answer comes in the background, or the server's word that the money has
/// arrived, while somebody cares.
async fn follow(shared: &Shared, payment: Digest, till: &Till) {
    let mut facts = shared.journal.subscribe();
    let answered = async {
        loop {
            let end = shared.journal.view(|book| {
                let outgoing = book.outgoing_by_hash(&payment)?;
                if let Some((receipt, _)) = &outgoing.receipt {
                    let receipt = receipt.clone();
                    return Some(PaymentEvent::Paid { payment, receipt });
                }
                if outgoing.is_settled() {
                    return Some(PaymentEvent::Arrived { payment });
                }
                outgoing.held.then_some(PaymentEvent::Held { payment })
            });
            if let Some(end) = end {
                return till.tell(end);
            }
            if let Err(tokio::sync::broadcast::error::RecvError::Closed) = facts.recv().await {
                return;
            }
        }
    };
    let stop = shared.shutdown.stop();
    tokio::select! {
        biased; // whichever is first ends it; none can starve another
        () = stop.cancelled() => {}
        () = till.unfollowed() => {}
        () = tokio::time::sleep(FOLLOW_TIMEOUT) => {}
        () = answered => {}
    }
}

fn of_failure(failure: &Failure) -> PaymentEvent {
    let class = match failure {
        Failure::TimedOut(Waiting::OwnChoice | Waiting::Approval) => FailureClass::Declined,
        Failure::LinkLost | Failure::TimedOut(_) | Failure::UnknownRequest | Failure::Evicted => {
            FailureClass::NotFound
        }
        Failure::PeerMisbehaved(Misbehaviour::NotWhatWasChosen) => FailureClass::NotAsExpected,
        Failure::Frame(_)
        | Failure::Session(_)
        | Failure::Malformed(_)
        | Failure::PeerMisbehaved(_)
        | Failure::PeerIncompatible(_)
        | Failure::Approval(_) => FailureClass::Untrusted,
        Failure::PeerAborted(_) | Failure::Flooded => FailureClass::RefusedByPayee,
        Failure::TaRefused => FailureClass::RefusedByTa,
        Failure::ApiMisuse(_) => FailureClass::Internal,
    };
    let cause = std::error::Error::source(failure).map(|cause| format!(": {cause}"));

    failed(class, &format!("{failure}{}", cause.unwrap_or_default()))
}

const fn of_refusal(reason: RefuseReason) -> FailureClass {
    match reason {
        RefuseReason::Closed
        | RefuseReason::Paid
        | RefuseReason::Sender
        | RefuseReason::Revoked
        | RefuseReason::Payment => FailureClass::RefusedByPayee,
    }
}

/// Nobody was heard: the payee is away, unless this device hears nothing.
fn not_heard(shared: &Shared) -> PaymentEvent {
    match bounds::absent(shared) {
        Some(reason) => radio_absent(&reason),
        None => failed(FailureClass::NotFound, NOT_HEARD),
    }
}

fn radio_absent(reason: &AbsentReason) -> PaymentEvent {
    let message = WalletError::RadioAbsent(reason.clone()).to_string();

    failed(FailureClass::RadioAbsent, &message)
}

fn declined() -> PaymentEvent {
    failed(FailureClass::Declined, "declined; nothing was debited")
}

fn failed(class: FailureClass, message: &str) -> PaymentEvent {
    PaymentEvent::Failed {
        class,
        message: message.to_owned(),
    }
}

const NOT_HEARD: &str = "nobody is heard who asks for this; go nearer, or ask the payee whether the request is still open";
const BUSY: &str = "another payer is paying this request; try again in a moment";
const PAID_BEFORE: &str = "this request was paid before; nothing more was debited";
const ASK_ANEW: &str = "this request was tried too often; ask the payee to open a new one";
