//! What the journal does not know yet of a record of the machine.

use ble_proto::payment::payee::{Payee, PayeeRecord};
use journal::Fact;

use super::Shared;

/// Returns the fact to append, unless the journal holds it already: the TA's answers are written by the TA's own thread, and a
/// payment that comes again is there.
pub(super) fn news(shared: &Shared, machine: &Payee, record: PayeeRecord) -> Option<Fact> {
    match record {
        PayeeRecord::PaymentReceived { pair } => {
            let payment = pair.hash();
            let known = shared
                .journal
                .view(|book| book.incoming_by_hash(&payment).is_some());
            let provider = machine.sender_provider(&payment).cloned();
            (!known)
                .then_some(provider)
                .flatten()
                .map(|sender_provider| Fact::PaymentReceived {
                    pair,
                    sender_provider,
                })
        }
        PayeeRecord::ReceiptSigned { payment, receipt } => {
            let known = shared.journal.view(|book| {
                book.incoming_by_hash(&payment)
                    .is_some_and(|held| held.receipt.is_some())
            });
            (!known).then_some(Fact::Collected {
                payment,
                receipt: *receipt,
            })
        }
    }
}
