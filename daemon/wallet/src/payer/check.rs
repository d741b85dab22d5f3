//! What keeps this device from paying what was offered: found before the request is locked and before anybody is asked.

use ble_proto::payment::payer::Offered;
use journal::book::PaymentKey;
use ops_proto::Amount;
use ops_proto::contract::{TaRefused, TaState};
use ops_proto::money::words;

use crate::{FailureClass, Shared, bounds, limit, refund};

/// What was offered, and what is known of it.
pub(super) struct Question<'a> {
    pub(super) offered: &'a Offered,
    /// What the person expects to pay.
    pub(super) expected: Option<Amount>,
    /// The request is paid, by this device or by another.
    pub(super) is_paid: bool,
    /// What the TA says of itself.
    pub(super) ta: Option<&'a TaState>,
}

impl Question<'_> {
    /// Returns why it is not paid: first what is wrong with it, then what this device cannot do.
    pub(super) fn answer(&self, shared: &Shared) -> Option<(FailureClass, String)> {
        self.distrust(shared)
            .map(|message| (FailureClass::Untrusted, message))
            .or_else(|| self.mismatch())
            .or_else(|| {
                let paid = || (FailureClass::AlreadyPaid, PAID_BEFORE.to_owned());
                self.is_paid.then(paid)
            })
            .or_else(|| {
                self.own_bound(shared)
                    .map(|message| (FailureClass::RefusedByTa, message))
            })
    }

    fn distrust(&self, shared: &Shared) -> Option<String> {
        let (offered, request) = (self.offered, &self.offered.request);
        if !offered.payee_name.is_plain() || !offered.provider_name.is_plain() {
            return Some("the payee's name has characters that do not show as they are".to_owned());
        }
        if shared.journal.view(|book| book.knows_otherwise(request)) {
            return Some("the payee used the number of this request for another one".to_owned());
        }
        if let Some(revoked) = shared
            .lists
            .denied()
            .borrow()
            .revoked(request.body().payee.body())
        {
            return Some(format!(
                "do not pay {}: {revoked} ({})",
                offered.payee_name, offered.provider_name
            ));
        }
        let refund = shared
            .journal
            .view(|book| refund::check(book, request.body()));

        refund.err().map(|refused| refused.to_string())
    }

    fn mismatch(&self) -> Option<(FailureClass, String)> {
        let (asked, currency) = (self.offered.amount, self.offered.currency);
        let expected = self.expected.filter(|amount| *amount != asked)?;
        let message = format!(
            "the payee asks {} and not {}",
            words(asked.minor_units(), currency),
            words(expected.minor_units(), currency)
        );

        Some((FailureClass::NotAsExpected, message))
    }

    fn own_bound(&self, shared: &Shared) -> Option<String> {
        let offered = self.offered;
        let key = PaymentKey::new(offered.payee, offered.request_id);
        let (is_own, is_begun) = shared.journal.view(|book| {
            let begun = book.outgoing_of(&key);

            (
                bounds::is_own_key(book, &offered.payee),
                begun.is_some_and(|payment| !payment.is_abandoned()),
            )
        });
        if is_own {
            return Some(OWN_REQUEST.to_owned());
        }
        let ta = self.ta?;
        // the TA gives what it signed before to whoever asks again
        if is_begun {
            return None;
        }
        if ta.pin.is_set && ta.pin.tries_left == 0 {
            return Some(TaRefused::PinBlocked.to_string());
        }

        limit::unpayable(ta, offered.amount).map(|(_, sentence)| sentence)
    }
}

const PAID_BEFORE: &str = "this request was paid before; nothing more was debited";
const OWN_REQUEST: &str = "this is a request of this wallet itself; nobody pays oneself";
