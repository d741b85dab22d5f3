//! Refunds: who paid asks, who received pays, and never more than was paid.
//!
//! The request names the hash of the payment (`refund_of`). On the paying side the intent in the
//! journal, written before the TA is asked, is what reserves the sum under that hash.

use std::sync::Arc;

use journal::Book;
use journal::book::{EitherPayment, PaymentKey, PaymentRef};
use ops_proto::message::RequestPayment;
use ops_proto::money::words;
use ops_proto::{Amount, Currency, Digest};

use super::request::{self, Mode, OpenedRequest, RequestOrder};
use super::{Shared, WalletError};

/// Asks for money of a payment back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundOrder {
    /// The hash of the payment.
    pub payment: Digest,
    /// How much; `None` for all that is left.
    pub amount: Option<Amount>,
    /// How the payer of the refund finds the request.
    pub mode: Mode,
}

/// Why a refund cannot be asked for, or is not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefused {
    /// This device did not make the payment.
    #[error("this device did not make that payment; only who paid can ask for a refund")]
    NotPaid,
    /// The TA that paid is not the one that would ask.
    #[error("the payment was made by a trusted application that this device no longer uses")]
    OtherTa,
    /// Less is left of the payment, both in minor units.
    #[error(
        "refunds never exceed their payment: {} is left of it and {} is asked",
        words(*left, *currency),
        words(*asked, *currency)
    )]
    TooMuch {
        left: u64,
        asked: u64,
        currency: Currency,
    },
    /// This device did not receive the payment.
    #[error("it asks to refund a payment that this device did not receive")]
    NotReceived,
    /// Somebody else than who paid asks.
    #[error("it asks to refund a payment that somebody else made")]
    OtherSender,
}

/// Opens the request for a refund.
pub(super) async fn ask(
    shared: &Arc<Shared>,
    order: RefundOrder,
) -> Result<OpenedRequest, WalletError> {
    let open = shared.journal.view(|book| to_open(book, order))?;

    request::open(shared, open).await
}

fn to_open(book: &Book, order: RefundOrder) -> Result<RequestOrder, RefundRefused> {
    let paid = book.outgoing_by_hash(&order.payment);
    let pair = paid.as_ref().and_then(|paid| paid.pair.as_ref());
    let pair = pair.ok_or(RefundRefused::NotPaid)?;
    let asks = book.payee_chain().map(|chain| chain.leaf.body().subject);
    if asks != Some(pair.sender_key()) {
        return Err(RefundRefused::OtherTa);
    }
    let amount = pair.payment.body().amount.minor_units();
    let left = amount.saturating_sub(received(book, &order.payment));
    let wanted = order.amount.map_or(left, Amount::minor_units);
    let is_left = Amount::try_from(wanted).ok().filter(|_| wanted <= left);
    let too_much = RefundRefused::TooMuch {
        left,
        asked: wanted,
        currency: pair.payment.body().currency,
    };
    let digits = order.payment.to_string();

    Ok(RequestOrder {
        amount: is_left.ok_or(too_much)?,
        memo: format!("refund of {}", digits.get(..12).unwrap_or_default()),
        validity: None,
        mode: order.mode,
        replaces: None,
        refund_of: Some(order.payment),
    })
}

/// Checks a request that this device is asked to pay, if it is for a refund.
pub(super) fn check(book: &Book, request: &RequestPayment) -> Result<(), RefundRefused> {
    let Some(of) = request.refund_of else {
        return Ok(());
    };
    let incoming = book
        .incoming_by_hash(&of)
        .ok_or(RefundRefused::NotReceived)?;
    if incoming.pair.sender_key() != request.payee.body().subject {
        return Err(RefundRefused::OtherSender);
    }
    let amount = incoming.pair.payment.body().amount.minor_units();
    let spent = reserved(book, &of, Some(&PaymentKey::of(request)));
    let (left, asked) = (amount.saturating_sub(spent), request.amount.minor_units());
    if asked > left {
        return Err(RefundRefused::TooMuch {
            left,
            asked,
            currency: request.currency,
        });
    }

    Ok(())
}

/// Returns what was refunded of a payment, either way, in minor units.
pub(super) fn refunded(book: &Book, of: &Digest) -> u64 {
    received(book, of).saturating_add(reserved(book, of, None))
}

/// Refunds of a payment by this device that came.
fn received(book: &Book, of: &Digest) -> u64 {
    let refunds = book.refunds_of(of).into_iter();
    let came = refunds.filter_map(|(_, refund)| match refund {
        EitherPayment::Received(_, refund) => Some(refund.pair.payment.body().amount.minor_units()),
        EitherPayment::Sent(_) => None,
    });

    came.fold(0, u64::saturating_add)
}

/// Refunds by this device that are paid, or intended and not abandoned.
fn reserved(book: &Book, of: &Digest, except: Option<&PaymentKey>) -> u64 {
    let except = except.map(|key| PaymentRef::Sent(*key));
    let refunds = book.refunds_of(of).into_iter();
    let left = refunds
        .filter(|(payment, _)| Some(*payment) != except)
        .filter_map(|(_, refund)| match refund {
            EitherPayment::Sent(refund) => Some(refund.amount().minor_units()),
            EitherPayment::Received(..) => None,
        });

    left.fold(0, u64::saturating_add)
}
