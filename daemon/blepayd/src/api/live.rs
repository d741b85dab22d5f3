//! Payments under way, from the wallet's terms to the API's.

use api_types::{Direction, Money, NOT_FOUND, Payment, PaymentState, RADIO_ABSENT};
use wallet::{FailureClass, PaymentStage, Progress};

/// Writes a payment under way; `id` names it until there is a P.
pub(super) fn payment(id: &str, progress: &Progress) -> Payment {
    let offer = progress.offer.as_deref();
    let hash = progress.payment.map(|hash| hash.to_string());
    let is_received = progress.stage == PaymentStage::Received;

    Payment {
        id: hash.clone().unwrap_or_else(|| id.to_owned()),
        direction: Direction::Out,
        state: state(&progress.stage),
        reason: reason(progress).map(str::to_owned),
        failure: class(&progress.stage).map(|class| failure_code(class).to_owned()),
        peer: offer.map(|offer| offer.payee.to_string()),
        peer_key: offer.map(|offer| offer.payee_key.to_string()),
        peer_provider: offer.map(|offer| offer.provider.to_string()),
        amount: offer.map(|offer| Money::of(offer.amount, offer.currency)),
        memo: progress.memo.as_ref().map(|memo| memo.as_str().to_owned()),
        code: progress.code.map(|code| code.to_string()),
        request_id: offer.map(|offer| offer.request_id.to_string()),
        j: None,
        hash,
        receipt_verified: is_received,
        resumed: is_received && progress.was_interrupted,
        reported: false,
        settlement: None,
        settled: progress.stage == PaymentStage::Arrived,
        pin_tries_left: progress.pin_tries_left,
        refund_of: offer
            .and_then(|offer| offer.refund_of)
            .map(|hash| hash.to_string()),
        refunded: None,
        at_ms: progress.began.as_ms(),
    }
}

const fn state(stage: &PaymentStage) -> PaymentState {
    match stage {
        PaymentStage::Searching => PaymentState::Searching,
        PaymentStage::AwaitsApproval => PaymentState::AwaitsApproval,
        PaymentStage::Paying => PaymentState::Paying,
        PaymentStage::Resuming => PaymentState::Resuming,
        PaymentStage::Unconfirmed => PaymentState::Unconfirmed,
        PaymentStage::Received | PaymentStage::Arrived => PaymentState::Received,
        PaymentStage::Held => PaymentState::Held,
        PaymentStage::GivenUp => PaymentState::Failed,
        PaymentStage::Failed { class, .. } => match class {
            FailureClass::Declined => PaymentState::Declined,
            FailureClass::Unknown => PaymentState::Unconfirmed,
            FailureClass::NotFound
            | FailureClass::RadioAbsent
            | FailureClass::Busy
            | FailureClass::NotAsExpected
            | FailureClass::Untrusted
            | FailureClass::RefusedByPayee
            | FailureClass::RefusedByTa
            | FailureClass::Forbidden
            | FailureClass::AlreadyPaid
            | FailureClass::Internal => PaymentState::Failed,
        },
    }
}

fn reason(progress: &Progress) -> Option<&str> {
    match &progress.stage {
        PaymentStage::Failed { message, .. } => Some(message),
        PaymentStage::GivenUp => Some("the payment was given up"),
        PaymentStage::Searching if progress.waits => Some(WAITS),
        PaymentStage::Resuming | PaymentStage::Unconfirmed | PaymentStage::Held => progress
            .was_interrupted
            .then_some("the link broke after the debit"),
        PaymentStage::Searching
        | PaymentStage::AwaitsApproval
        | PaymentStage::Paying
        | PaymentStage::Received
        | PaymentStage::Arrived => None,
    }
}

const fn class(stage: &PaymentStage) -> Option<FailureClass> {
    match stage {
        PaymentStage::Failed { class, .. } => Some(*class),
        PaymentStage::Searching
        | PaymentStage::AwaitsApproval
        | PaymentStage::Paying
        | PaymentStage::Resuming
        | PaymentStage::Unconfirmed
        | PaymentStage::Received
        | PaymentStage::Held
        | PaymentStage::Arrived
        | PaymentStage::GivenUp => None,
    }
}

const fn failure_code(class: FailureClass) -> &'static str {
    match class {
        FailureClass::NotFound => NOT_FOUND,
        FailureClass::RadioAbsent => RADIO_ABSENT,
        FailureClass::Busy => "busy",
        FailureClass::NotAsExpected => "not_as_expected",
        FailureClass::Untrusted => "untrusted",
        FailureClass::RefusedByPayee => "refused_by_payee",
        FailureClass::RefusedByTa => REFUSED_BY_TA,
        FailureClass::Forbidden => "forbidden",
        FailureClass::Declined => "declined",
        FailureClass::AlreadyPaid => "already_paid",
        FailureClass::Unknown => "unknown",
        FailureClass::Internal => "internal",
    }
}

/// The failure of a payment that this device's TA refused.
pub(super) const REFUSED_BY_TA: &str = "refused_by_ta";

const WAITS: &str = "another payment of this device, or a look at who is near, has the radio; this payment comes next";
