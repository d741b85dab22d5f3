//! Payments as people see them: folds of the journal.

use journal::Book;
use journal::book::{
    EitherPayment, Incoming, IncomingStage, Outgoing, OutgoingStage, PaymentKey, PaymentRef,
};
use ops_proto::contract::TaRefused;
use ops_proto::message::{ItemOutcome, ReceivedPayment};
use ops_proto::{Amount, Currency, Digest, Name, PaymentPair, PublicKey, RequestId, Signed, Time};

/// One payment, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentView {
    /// The hash of P; `None` while approved and not yet signed.
    pub id: Option<Digest>,
    /// To or from this device.
    pub direction: Direction,
    pub amount: Amount,
    pub currency: Currency,
    /// The certified name of the other side.
    pub peer: Name,
    /// The key of the other side: the payee's, or the sender's TA's.
    pub peer_key: PublicKey,
    /// The payee's number of the request.
    pub request_id: RequestId,
    /// What it is for.
    pub memo: String,
    /// When it was approved, or came.
    pub at: Time,
    pub state: PaymentState,
    /// Outgoing: why the TA did not pay, where it refused.
    pub refused: Option<TaRefused>,
    /// The receipt, once there is one.
    pub receipt: Option<Signed<ReceivedPayment>>,
    /// P and R, once signed.
    pub pair: Option<PaymentPair>,
    /// The server's last word on it.
    pub outcome: Option<ItemOutcome>,
}

impl PaymentView {
    /// Returns what names the payment in the journal, also before P exists.
    fn reference(&self) -> PaymentRef {
        match (self.direction, self.id) {
            (Direction::Incoming, Some(hash)) => PaymentRef::Received(hash),
            (Direction::Incoming, None) | (Direction::Outgoing, _) => {
                PaymentRef::Sent(PaymentKey::new(self.peer_key, self.request_id))
            }
        }
    }
}

/// Which way a payment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Outgoing,
    Incoming,
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// Outgoing: approved; the TA has not paid.
    Approved,
    /// Outgoing: the TA did not pay; nothing left.
    Abandoned,
    /// Outgoing: debited, no receipt yet. It resumes by itself, and settles online at the latest.
    Unacknowledged,
    /// Outgoing: the payee holds it and settles it online.
    Held,
    /// Outgoing: the receipt is here. Incoming: credited, receipt signed.
    Receipted,
    /// Incoming: kept, to be claimed online.
    ToClaim,
    /// The server confirmed where the money is.
    Settled,
    /// The server will never honour it.
    Refused,
}

/// Returns payments, newest first: at most `limit` of those that come after `after`, the last one of the page before.
pub(super) fn page(book: &Book, after: Option<&PaymentView>, limit: usize) -> Vec<PaymentView> {
    let after = after.map(|last| (last.at, last.reference()));
    let page = book.payments_page(after, limit);

    page.iter()
        .map(|(_, payment)| of_either(book, payment))
        .collect()
}

/// Returns the payments whose id begins so, at most `limit`.
pub(super) fn beginning(book: &Book, id: &str, limit: usize) -> Vec<PaymentView> {
    let found = book.payments_beginning(id, limit);

    found
        .iter()
        .map(|payment| of_either(book, payment))
        .collect()
}

fn of_either(book: &Book, payment: &EitherPayment) -> PaymentView {
    match payment {
        EitherPayment::Sent(payment) => of_outgoing(payment),
        EitherPayment::Received(hash, payment) => of_incoming(book, *hash, payment),
    }
}

/// Returns one payment by the hash of P; one that went from this device to itself, as it came.
pub(super) fn one(book: &Book, payment: &Digest) -> Option<PaymentView> {
    let incoming = book
        .incoming_by_hash(payment)
        .map(|incoming| of_incoming(book, *payment, &incoming));

    incoming.or_else(|| {
        book.outgoing_by_hash(payment)
            .map(|payment| of_outgoing(&payment))
    })
}

fn of_outgoing(payment: &Outgoing) -> PaymentView {
    let request = payment.request.body();
    let payee = request.payee.body();

    PaymentView {
        id: payment.pair.as_ref().map(PaymentPair::hash),
        direction: Direction::Outgoing,
        amount: request.amount,
        currency: request.currency,
        peer: payee.name.clone(),
        peer_key: payee.subject,
        request_id: request.request_id,
        memo: payment.memo.clone(),
        at: payment.at,
        state: outgoing_state(payment),
        refused: payment.abandoned.flatten(),
        receipt: payment.receipt.as_ref().map(|(receipt, _)| receipt.clone()),
        pair: payment.pair.clone(),
        outcome: payment.report,
    }
}

fn outgoing_state(payment: &Outgoing) -> PaymentState {
    if let Some(ItemOutcome::Refused(_)) = payment.report {
        return PaymentState::Refused;
    }
    if payment.is_settled() {
        return PaymentState::Settled;
    }
    match payment.stage() {
        OutgoingStage::Approved => PaymentState::Approved,
        OutgoingStage::Abandoned => PaymentState::Abandoned,
        OutgoingStage::Signed => PaymentState::Unacknowledged,
        OutgoingStage::Held => PaymentState::Held,
        OutgoingStage::Receipted => PaymentState::Receipted,
    }
}

fn of_incoming(book: &Book, payment: Digest, incoming: &Incoming) -> PaymentView {
    let body = incoming.pair.payment.body();
    let sender = body.sender.body();
    let memo = book
        .request(&body.receiver.key, body.request_id)
        .map(|request| request.intent.memo.as_str().to_owned());

    PaymentView {
        id: Some(payment),
        direction: Direction::Incoming,
        amount: body.amount,
        currency: body.currency,
        peer: sender.name.clone(),
        peer_key: sender.subject,
        request_id: body.request_id,
        memo: memo.unwrap_or_default(),
        at: incoming.at,
        state: incoming_state(incoming),
        refused: None,
        receipt: incoming.receipt.clone(),
        pair: Some(incoming.pair.clone()),
        outcome: incoming.claim.or(incoming.report),
    }
}

fn incoming_state(incoming: &Incoming) -> PaymentState {
    let refused = |outcome| matches!(outcome, Some(ItemOutcome::Refused(_)));
    if incoming.is_settled() {
        return PaymentState::Settled;
    }
    if refused(incoming.claim) || refused(incoming.report) {
        return PaymentState::Refused;
    }
    match incoming.stage() {
        IncomingStage::Received | IncomingStage::Refused => PaymentState::ToClaim,
        IncomingStage::Credited => PaymentState::Receipted,
    }
}
